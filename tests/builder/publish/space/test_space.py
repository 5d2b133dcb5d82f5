"""The explorer as a static Space: the real huggingface_hub against a loopback Hub, and a browser on what is there."""

import json
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import HfApi
from support import loopback, releasing
from support.browser import opened, started, wait_for

from twigma.analysis.explorer.page import explore
from twigma.builder.publish.publications import read_publications
from twigma.builder.publish.space.space import publish_space
from twigma.builder.release.release import release
from twigma.cli import main

REPO, SPACE = "acme/twigma", "acme/twigma-explorer"
KEY = f"spaces/{SPACE}"


@pytest.fixture
def show(hub, twigma, tmp_path):
    """Publish the explorer of `twigma`, by default with --go."""

    def run(go=True, ids=False, **options):
        page = explore(twigma, tmp_path / "page.html", ids=ids).path.read_bytes()
        options = {"endpoint": hub.url, "token": hub.token} | options
        options = {"work": tmp_path / "nowhere"} | options
        return publish_space(twigma, REPO, page, go=go, with_ids=ids, **options)

    return run


def there(hub, key=KEY):
    return hub.repos[key].commits[-1][1]


def test_nothing_is_sent_unless_asked(hub, show):
    plan = show(go=False)
    assert not plan.exists and not plan.done and not plan.is_current
    assert plan.files == {"README.md": "new", "index.html": "new"}
    assert plan.sending > 10_000
    assert not hub.repos and {method for method, _, _ in hub.log} == {"GET"}


def test_the_page_is_there_byte_for_byte_and_alone(hub, show, tmp_path):
    done = show()
    assert done.done and done.is_current is False and done.space == SPACE
    files = there(hub)
    # Of the template that the Hub puts there nothing is left, nor of its history.
    assert set(files) == {"README.md", "index.html"}
    assert files["index.html"] == (tmp_path / "page.html").read_bytes()
    assert len(hub.repos[KEY].commits) == 1
    api = HfApi(endpoint=hub.url, token=hub.token)
    path = api.hf_hub_download(
        SPACE, "index.html", repo_type="space", local_dir=tmp_path / "read"
    )
    assert Path(path).read_bytes() == files["index.html"]


def test_its_card_configures_a_static_space_and_links_the_dataset(hub, show):
    show()
    card = there(hub)["README.md"].decode()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["sdk"] == "static" and head["app_file"] == "index.html"
    assert head["datasets"] == [REPO] and head["license"] == "cc-by-4.0"
    assert head["title"] == "Pictures of one colour: explorer"
    assert "of every image without its id" in " ".join(card.split())
    assert "write to colours@example.org" in card


def test_again_sends_nothing(hub, show):
    show()
    before = hub.received()
    plan = show(go=False)
    assert plan.is_current and plan.sending == 0
    show()
    assert hub.received() == before


def test_ids_are_there_only_when_asked(hub, show, twigma):
    name = releasing.media_id(2)
    show()
    assert not names_in(there(hub)["index.html"])
    show(ids=True)
    assert name in names_in(there(hub)["index.html"])
    assert "with its id" in there(hub)["README.md"].decode()
    assert len(hub.repos[KEY].commits) == 1


def names_in(page):
    """The ids that a page holds."""
    import base64
    import gzip
    import re

    text = re.search(rb'id="header">([^<]+)<', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(text))).get("image_name", [])


@pytest.mark.parametrize("large", [False, True])
def test_what_was_removed_is_gone_from_page_history_and_storage(
    hub, show, twigma, tmp_path, large
):
    hub.large, hub.large_files = large, (".parquet", ".html")
    show(ids=True)
    old = there(hub)["index.html"]
    assert releasing.media_id(5) in names_in(old)
    work = releasing.make_work(tmp_path / "work")
    releasing.remove(work, releasing.media_id(5))
    with pytest.raises(ValueError, match="still holds 1 ids"):
        show(ids=True, work=work)
    release(work, twigma, version="1.1.0", without=("embed",))
    show(ids=True, work=work)
    store = hub.repos[KEY]
    assert releasing.media_id(5) not in names_in(there(hub)["index.html"])
    assert len(store.commits) == 1
    assert old not in store.everything()
    assert len(store.stored) == (1 if large else 0)


def test_a_run_cut_before_it_forgot_the_past_forgets_it_later(hub, show):
    hub.fault("POST", "/super-squash/main", 403)
    with pytest.raises(PermissionError):
        show()
    assert len(hub.repos[KEY].commits) == 2
    plan = show(go=False)
    assert plan.earlier == 1 and not plan.is_current and plan.sending == 0
    show()
    assert len(hub.repos[KEY].commits) == 1


def test_a_connection_cut_half_way_is_taken_up_again(hub, show):
    hub.cuts = 1
    show()
    assert set(there(hub)) == {"README.md", "index.html"}


def test_a_run_that_stopped_after_it_made_the_space_is_finished(hub, show):
    hub.fault("POST", "/commit/main", 403)
    with pytest.raises(PermissionError):
        show()
    assert "style.css" in there(hub)
    assert show().done
    assert set(there(hub)) == {"README.md", "index.html"}


def test_a_space_of_something_else_is_left_alone(hub, show):
    hub.hold(KEY, {"app.py": b"import gradio", "README.md": b"---\nsdk: gradio\n---\n"})
    for go in (False, True):
        with pytest.raises(ValueError, match=r"holds 'app\.py'.*--space-name"):
            show(go=go)
    hub.hold(KEY, {"index.html": b"my page"})
    with pytest.raises(ValueError, match=r"holds 'index\.html'.*left as it is"):
        show()
    assert there(hub) == {"index.html": b"my page"}


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(hub, show):
    show()
    hub.repos[KEY].commit({"index.html": there(hub)["index.html"]})
    hub.before_commit = lambda: hub.repos[KEY].commit({"index.html": b"theirs"})
    with pytest.raises(RuntimeError, match="was changed meanwhile"):
        show(ids=True)


def test_references_of_others_are_named_and_their_pages_stay(hub, show):
    show()
    store = hub.repos[KEY]
    store.pulls["refs/pr/1"] = store.branches["main"]
    plan = show(go=False)
    assert plan.others == ("refs/pr/1",)


@pytest.mark.parametrize("private", [True, False])
def test_a_new_space_is_as_private_as_its_dataset(hub, show, publish, private):
    publish(private=private)
    show()
    assert hub.repos[KEY].private is private
    show(private=not private)
    assert hub.repos[KEY].private is not private
    show()
    assert hub.repos[KEY].private is not private


def test_a_wrong_name_is_refused(show):
    with pytest.raises(ValueError, match="expected a Space as NAMESPACE/NAME"):
        show(space="explorer")


# ------------------------------------------------------------------ the command


@pytest.fixture
def command(hub, twigma, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)

    def run(*words, work="work"):
        start = ["publish", "hub", REPO, str(twigma), "--work", str(tmp_path / work)]
        return CliRunner().invoke(main, [*start, *words])

    return run


def test_dataset_and_space_are_published_by_one_command(hub, command):
    dry = command("--space")
    assert dry.exit_code == 0, dry.output
    assert f"Space {SPACE}: " in dry.output and "--go does it" in dry.output
    assert not hub.repos
    done = command("--space", "--go")
    assert done.exit_code == 0, done.output
    assert set(hub.repos) == {REPO, KEY}
    assert "sent, it shows version 1.0.0 (without ids; --ids adds them)" in done.output
    again = command("--space", "--go")
    assert f"Space {SPACE}: up to date, it shows version 1.0.0" in again.output


def test_options_of_a_space_need_one(command):
    for words in (["--ids"], ["--space-name", "acme/x"]):
        result = command(*words)
        assert result.exit_code == 2 and "add --space" in result.output


def test_a_release_without_a_map_is_refused_before_anything_is_sent(
    hub, command, twigma, tmp_path
):
    work = releasing.make_work(tmp_path / "other")
    release(work, twigma, version="1.1.0", without=("cluster",))
    result = command("--space", "--go")
    assert result.exit_code == 1 and "has no image with a place on the map" in (
        result.output
    )
    assert not hub.repos


def test_removals_name_the_space_and_the_next_version_reaches_it(
    hub, command, twigma, tmp_path
):
    work = releasing.make_work(tmp_path / "work")
    release(work, twigma, version="1.0.1")
    done = command("--space", "--space-name", "acme/map", "--ids", "--go")
    assert done.exit_code == 0, done.output
    (entry,) = read_publications(work)
    assert (entry.record, entry.repository, entry.version) == (
        "acme/map",
        REPO,
        "1.0.1",
    )
    # The next version is made of a copy on which the stages have run.
    ready = shutil.copytree(work, tmp_path / "ready")
    releasing.remove(ready, releasing.media_id(5))
    (tmp_path / "requests.txt").write_text(releasing.media_id(5))
    words = ["removals", str(tmp_path / "requests.txt"), "--work", str(work)]
    removed = CliRunner().invoke(main, words)
    assert removed.exit_code == 0, removed.output
    follow = "twigma publish hub acme/twigma --space --go --space-name acme/map"
    assert "the Space acme/map shows version 1.0.1: once" in removed.output
    assert follow in removed.output
    (receipt,) = (work / "receipts").glob("removal-*.json")
    assert follow in json.loads(receipt.read_text())["published"][0]
    release(ready, twigma, version="1.1.0")
    without = command(work="ready")
    assert f"Space acme/map shows version 1.0.1: `{follow}`" in without.output
    done = command("--space", "--ids", "--go", work="ready")
    assert done.exit_code == 0, done.output
    assert releasing.media_id(5) not in names_in(
        there(hub, "spaces/acme/map")["index.html"]
    )
    assert read_publications(ready)[-1].version == "1.1.0"


# ------------------------------------------------------------------ in a browser


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_the_page_works_inside_the_frame_of_another_site(hub, show, tmp_path):
    """As the Hub shows a static Space: in a frame of another origin, sandboxed, with downloads allowed."""
    show()
    place = tmp_path / "served"
    place.mkdir()
    (place / "index.html").write_bytes(there(hub)["index.html"])
    with (
        loopback.Server(partial(Files, directory=place)) as inner,
        loopback.Server(partial(Files, directory=tmp_path)) as outer,
    ):
        address = inner.url.replace("127.0.0.1", "localhost")
        frame = (
            '<!doctype html><link rel="icon" href="data:,">'
            f'<iframe src="{address}/index.html" width=1200 height=800 '
            'sandbox="allow-scripts allow-downloads allow-same-origin"></iframe>'
        )
        (tmp_path / "outer.html").write_text(frame)
        with started() as browser, opened(browser, f"{outer.url}/outer.html") as tab:
            (shown,) = [one for one in tab.page.frames if one.url.startswith(address)]
            wait_for(shown, "document.title.endsWith('(ready)')")
            assert "26 images" in shown.inner_text("header")
            assert tab.messages == []
            with tab.page.expect_download() as download:
                shown.evaluate(
                    "chosen = new Uint8Array(n).fill(1); save('a.json', 'text/plain', '{}')"
                )
            assert download.value.suggested_filename == "a.json"
