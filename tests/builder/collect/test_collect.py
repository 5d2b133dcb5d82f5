import datetime
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twigma.builder.collect.collect import collect
from twigma.builder.collect.estimate import Estimate, estimate
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.demo.platform.server import Platform
from twigma.rehydrate.ledger import ledger
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup
from twigma.rehydrate.sources.x.refusals import ApiError

from ...support.servers import Handler, Host
from ...torture.x_pages import SEARCH, asked, give, page, post_ids

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
    take = ledger.add_page

    def dying(*args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        take(*args)

    ledger.add_page = dying
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


@pytest.mark.usefixtures("small_pages")
def test_other_orders_more_hashtags_and_later_ends_buy_only_what_is_new(
    tiny_world: Path, wanted: set[str], tmp_path: Path
) -> None:
    middle = datetime.date(2022, 6, 1)
    with Platform(tiny_world) as platform, client(platform) as x:
        first = collect(tmp_path, TAGS[:1], START, middle, x)
        assert first.done and 0 < len(platform.billed) < len(wanted)
        assert collect(tmp_path, TAGS, START, middle, x).done
        assert collect(tmp_path, TAGS[::-1], START, END, x).done
        assert found_in(tmp_path) == set(platform.billed) == wanted
        assert collect(tmp_path, TAGS, START, END, x).pages == 0
        assert collect(tmp_path, TAGS[1:], middle, END, x).pages == 0
        asked = [params["query"] for _, params in platform.asked]
        assert "(#dalle) -#aiart has:images -is:retweet" in asked
        assert max(platform.billed.values()) == 1
        (tmp_path / "ledger.sqlite").unlink()  # the pages say what was covered
        assert collect(tmp_path, TAGS, START, END, x).pages == 0


def test_an_estimate_counts_what_collect_would_buy(
    tiny_world: Path, wanted: set[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        counted = estimate(tmp_path, TAGS, START, END, x)
        assert counted == Estimate(26, 1, 0.13, 10)  # 288 days, 31 a request
        assert counted.price == 0.1 and not platform.billed
        assert estimate(tmp_path, TAGS, START, END, x, followers=True).dollars == 0.39
        done = collect(tmp_path, TAGS, START, END, x)
        assert done.dollars == 0.33  # with both counts
        assert estimate(tmp_path, TAGS, START, END, x) == Estimate(0, 0, 0.0, 0)
    assert set(platform.billed) == wanted


def test_followers_of_a_collection_are_added_by_their_authors(
    tiny_world: Path, tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        collect(tmp_path, TAGS, START, END, x)
        done = collect(tmp_path, TAGS, START, END, x, followers=True)
    users = len(platform.billed_users)
    assert done.dollars == pytest.approx(26 * 0.005 + users * 0.010)
    assert max(platform.billed.values()) == 1
    table = pq.read_table(tmp_path / "images.parquet")
    assert table["follower_count"].null_count == 0


SILENT: list[Any] = [{}, {"errors": [{"title": "Over capacity"}]}, {"data": None}]


@pytest.mark.parametrize("silent", [*SILENT, "partial"])
def test_a_search_is_not_done_where_x_says_nothing(tmp_path: Path, silent: Any) -> None:
    ids = post_ids(49)[::-1]
    trouble = [True]

    def answer(handler: Handler) -> None:
        params = asked(handler)
        first = int(params.get("next_token", "0"))
        some = ids[first : first + 10]
        more = {"next_token": str(first + 10)} if first + 10 < len(ids) else {}
        whole = page(some, result_count=len(some), **more)
        if trouble and first >= 20:
            whole["data"] = whole["data"][:5]
            give(handler, 200, whole if silent == "partial" else silent)
            return
        give(handler, 200, whole)

    with (
        Host({SEARCH: answer}) as host,
        XClient(host.url, "token", sleep=lambda _: None, search_pace=0) as x,
    ):
        with pytest.raises(
            RuntimeError, match=r"says nothing|came with 5 posts where 10"
        ):
            collect(tmp_path, ["aiart"], "2022-06-01", "2022-06-30", x)
        assert len(found_in(tmp_path)) == (25 if silent == "partial" else 20)
        facts = status(tmp_path)
        assert facts["next"]["command"] == (
            f"twigma collect --hashtag aiart --start 2022-06-01 --end 2022-06-30 --work {tmp_path}"
        )
        trouble.clear()
        assert collect(tmp_path, ["aiart"], "2022-06-01", "2022-06-30", x).done
    assert found_in(tmp_path) == set(ids)


def test_the_next_command_is_whole_and_has_its_budget(
    tiny_world: Path, tmp_path: Path
) -> None:
    whole = "twigma collect --hashtag aiart --hashtag dalle --start 2022-01-01 --end 2022-10-15"
    with Platform(tiny_world) as platform, client(platform) as x:
        collect(tmp_path, TAGS, START, END, x, budget=0.06)
        step = status(tmp_path)["next"]
        assert step["command"] == f"{whole} --budget DOLLARS --work {tmp_path}"
        assert "Its budget is spent: name a larger one" in step["why"]
        x.search_all = stopping(x.search_all)  # type: ignore[method-assign]
        with pytest.raises(ApiError):
            collect(tmp_path, TAGS, START, END, x, budget=7.5, followers=True)
    step = status(tmp_path)["next"]
    assert step["command"] == f"{whole} --budget DOLLARS --work {tmp_path}"
    again = step["command"].replace("DOLLARS", "7.5").split()[1:]
    with Platform(tiny_world) as platform, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIGMA_X_URL", platform.api_url)
        patch.setenv("X_BEARER_TOKEN", "token")
        result = CliRunner().invoke(main, again)
        assert result.exit_code == 0, result.output
        assert len(platform.billed) == 26 - 12
    assert status(tmp_path)["searches"]["resume"] is None


def stopping(ask: Any) -> Any:
    """A search that X ends."""

    def stopped(*_: Any, **__: Any) -> None:
        raise ApiError("X API: stopped", 402, "CreditsDepleted")

    return stopped


def test_a_large_sum_is_asked_about(
    tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "collect",
        "--work",
        str(tmp_path),
        "--hashtag",
        "aiart",
        "--hashtag",
        "dalle",
    ]
    with Platform(tiny_world) as platform:
        monkeypatch.setenv("TWIGMA_X_URL", platform.api_url)
        monkeypatch.setenv("X_BEARER_TOKEN", "token")
        monkeypatch.setattr("twigma.cli.options.money.ASK_ABOVE", 0.10)
        # A second between two searches is kept by a test of its own.
        monkeypatch.setattr(XClient, "_pause", lambda *_: None)
        dry = CliRunner().invoke(main, [*words, "--dry-run"])
        assert dry.exit_code == 0
        assert (
            "26 posts to buy in 1 calls, at most $0.13; counted by 27 requests for $0.27"
            in dry.stdout
        )
        refused = CliRunner().invoke(main, words)
        assert refused.exit_code == 1
        assert (
            "this costs up to $0.13: name the most that may be spent with --budget DOLLARS"
            in refused.stderr
        )
        assert not platform.billed
        bare = CliRunner().invoke(main, ["collect"])
        assert bare.exit_code == 2 and "Missing option '--hashtag'" in bare.stderr
        bought = CliRunner().invoke(main, [*words, "--budget", "1"])
        assert bought.exit_code == 0 and len(platform.billed) == 26
        # Two counts of $0.27 each, and the posts.
        assert "at most $0.67 in this folder" in bought.stdout
