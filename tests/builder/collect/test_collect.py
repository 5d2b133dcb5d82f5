import datetime
import itertools
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twigma.builder.collect.collect import (
    PAPER_HASHTAGS,
    PAPER_PERIOD,
    collect,
    period,
    queries,
)
from twigma.demo.platform.server import Platform
from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup
from twigma.rehydrate.sources.x.refusals import ApiError

START, END = datetime.date(2022, 1, 1), datetime.date(2022, 10, 15)
TAGS = ["#AIart", "dalle"]


def client(platform: Platform, **options: Any) -> XClient:
    return XClient(
        platform.api_url, "token", sleep=lambda _: None, search_pace=0, **options
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest pages X gives, so that sixty posts have several."""
    monkeypatch.setattr("twigma.builder.collect.collect.POSTS_PER_PAGE", 10)


@pytest.fixture(scope="module")
def wanted(tiny_world: Path) -> set[str]:
    """Live posts with a photo under either tag, read off the world; post 9 is a retweet, 7 a video, 8 has nothing."""
    rows = pq.read_table(tiny_world / "posts.parquet").to_pylist()
    found = {
        row["id"]
        for n, row in enumerate(rows)
        if row["state"] == "live" and n % 3 < 2 and n not in (7, 8, 9)
    }
    assert len(found) == 26
    return found


def found_in(work: Path) -> set[str]:
    return set(pq.read_table(work / "images.parquet")["id"].to_pylist())


@pytest.mark.usefixtures("small_pages")
def test_collect_finds_every_post_once_and_a_second_run_asks_nothing(
    tiny_world: Path, wanted: set[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        done = collect(tmp_path, TAGS, START, END, x)
        assert (done.pages, done.done, done.dollars) == (3, True, 26 * 0.005)
        assert found_in(tmp_path) == set(platform.billed) == wanted
        before = (tmp_path / "images.parquet").read_bytes()
        assert collect(tmp_path, TAGS, START, END, x).pages == 0
        assert (tmp_path / "images.parquet").read_bytes() == before
        assert (
            lookup(tmp_path, sorted(wanted), x).asked == 0
        )  # found posts need no look-up
    for path, params in platform.asked:
        assert path == "/2/tweets/search/all"
        assert (
            params["start_time"] == "2022-01-01T00:00:00Z"
            and params["end_time"] == "2022-10-16T00:00:00Z"
        )
        assert params["query"] == "(#aiart OR #dalle) has:images -is:retweet"


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("fault", ["usage-capped", "credits"])
def test_a_stopped_search_goes_on_from_its_last_page(
    tiny_world: Path, wanted: set[str], tmp_path: Path, fault: str
) -> None:
    with Platform(tiny_world, faults={2: fault}) as platform, client(platform) as x:
        with pytest.raises(ApiError):
            collect(tmp_path, TAGS, START, END, x)
        assert len(found_in(tmp_path)) == 10
        assert collect(tmp_path, TAGS, START, END, x).pages == 2
    assert found_in(tmp_path) == wanted and max(platform.billed.values()) == 1


@pytest.mark.usefixtures("small_pages")
def test_a_dead_cursor_costs_no_post(
    tiny_world: Path, wanted: set[str], tmp_path: Path
) -> None:
    with (
        Platform(tiny_world, faults={2: "dead-token"}) as platform,
        client(platform) as x,
    ):
        done = collect(tmp_path, TAGS, START, END, x)
        assert done.done and collect(tmp_path, TAGS, START, END, x).pages == 0
    assert found_in(tmp_path) == wanted
    assert (
        sum(platform.billed.values()) <= len(wanted) + 1
    )  # the second that the search went on from, again


def _collect_and_die(work: Path, url: str, pages: int) -> None:
    """In a child process: be killed between the page of that number and the ledger."""
    left = [pages]
    take = Ledger._add_page

    def dying(self: Ledger, *args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        take(self, *args)

    Ledger._add_page = dying  # type: ignore[method-assign]
    with XClient(url, "token", search_pace=0) as x:
        collect(work, TAGS, START, END, x)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_kill_between_page_and_cursor_buys_nothing_twice(
    tiny_world: Path, wanted: set[str], tmp_path: Path, pages: int
) -> None:
    with Platform(tiny_world) as platform:
        work = multiprocessing.get_context("fork").Process(
            target=_collect_and_die, args=(tmp_path, platform.api_url, pages)
        )
        work.start()
        work.join(60)
        assert work.exitcode == -signal.SIGKILL
        with client(platform) as x:
            assert collect(tmp_path, TAGS, START, END, x).pages == 3 - pages
    assert found_in(tmp_path) == wanted and max(platform.billed.values()) == 1


def test_the_budget_stops_a_search(tiny_world: Path, tmp_path: Path) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        done = collect(tmp_path, TAGS, START, END, x, budget=0.06)
        assert not done.done and done.dollars <= 0.06 and len(platform.billed) == 12
        assert collect(tmp_path, TAGS, START, END, x, budget=0.06).pages == 0
        assert collect(tmp_path, TAGS, START, END, x).done
    assert max(platform.billed.values()) == 1


def test_a_search_in_circles_ends(
    tmp_path: Path, tiny_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        page = {"meta": {"result_count": 0, "next_token": "a"}}
        monkeypatch.setattr(x, "search_all", lambda *_, **__: page)
        with pytest.raises(RuntimeError, match="repeats its pages after 2 pages"):
            collect(tmp_path, TAGS, START, END, x)


@given(
    tags=st.lists(
        st.from_regex(r"[a-z]{1,60}", fullmatch=True), min_size=1, max_size=120
    )
)
def test_queries_name_every_hashtag_once_within_the_limit(tags: list[str]) -> None:
    made = queries(tags)
    named = [tag for query in made for tag in query[1 : query.index(")")].split(" OR ")]
    assert named == [f"#{tag}" for tag in dict.fromkeys(tags)]
    assert all(
        len(query) <= 1024 and query.endswith(") has:images -is:retweet")
        for query in made
    )
    assert all(
        len(a) + len(b.split()[0]) > 1024 - 4 - 30 for a, b in itertools.pairwise(made)
    )


@pytest.mark.parametrize("tags", [[], ["a OR b"], ["#"], ["a)"], ["2022"], ["a-b"]])
def test_what_is_no_hashtag(tags: list[str]) -> None:
    with pytest.raises(ValueError, match="hashtag"):
        queries(tags)


def test_periods() -> None:
    assert period(*PAPER_PERIOD) == ("2021-01-01T00:00:00Z", "2023-04-01T00:00:00Z")
    assert period("2021-01-01", "2023-03-31") == period(*PAPER_PERIOD)
    assert period("2021-01-01T02:00:00+02:00", "2021-01-02T00:00:00") == (
        "2021-01-01T00:00:00Z",
        "2021-01-02T00:00:00Z",
    )
    with pytest.raises(ValueError, match="a start before the end"):
        period("2022-01-02", "2022-01-01")
    with pytest.raises(ValueError, match="a period that has passed"):
        period("2022-01-02", datetime.date.today() + datetime.timedelta(days=2))
    assert queries(PAPER_HASHTAGS)[0].count("#") == 6
