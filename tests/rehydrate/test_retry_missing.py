import base64
import csv
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twigma.cli.rehydrate import rehydrate
from twigma.demo.platform.server import Platform
from twigma.demo.platform.x_world import World
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.retry_missing import gone_posts, retry_missing
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

GONE = (
    8  # posts of the tiny world that are found and have a photo that answers 404 or 410
)


@pytest.fixture
def world(tiny_world: Path) -> World:
    return World.read(tiny_world)


def gone_in(world: World) -> list[str]:
    """Found posts with a photo that is gone, oldest first: read off the world."""
    names = {
        key
        for key, one in world.media.items()
        if one["type"] == "photo" and one["answer"] in ("404", "410")
    }
    live = [
        post for post in reversed(world.live) if not post["text"].startswith("RT @")
    ]
    return [post["id"] for post in live if names & set(post["media_keys"])]


def client(platform: Platform) -> XClient:
    return XClient(platform.api_url, "token", sleep=lambda _: None)


@pytest.fixture(scope="module")
def fetched(
    tiny_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, int]]:
    """A working folder of the world with its photos fetched, not to be changed; photos per status."""
    work = tmp_path_factory.mktemp("fetched")
    world = World.read(tiny_world)
    with Platform(world, slow_seconds=0.1) as platform, client(platform) as x:
        lookup(work, list(world.posts), x)
        return work, get(work, platform)


@pytest.fixture
def work(fetched: tuple[Path, dict[str, int]], tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(fetched[0], tmp_path / "work"))


def get(work: Path, platform: Platform, **more: Any) -> dict[str, int]:
    counts = fetch(work, image_base_url=platform.image_url, processes=1, **more)
    return dict(
        zip(counts["status"].to_pylist(), counts["images"].to_pylist(), strict=True)
    )


def rename(world: World, platform: Platform, post: str) -> None:
    """Let X name another URL for the photo of a post, which answers with the image."""
    photo = world.media[world.posts[post]["media_keys"][0]]
    photo |= {"name": photo["name"][:11] + "NEW_", "answer": "ok"}
    assert int.from_bytes(
        base64.urlsafe_b64decode(photo["name"][:11] + "="), "big"
    ) == int(photo["media_key"][2:])
    platform.images[photo["name"]] = photo


def test_a_post_whose_photo_is_gone_is_asked_once_more_and_never_again(
    world: World, work: Path, fetched: tuple[Path, dict[str, int]]
) -> None:
    gone, before = gone_in(world), fetched[1]
    with Platform(world, slow_seconds=0.1) as platform, client(platform) as x:
        assert (
            gone_posts(work) == gone
            and len(gone) == before["http_404"] + before["http_410"] == GONE
        )
        moved, deleted = gone[0], gone[1]
        rename(world, platform, moved)
        world.posts[deleted]["state"] = "deleted"
        done = retry_missing(work, x)
        assert (done.asked, done.outcomes["found"], done.outcomes["not_found"]) == (
            GONE,
            GONE - 1,
            1,
        )
        assert set(platform.asked[-1][1]["ids"].split(",")) == set(gone)
        after = get(work, platform, retry=["failed"])
        assert after["success"] == before["success"] + 1
        assert after["http_404"] + after["http_410"] == GONE - 2
        calls = len(platform.asked)
        assert gone_posts(work) == [] and retry_missing(work, x).asked == 0
        (work / "ledger.sqlite").unlink()  # it is on the pages too
        assert gone_posts(work) == [] and len(platform.asked) == calls
    with (work / "outcomes.csv").open() as handle:
        outcomes = {row["id"]: row["outcome"] for row in csv.DictReader(handle)}
    assert (
        outcomes[deleted] == "not_found"
        and outcomes[moved] == "found"
        and len(outcomes) == 60
    )
    assert deleted not in pq.read_table(work / "images.parquet")["id"].to_pylist()


def test_the_budget_of_the_folder_holds_and_the_rest_is_asked_later(
    world: World, work: Path
) -> None:
    with Platform(world) as platform, client(platform) as x:
        done = retry_missing(work, x, budget=44 * 0.005 + 0.0151)
        assert (done.asked, done.remaining) == (3, GONE - 3)
        assert gone_posts(work) == gone_in(world)[3:]
        assert retry_missing(work, x).asked == GONE - 3
        with Ledger(work) as ledger:
            assert ledger.spent()[0] == 44 + GONE


def test_the_command_says_what_it_does_and_needs_no_token_for_the_rest(
    world: World, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    with Platform(world, slow_seconds=0.1) as platform:
        monkeypatch.setenv("TWIGMA_X_URL", platform.api_url)
        monkeypatch.setenv("TWIGMA_IMAGE_URL", platform.image_url)
        command = ["--work", str(work), "--retry", "failed"]
        without = CliRunner().invoke(rehydrate, command)
        monkeypatch.setenv("X_BEARER_TOKEN", "token")
        given = CliRunner().invoke(rehydrate, command)
        wrong = CliRunner().invoke(rehydrate, [*command[:-1], "http_999"])
        calls = len(platform.asked)
    assert isinstance(wrong.exception, ValueError)
    assert "found http_999" in str(wrong.exception)
    assert calls == 1
    assert (
        "8 posts whose photo is gone or was not shown are not looked up again: no X API token"
        in without.stderr
    )
    assert (without.exit_code, given.exit_code) == (0, 0)
    assert "posts whose photo was gone or not shown (8 asked now" in given.stdout
