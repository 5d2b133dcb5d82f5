"""Removal that reaches what was published: nothing on the Hub holds a removed row, or its place is named."""

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support import releasing

from twigma.builder.publish import hub_history
from twigma.builder.publish.hub import publish_hub
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.rehydrate.posts.removed_ids import hash_of

REPO = "acme/twigma"
POST, MEDIA = str(releasing.FIRST + 5), releasing.media_id(5)
IDS = (POST.encode(), MEDIA.encode())


@pytest.fixture
def work(tmp_path):
    return releasing.make_work(tmp_path / "work")


@pytest.fixture(autouse=True)
def as_on_the_hub(hub):
    hub.large = True


def plain(hub):
    """Everything that can be downloaded, its tables unpacked."""
    store = hub.repos[REPO]
    found = store.everything()
    for _, content in store.stored.values():
        table = pq.read_table(releasing.io.BytesIO(content))
        names = [name for name in ("id", "image_name") if name in table.column_names]
        found += json.dumps(table.select(names).to_pylist()).encode()
    return found


def named(hub):
    """Which of the ids of the removed post are still there."""
    everything = plain(hub)
    return [name for name in IDS if name in everything]


def remake(work, twigma, version, **options):
    release(work, twigma, version=version, **options)


@pytest.fixture
def removed(publish, twigma, work):
    """Version 1.0.0 is published with a row that version 1.0.1 no longer holds."""
    publish()
    releasing.remove(work, MEDIA, POST)
    remake(work, twigma, "1.0.1")


def test_the_plan_and_the_summary_name_every_place(hub, publish, work, removed):
    assert named(hub) == list(IDS)
    plan = publish(go=False, work=work)
    assert [str(place) for place in plan.places] == [
        "tag v1.0.0: 1 removed row",
        "main and its history: 1 removed row",
    ]
    result = publish(work=work)
    assert [place.name for place in result.places] == [
        "tag v1.0.0",
        "the commits before tag v1.0.1",
        "main and its history",
    ]
    assert named(hub) == list(IDS)
    assert [place.name for place in publish(work=work).places] == [
        place.name for place in result.places
    ]


def test_erased_it_is_nowhere_and_what_stays_loads(hub, publish, work, removed):
    result = publish(work=work, erase_history=True)
    store = hub.repos[REPO]
    assert not result.places and result.erased == 2
    assert not named(hub)
    assert set(store.tags) == {"v1.0.1"} and set(store.branches) == {"main"}
    assert len(store.commits) == 1
    at_tag = store.at("v1.0.1").files
    assert at_tag == store.at("main").files
    assert all(store.content(data) for data in at_tag.values())
    again = publish(work=work, erase_history=True)
    assert again.is_current and not again.places and not again.erased


def test_versions_without_the_row_keep_their_tags_and_files(
    hub, publish, twigma, work, removed
):
    publish(work=work)
    before = dict(hub.repos[REPO].at("v1.0.1").files)
    remake(work, twigma, "1.1.0", without=("embed",))
    publish(work=work, erase_history=True)
    store = hub.repos[REPO]
    assert set(store.tags) == {"v1.0.1", "v1.1.0"}
    assert store.at("v1.0.1").files == before
    assert store.at("v1.0.1").parent is None
    assert all(store.content(data) for data in before.values())
    assert not named(hub)


def test_without_the_working_folder_the_list_of_the_release_decides(
    hub, publish, removed
):
    result = publish(erase_history=True)
    assert not result.places and not named(hub)


def test_rows_left_out_for_another_reason_are_no_removals(hub, publish, twigma, work):
    publish()
    remake(work, twigma, "1.0.1", nsfw_threshold=0.5)
    asked = len(hub.log)
    assert publish(work=work, go=False).places == ()
    assert not [path for _, path, _ in hub.log[asked:] if "/commits/" in path]
    releasing.remove(work, "999")
    assert publish(work=work, go=False).places == ()


def test_a_release_from_before_a_removal_is_not_published(hub, publish, work):
    releasing.remove(work, MEDIA, POST)
    with pytest.raises(ValueError, match=r"still holds 2 ids .*removed\.json.*release"):
        publish(work=work)
    assert not hub.repos


@pytest.fixture
def later(hub, publish, twigma, work, removed):
    """Two more versions are published: the Hub, the working folder, and the files of the first of them."""
    publish(work=work)
    before = dict(hub.repos[REPO].at("v1.0.1").files)
    remake(work, twigma, "1.1.0", without=("embed",))
    publish(work=work)
    return hub, work, before


STEPS = ("delete_tag", "branch", "squash", "tag", "delete_branch", "delete_stored")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_erasing_resumes_wherever_it_stopped(later, publish, monkeypatch, step, after):
    hub, work, before = later
    real = getattr(hub_history.HubRepository, step)

    def stopped(self, *values):
        if after:
            real(self, *values)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(hub_history.HubRepository, step, stopped)
        publish(work=work, erase_history=True)
    result = publish(work=work, erase_history=True)
    store = hub.repos[REPO]
    assert not result.places and not named(hub)
    assert set(store.branches) == {"main"}
    assert set(store.tags) == {"v1.0.1", "v1.1.0"}
    assert store.at("v1.0.1").files == before


def test_places_of_others_are_named_with_what_to_do_and_left(
    hub, publish, work, removed
):
    store = hub.repos[REPO]
    old = store.tags["v1.0.0"]
    store.branches["draft"] = old
    store.converts["refs/convert/parquet"] = old
    store.pulls["refs/pr/3"] = old
    result = publish(work=work, erase_history=True)
    assert [str(place) for place in result.places] == [
        "branch draft: 1 removed row; somebody made this branch: delete it on the Hub",
        "refs/convert/parquet: 1 removed row; the Hub makes this copy itself: ask datasets@huggingface.co to rebuild "
        "it",
        "pull request refs/pr/3: 1 removed row; close it, and ask website@huggingface.co to delete it",
    ]
    assert named(hub) == list(IDS)
    for refs in (store.branches, store.converts, store.pulls):
        for name in [name for name in refs if name != "main"]:
            del refs[name]
    assert publish(work=work, erase_history=True).erased == 2
    assert not named(hub)


def test_a_hub_that_names_stored_files_otherwise_loses_none(
    hub, publish, work, removed, monkeypatch
):
    def renamed(file):
        return {f"other-{file.oid}"}

    monkeypatch.setattr(hub_history, "_hashes", renamed)
    before = len(hub.repos[REPO].stored)
    with pytest.raises(OSError, match=r"under other names.*none is deleted.*Settings"):
        publish(work=work, erase_history=True)
    assert len(hub.repos[REPO].stored) == before + 2


def test_nothing_released_after_a_removal_names_who_asked(twigma, work, removed):
    texts = releasing.contents(twigma)
    hashes = {hash_of("s", name).encode() for name in (POST, MEDIA)}
    for path, content in texts.items():
        assert not [one for one in {*IDS, *hashes} if one in content], path
    manifest = json.loads(texts["MANIFEST.json"])
    assert manifest["counts"]["dropped"]["removed on request"] == 1
    assert manifest["history"][0] | {"changed": 0} == {
        "version": "1.0.1",
        "date": "2026-11-28",
        "rows": manifest["counts"]["released"],
        "added": 0,
        "removed": 1,
        "changed": 0,
    }
    table = pq.read_table(next(twigma.rglob("metadata-*.parquet")))
    assert not {POST, MEDIA} & set(
        table["id"].to_pylist() + table["image_name"].to_pylist()
    )


def test_the_command_names_the_places_and_asks_at_a_terminal(
    hub, work, twigma, removed, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)
    words = ["publish", "hub", REPO, str(twigma), "--work", str(work)]
    dry = CliRunner().invoke(main, words)
    assert "rows removed on request can still be downloaded from:" in dry.output
    assert "  tag v1.0.0: 1 removed row" in dry.output
    assert "--erase-history deletes these tags and commits" in dry.output
    sent = CliRunner().invoke(main, [*words, "--go"])
    assert sent.exit_code == 0 and "Erase them" not in sent.output
    assert sent.output.count("  tag v1.0.0: 1 removed row") == 2
    assert named(hub)
    monkeypatch.setattr("twigma.cli.releasing.publish.is_terminal", lambda: True)
    refused = CliRunner().invoke(main, [*words, "--go"], input="n\n")
    assert "Erase them there, for good?" in refused.output and named(hub)
    done = CliRunner().invoke(main, [*words, "--go"], input="y\n")
    assert done.exit_code == 0, done.output
    assert "2 stored files deleted" in done.output
    assert (
        done.output.splitlines()[-1] == "acme/twigma: up to date, v1.0.1 is published"
    )
    assert not named(hub)


def test_the_question_is_asked_beside_what_it_is_about(
    hub, work, twigma, removed, monkeypatch
):
    """Standard output goes into a file here, or is one JSON document."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)
    monkeypatch.setattr("twigma.cli.releasing.publish.is_terminal", lambda: True)
    words = ["publish", "hub", REPO, str(twigma), "--work", str(work), "--go"]
    for options in ([], ["--json"]):
        asked = CliRunner().invoke(main, [*words, *options], input="n\n")
        assert asked.exit_code == 0, asked.output
        listed, _, _ = asked.stderr.partition("Erase them there, for good?")
        assert "  tag v1.0.0: 1 removed row\n" in listed
    assert named(hub)


def test_the_option_needs_no_terminal(hub, work, twigma, removed, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)
    words = ["publish", "hub", REPO, str(twigma), "--work", str(work)]
    done = CliRunner().invoke(main, [*words, "--go", "--erase-history"])
    assert done.exit_code == 0 and "Erase them" not in done.output
    assert not named(hub)


def test_publishing_needs_no_working_folder(hub, twigma, tmp_path):
    result = publish_hub(
        twigma, REPO, go=True, work=tmp_path / "no", endpoint=hub.url, token=hub.token
    )
    assert result.done and not (tmp_path / "no").exists()
