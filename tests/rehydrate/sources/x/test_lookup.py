import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_store import read_pages
from twigma.rehydrate.sources.x.budget import plan_lookup
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.dialects import FIELDS
from twigma.rehydrate.sources.x.lookup import lookup
from twigma.rehydrate.sources.x.refusals import ApiError

from ....support.servers import Handler, Host
from ....support.worlds import wait_until
from ....torture.x_pages import LOOKUP, asked, give, page, post_ids

CANARY = "AAAAcanary0123456789token"


def x_of(host: Host) -> XClient:
    return XClient(host.url, CANARY, sleep=lambda _: None)


def client(platform: Platform, **options: Any) -> XClient:
    return XClient(platform.api_url, CANARY, sleep=lambda _: None, **options)


@pytest.fixture(scope="module")
def posts(tiny_world: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(tiny_world / "posts.parquet").to_pylist()
    return rows


@pytest.fixture(scope="module")
def ids(posts: list[dict[str, Any]]) -> list[str]:
    return [post["id"] for post in posts]


def expected_rows(
    tiny_world: Path, posts: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """(id, image_name) of every photo on a live post, straight from the world."""
    photos = pq.read_table(tiny_world / "media.parquet").to_pylist()
    kinds = {one["media_key"]: one["type"] for one in photos}
    live = [
        post
        for post in posts
        if post["state"] == "live" and not post["text"].startswith("RT @")
    ]
    pairs = [
        (post, key)
        for post in live
        for key in post["media_keys"]
        if kinds[key] == "photo"
    ]
    order = sorted(
        pairs, key=lambda pair: (pair[0]["created_at"], pair[0]["id"], pair[1])
    )
    return [(post["id"], key.split("_")[1]) for post, key in order]


def test_a_list_becomes_the_images_table(
    tiny_world: Path, posts: list[dict[str, Any]], ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        done = lookup(tmp_path, [*ids, "9" * 20], x)
    assert done.outcomes == {
        "found": 44, "photos_unknown": 0, "not_found": 5, "unauthorized": 4, "suspended": 4, "absent": 4,
        "not_asked": 0,
    }  # fmt: skip
    assert (done.asked, done.remaining, done.dollars) == (61, 0, 44 * 0.005)
    table = pq.read_table(tmp_path / "images.parquet")
    assert list(
        zip(table["id"].to_pylist(), table["image_name"].to_pylist(), strict=True)
    ) == expected_rows(tiny_world, posts)
    likes = {post["id"]: post["like_count"] for post in posts}
    assert table["like_count"].to_pylist() == [
        likes[post] for post in table["id"].to_pylist()
    ]
    assert set(table["source"].to_pylist()) == {"x"} and table[
        "follower_count"
    ].null_count == len(table)
    columns.require(table, columns.KEY, "images.parquet")
    states = {post["id"]: post["state"] for post in posts}
    names = {"live": "found", "deleted": "not_found", "protected": "unauthorized"}
    with (tmp_path / "outcomes.csv").open() as handle:
        rows = {row["id"]: row["outcome"] for row in csv.DictReader(handle)}
    assert rows == {post: names.get(state, state) for post, state in states.items()} | {
        "9" * 20: "not_found"
    }  # an id that cannot be


def test_a_second_run_asks_nothing_and_changes_no_byte(
    tiny_world: Path, posts: list[dict[str, Any]], tmp_path: Path
) -> None:
    ids = [post["id"] for post in posts if post["state"] != "absent"] * 2
    ids = ids[:60]
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, ids[:30] * 2, x)
        first = (tmp_path / "images.parquet").stat().st_mtime_ns
        lookup(tmp_path, ids[:30], x)
        assert (
            len(platform.asked) == 1
            and len(platform.asked[0][1]["ids"].split(",")) == 30
        )
        assert (tmp_path / "images.parquet").stat().st_mtime_ns == first
        assert lookup(tmp_path, ids, x).asked == 26
        before = (tmp_path / "images.parquet").read_bytes()
        (tmp_path / "images.parquet").unlink()
        (tmp_path / "ledger.sqlite").unlink()
        assert lookup(tmp_path, ids, x).asked == 0
        assert (tmp_path / "images.parquet").read_bytes() == before
        assert max(platform.billed.values()) == 1
        assert lookup(tmp_path, ids, x, again=True).asked == 56
        assert (tmp_path / "images.parquet").read_bytes() == before


def test_followers_are_bought_when_asked_and_only_for_posts_that_exist(
    tiny_world: Path, posts: list[dict[str, Any]], ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, ids, x)
        stopped = lookup(tmp_path, ids, x, followers=True, budget=44 * 0.005)
        done = lookup(tmp_path, ids, x, followers=True)
        again = lookup(tmp_path, ids, x, followers=True)
    # Of four posts X says nothing, so they are asked each time; and there are 7 authors.
    assert (stopped.asked, stopped.remaining) == (0, 4 + 7)
    assert (done.asked, again.asked) == (4, 4)
    assert (done.remaining, again.remaining) == (0, 0)
    assert done.dollars == 0.29  # 44 posts, 7 users
    table = pq.read_table(tmp_path / "images.parquet")
    authors = {post["id"]: int(post["author_id"]) - 1000 for post in posts}
    assert table["follower_count"].to_pylist() == [
        100 * authors[post] for post in table["id"].to_pylist()
    ]


def test_both_dialects_give_the_same_table(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    tables = []
    for dialect in ("legacy", "current"):
        with Platform(tiny_world) as platform, client(platform, dialect=dialect) as x:
            lookup(tmp_path / dialect, ids, x, followers=True)
        tables.append(pq.read_table(tmp_path / dialect / "images.parquet"))
    assert tables[0].equals(tables[1]) and len(tables[0]) > 40


def test_a_stop_by_x_keeps_what_was_bought_and_goes_on_later(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    many = [*ids, *[str(10**18 + n) for n in range(240)]]
    with (
        Platform(tiny_world, faults={1: "503", 3: "usage-capped"}) as platform,
        client(platform) as x,
    ):
        with pytest.raises(ApiError, match="UsageCapExceeded"):
            lookup(tmp_path, many, x)
        assert len(pq.read_table(tmp_path / "images.parquet")) > 40
        outcomes = (tmp_path / "outcomes.csv").read_text()
        assert outcomes.count("not_asked") == 200
        done = lookup(tmp_path, many, x)
    assert (done.asked, done.remaining) == (204, 0)
    # a failed try, a page and a stop; two pages, and what X said nothing of
    assert len(platform.asked) == 6
    assert max(platform.billed.values()) == 1


def test_the_budget_is_for_the_folder_and_stops_in_time(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        first = lookup(tmp_path, ids, x, budget=0.10)
        second = lookup(tmp_path, ids, x, budget=0.10)
        assert first.dollars <= second.dollars <= 0.10 and second.remaining > 0
        assert len(platform.billed) == 20
        assert lookup(tmp_path, ids, x, budget=1.0).remaining == 0
    assert max(platform.billed.values()) == 1


def test_an_impossible_id_does_not_hold_up_the_others(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        done = lookup(tmp_path, [*ids[:50], "1" * 20, *ids[50:], "2" * 20], x)
    assert (
        done.outcomes["found"] == 44
        and done.outcomes["absent"] == 4
        and done.outcomes["not_found"] == 6
        and done.remaining == 0
    )
    assert max(platform.billed.values()) == 1


SILENT_ANSWERS = [
    {},
    {"data": None},
    {"errors": [{"title": "Over capacity", "detail": "Service over capacity"}]},
]


@pytest.mark.parametrize("silent", SILENT_ANSWERS)
def test_answers_that_say_nothing_stop_the_run_and_mark_nothing(
    tmp_path: Path, silent: dict[str, Any]
) -> None:
    ids = post_ids(450)

    def answer(handler: Handler) -> None:
        some = asked(handler)["ids"].split(",")
        give(handler, 200, page(some) if ids[0] in some else silent)

    with Host({LOOKUP: answer}) as host, x_of(host) as x:
        with pytest.raises(ApiError, match="says nothing of what was asked for"):
            lookup(tmp_path, ids, x)
        with (tmp_path / "outcomes.csv").open() as file:
            outcomes = Counter(row["outcome"] for row in csv.DictReader(file))
        assert outcomes == {"found": 90, "not_asked": 360}
        calls = host.hits[LOOKUP]
        host.answers[LOOKUP] = lambda handler: give(
            handler, 200, page(asked(handler)["ids"].split(","))
        )
        done = lookup(tmp_path, ids, x)
        assert (done.asked, done.outcomes["found"]) == (360, 450)
        assert (calls, host.hits[LOOKUP]) == (6, 10)


def test_ids_that_x_passes_over_are_asked_again_at_the_end_and_next_time(
    tmp_path: Path,
) -> None:
    ids = post_ids(120)
    passed_over = set(ids[::2])
    calls: list[set[str]] = []

    def answer(handler: Handler) -> None:
        some = asked(handler)["ids"].split(",")
        calls.append(set(some))
        give(handler, 200, page([post for post in some if post not in passed_over]))

    with Host({LOOKUP: answer}) as host, x_of(host) as x:
        first = lookup(tmp_path, ids, x)
        assert (first.outcomes["found"], first.outcomes["absent"]) == (60, 60)
        assert first.asked == 120 and first.dollars == 60 * 0.005
        assert len(calls) == 3 and calls[2] == passed_over
        passed_over = set(ids[:10])
        second = lookup(tmp_path, ids, x)
        assert calls[3] == set(ids[::2]) and len(calls) == 4
        assert (second.outcomes["found"], second.outcomes["absent"]) == (115, 5)
    assert len(pq.read_table(tmp_path / "images.parquet")) == 115


def test_a_page_without_photos_takes_none_from_the_table(tmp_path: Path) -> None:
    ids = post_ids(3)
    shown = page(ids)
    unshown = {
        "data": shown["data"],
        "includes": {"media": shown["includes"]["media"][:1]},
    }
    answers = [shown, unshown]
    with (
        Host({LOOKUP: lambda handler: give(handler, 200, answers[0])}) as host,
        x_of(host) as x,
    ):
        lookup(tmp_path / "later", ids, x)
        before = pq.read_table(tmp_path / "later" / "images.parquet")
        answers.pop(0)
        done = lookup(tmp_path / "later", ids, x, again=True)
        assert done.outcomes["found"] == 3
        after = pq.read_table(tmp_path / "later" / "images.parquet")
        assert after["image_name"].equals(before["image_name"])
        fresh = lookup(tmp_path / "fresh", ids, x)
        assert (fresh.outcomes["found"], fresh.outcomes["photos_unknown"]) == (1, 2)


def test_a_token_that_dies_on_the_way_says_that_the_rest_is_stored(
    tmp_path: Path,
) -> None:
    ids = post_ids(150)

    def answer(handler: Handler) -> None:
        if handler.server.hits[LOOKUP] == 2:
            give(handler, 401, '{"title": "Unauthorized"}')
            return
        give(handler, 200, page(asked(handler)["ids"].split(",")))

    with Host({LOOKUP: answer}) as host, x_of(host) as x:
        with pytest.raises(
            PermissionError,
            match=r"refused the token \(HTTP 401\).*The pages received are stored; run the same command again",
        ):
            lookup(tmp_path, ids, x)
        assert lookup(tmp_path, ids, x).asked == 75


def test_ctrl_c_says_that_all_is_stored_and_how_to_resume(tmp_path: Path) -> None:
    ids = post_ids(250)
    (tmp_path / "ids.csv").write_text("id\n" + "\n".join(ids))

    def answer(handler: Handler) -> None:
        if handler.server.hits[LOOKUP] == 2:
            time.sleep(30)
        give(handler, 200, page(asked(handler)["ids"].split(",")))

    with Host({LOOKUP: answer}) as host:
        command = [sys.executable, "-c", "from twigma.cli import main; main()"]
        options = ["rehydrate", "--ids", "ids.csv"]
        env = os.environ | {"TWIGMA_X_URL": host.url, "X_BEARER_TOKEN": CANARY}
        process = subprocess.Popen(
            [*command, *options], cwd=tmp_path, env=env, stderr=subprocess.PIPE
        )
        wait_until(lambda: host.hits[LOOKUP] == 2, 60)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=20)
        assert process.returncode == 130
        assert text.decode().splitlines()[-1] == (
            "twigma: interrupted. What was finished is stored: run the same command again to resume"
        )
        with x_of(host) as x:
            assert lookup(tmp_path / "work", ids, x).asked == 250 - 84


def test_dropped_fields_are_noticed_on_the_first_page(
    tiny_world: Path, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        "tweet.fields": "attachments,createdat,text",
        "expansions": "attachments.media_keys",
    }
    monkeypatch.setattr(
        "twigma.rehydrate.sources.x.dialects.FIELDS", {"legacy": fields}
    )
    with (
        Platform(tiny_world) as platform,
        client(platform) as x,
        pytest.raises(
            ValueError,
            match="first page has created_at, public_metrics, possibly_sensitive",
        ),
    ):
        lookup(tmp_path, ids * 3, x)
    assert len(platform.asked) == 1
    assert (
        len(list(read_pages(Workspace(tmp_path).page_file("lookup")))) == 1
    )  # and what was bought is stored


def test_the_first_page_that_has_posts_is_checked(
    tiny_world: Path, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dict(FIELDS["legacy"])
    gone = [str(10**18 + n) for n in range(100)]
    with Platform(tiny_world) as platform, client(platform) as x:
        few = whole | {"tweet.fields": "attachments,text"}
        asked = "twigma.rehydrate.sources.x.client.fields_of"
        monkeypatch.setattr(asked, lambda *_: few)
        with pytest.raises(ValueError, match="first page has created_at"):
            lookup(
                tmp_path / "posts", [*gone, *ids, *ids], x
            )  # nothing of the first hundred is there
        assert len(platform.asked) == 2
        expansions = whole["expansions"] + ",author_id"
        few = whole | {"expansions": expansions, "user.fields": "id"}
        monkeypatch.setattr(asked, lambda *_: few)
        with pytest.raises(
            ValueError, match=r"first page has user.public_metrics, asked"
        ):
            lookup(tmp_path / "users", ids, x, followers=True)


def test_images_added_by_hand_stay(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    local = {"id": ["5"], "image_name": ["5"], "source": ["local"], "group": ["Monet"]}
    table = pa.table(
        {
            name: pa.array(value, columns.COLUMNS[name].type)
            for name, value in local.items()
        }
    )
    write_parquet(tmp_path / "images.parquet", table)
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, ids[:10], x)
    found = pq.read_table(tmp_path / "images.parquet")
    assert found.num_rows == 9 - 1 and found["group"].to_pylist().count("Monet") == 1
    before = (tmp_path / "images.parquet").read_bytes()
    write_images_table(tmp_path)
    assert (tmp_path / "images.parquet").read_bytes() == before


def test_no_file_of_the_folder_holds_the_token(
    tiny_world: Path, ids: list[str], tmp_path: Path
) -> None:
    with Platform(tiny_world) as platform, client(platform) as x:
        lookup(tmp_path, ids, x)
    files = [
        Path(folder) / name for folder, _, names in os.walk(tmp_path) for name in names
    ]
    assert len(files) >= 4 and not [
        path for path in files if CANARY.encode() in path.read_bytes()
    ]
    assert (
        json.loads(Workspace(tmp_path).page_file("lookup").read_text())["request"][
            "dialect"
        ]
        == "legacy"
    )


def test_the_plan_is_what_the_price_list_says() -> None:
    assert plan_lookup(623_707).calls == 6238
    assert plan_lookup(623_707).dollars == pytest.approx(3119, abs=0.5)
    assert plan_lookup(623_707, followers=True).dollars == pytest.approx(
        3 * 3119, abs=2
    )
    assert 25 <= plan_lookup(623_707).minutes <= 35
    assert (
        plan_lookup(0).calls,
        plan_lookup(0).dollars,
        plan_lookup(100).calls,
        plan_lookup(101).calls,
    ) == (
        0,
        0,
        1,
        2,
    )
