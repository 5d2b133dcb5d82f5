"""`twigma rehydrate --select`: only posts of chosen images are bought, against a loopback X API."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.mapped import write_release

from twigma.cli import main
from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import release_hash
from twigma.demo.platform.server import Platform
from twigma.rehydrate.ids.sampling import read_list


@pytest.fixture(scope="module")
def release(tiny_world, tmp_path_factory):
    """A release of the photos of that world, a row each, in two files' order, and one image that was added by hand."""
    posts = pq.read_table(tiny_world / "posts.parquet").to_pylist()
    rows = [
        {"id": post["id"], "image_name": key.partition("_")[2], "source": "x"}
        for post in posts
        for key in post["media_keys"]
    ]
    rows.append({"id": "17", "image_name": "17", "source": "local"})
    return write_release(
        tmp_path_factory.mktemp("listed") / "twigma", pa.Table.from_pylist(rows)
    )


@pytest.fixture
def here(release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWIGMA_DATA_DIR", str(release))
    monkeypatch.setenv("X_BEARER_TOKEN", "token")
    return tmp_path


@pytest.fixture
def platform(tiny_world, monkeypatch):
    with Platform(tiny_world) as platform:
        monkeypatch.setenv("TWIGMA_X_URL", platform.api_url)
        monkeypatch.setenv("TWIGMA_IMAGE_URL", platform.image_url)
        address = platform.image_url.removeprefix("http://").partition("/")[0]
        monkeypatch.setenv("TWIGMA_ALLOW_HOSTS", address)
        yield platform


def run(*words):
    return CliRunner().invoke(main, ["rehydrate", *words])


def rows_of(release):
    return open_release(release).metadata.to_pylist()


def asked(platform):
    """Every post id that was asked for."""
    return {post for post, times in platform.billed.items() if times}


def test_only_posts_of_chosen_images_are_bought(here, release, platform):
    rows = rows_of(release)
    wanted = [rows[i] for i in (0, 3, 5)]
    text = "image_name\n" + "\n".join(row["image_name"] for row in wanted)
    Path("mine.csv").write_text(text, "utf-8-sig")
    done = run("--select", "mine.csv", "--budget", "1", "--followers")
    assert done.exit_code == 0, done.output
    # One photo stands on three posts: the first.
    shared = {row["id"] for row in rows if row["image_name"] == rows[0]["image_name"]}
    posts = {row["id"] for row in wanted} | shared
    assert asked(platform) <= posts and len(asked(platform)) >= 3
    listed = read_list("work")
    assert set(listed["id"].to_pylist()) == posts
    assert f"{len(posts)} of these ids are of chosen images" in done.stdout
    assert "mine.csv: 3 images of" in done.stderr


def test_rows_and_posts_select_too_and_a_dry_run_buys_nothing(here, release, platform):
    rows = rows_of(release)
    saved = {"format": "twigma selection", "rows": [3, 5, len(rows) - 1]}
    saved["release"] = release_hash(open_release(release))
    Path("rows.json").write_text(json.dumps(saved))
    done = run("--select", "rows.json", "--dry-run", "--budget", "0.005")
    assert "2 ids, 0 known already, 2 to ask: 1 call, at most $0.01" in done.stdout
    assert "reaches 1 of them" in done.stdout
    Path("posts.txt").write_text("\n".join(row["id"] for row in rows[10:20]))
    done = run("--select", "posts.txt", "--sample", "4", "--dry-run")
    assert "sample: 4 of 10 ids" in done.stdout
    assert "4 ids, 0 known already, 4 to ask" in done.stdout
    assert not Path("work").exists() and not platform.asked
    Path("rows.json").write_text(json.dumps(saved | {"release": "f" * 64}))
    refused = run("--select", "rows.json", "--dry-run")
    assert refused.exit_code == 1 and "another release than" in refused.stderr


def test_a_list_of_ids_needs_images_where_images_are_selected(
    here, release, tiny_world
):
    rows = rows_of(release)
    Path("mine.csv").write_text(f"image_name\n{rows[3]['image_name']}\n")
    ids = str(tiny_world / "ids.csv")
    refused = run("--ids", ids, "--select", "mine.csv", "--dry-run")
    assert refused.exit_code == 1
    assert "expected a column image_name beside the ids" in refused.stderr
    Path("post.txt").write_text(rows[3]["id"])
    done = run("--ids", ids, "--select", "post.txt", "--dry-run")
    assert "1 ids, 0 known already, 1 to ask" in done.stdout
    assert "post.txt: 1 post of" in done.stderr
    both = "tweet_id,image_name\n" + "".join(
        f"{row['id']},{row['image_name']}\n" for row in rows[:9]
    )
    Path("list.csv").write_text(both)
    done = run("--ids", "list.csv", "--select", "mine.csv", "--dry-run")
    assert "1 ids, 0 known already, 1 to ask" in done.stdout, done.output


def test_an_image_added_by_hand_is_no_post_to_buy(here, release):
    Path("mine.txt").write_text("17")
    refused = run("--select", "mine.txt", "--dry-run")
    assert refused.exit_code == 1 and "selects no image of" in refused.stderr


def test_options_that_do_not_fit_are_refused(here, monkeypatch):
    Path("mine.txt").write_text("17")
    refused = run("--select", "mine.txt", "--retry", "failed")
    assert refused.exit_code == 2 and "leave one of them out" in refused.stderr
    monkeypatch.delenv("TWIGMA_DATA_DIR")
    refused = run("--select", "mine.txt")
    assert refused.exit_code == 2 and "--ids zenodo" in refused.stderr


def test_what_was_removed_is_not_bought(here, release, platform):
    from support import releasing

    rows = rows_of(release)
    Path("work").mkdir()
    releasing.remove(Path("work"), rows[3]["id"], rows[3]["image_name"])
    Path("mine.txt").write_text("\n".join(row["id"] for row in rows[3:6]))
    done = run("--select", "mine.txt", "--dry-run")
    assert "1 of them were removed on request and are left out" in done.stdout
    assert "2 ids, 0 known already, 2 to ask" in done.stdout
