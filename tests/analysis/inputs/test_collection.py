"""What a folder of `twigma collect` found, through the collection itself: all of a search, part of it, and a list."""

import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from twigma.analysis.inputs.collection import (
    Collected,
    PostCounts,
    collected,
    post_counts,
)
from twigma.builder.collect.collect import collect
from twigma.core.files import write_parquet
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.sources.x.client import XClient

START, END = datetime.date(2022, 1, 1), datetime.date(2022, 10, 15)
TAGS = ["#AIart", "dalle"]
FOUND = 26  # live posts with an image under either tag, of the tiny world


def client(platform: Platform) -> XClient:
    return XClient(platform.api_url, "token", sleep=lambda _: None, search_pace=0)


def test_all_that_a_search_found_is_counted(tiny_world: Path, tmp_path: Path) -> None:
    assert collected(tmp_path) is None
    assert post_counts(tmp_path) is None
    with Platform(tiny_world) as platform, client(platform) as x:
        collect(tmp_path, TAGS, START, END, x)
        assert collected(tmp_path) == Collected(2, FOUND, None)
        fetch(tmp_path, image_base_url=platform.image_url, processes=1)
    found = collected(tmp_path)
    assert found is not None and found.posts_with_photos is not None
    assert (found.hashtags, found.posts) == (2, FOUND)
    # A search asks for posts with images, and none was listed.
    assert post_counts(tmp_path) == PostCounts(FOUND, FOUND, FOUND, FOUND)
    # Those of a list come on top; none of them was asked for yet.
    write_parquet(Workspace(tmp_path).ids_file, pa.table({"id": ["1", "2"]}))
    assert post_counts(tmp_path) == PostCounts(FOUND + 2, FOUND, FOUND, FOUND)
    assert 0 < found.posts_with_photos <= FOUND


def test_part_of_a_search_counts_nothing(
    tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twigma.builder.collect.collect.POSTS_PER_PAGE", 10)
    with Platform(tiny_world) as platform, client(platform) as x:
        done = collect(tmp_path, TAGS, START, END, x, budget=0.05)
        assert not done.done
        with Ledger(tmp_path) as ledger:
            assert len(ledger.searches()) == 1
        assert collected(tmp_path) is None
