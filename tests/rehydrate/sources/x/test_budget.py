"""What a look-up costs, and what a folder knows already."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twigma.builder.removals.removals import removals
from twigma.cli import main
from twigma.cli.id_lists import plan_drawn
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.reader import KnownPosts, read_known_posts
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_store import Purchases, read_pages
from twigma.rehydrate.sources.x.budget import (
    POST_PRICE,
    Budget,
    cents_up,
    dollar_text,
    plan_lookup,
)
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup


def found_on(work: Path) -> list[dict[str, Any]]:
    """The posts on the pages of look-ups."""
    posts: list[dict[str, Any]] = []
    for _, _, page in read_pages(Workspace(work).page_file("lookup")):
        assert page is not None
        posts += page["answer"].get("data", [])
    return posts


def authors_on(work: Path) -> set[str]:
    return {post["author_id"] for post in found_on(work)}


def test_the_plan_of_the_issue() -> None:
    needed = plan_lookup(611_707)
    assert (needed.calls, needed.dollars, round(needed.minutes)) == (6118, 3058.54, 30)


@pytest.mark.parametrize("followers", [False, True])
def test_the_ids_known_before_a_look_up_are_those_it_skips(
    tiny_world: Path, tmp_path: Path, followers: bool
) -> None:
    ids = (tiny_world / "ids.csv").read_text().split()[1:]
    assert read_known_posts(tmp_path) == KnownPosts()
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "token", sleep=lambda _: None) as client,
    ):
        lookup(tmp_path, ids[:30], client, followers=True)
        lookup(tmp_path, ids[20:50], client)
    with Ledger(tmp_path) as ledger:
        known = read_known_posts(tmp_path, followers)
        unknown = [post for post in ids if post not in known.ids]
        assert unknown == ledger.unknown(ids, followers)
        assert known.spent() == ledger.spent()


def test_a_budget_pays_for_what_is_left_of_it() -> None:
    bought = KnownPosts(bought=Purchases(posts=100, users=10, counts=2))
    assert Budget().affords(bought, 100) == 100
    assert Budget(1.0).spent(bought) == 0.62
    assert Budget(1.0).affords(bought, 100) == 76
    assert Budget(1.0).affords_users(bought, 100) == 38
    assert Budget(1.0, followers=True).affords(bought, 100) == 25
    assert Budget(0.5).affords(bought, 100) == 0


@pytest.mark.parametrize("limit", [-5, float("inf"), float("nan")])
def test_a_budget_is_a_sum_of_money(limit: float) -> None:
    with pytest.raises(ValueError, match=f"expected a budget .* found {limit}"):
        Budget(limit)
    for command in ("rehydrate", "collect"):
        words = [command, "--hashtag", "art"][: 3 if command == "collect" else 1]
        result = CliRunner().invoke(main, [*words, "--budget", str(limit)])
        assert result.exit_code == 2
        assert f"expected dollars, 0 or more, found '{limit}'" in result.output


def test_the_most_is_rounded_up() -> None:
    assert cents_up(26 * POST_PRICE) == 0.13
    assert dollar_text(1 * POST_PRICE) == "$0.01"
    assert dollar_text(1001 * POST_PRICE) == "$5.01"


def test_followers_of_known_posts_are_looked_up_by_their_authors(
    tiny_world: Path, tmp_path: Path
) -> None:
    ids = (tiny_world / "ids.csv").read_text().split()[1:]
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "token", sleep=lambda _: None) as client,
    ):
        lookup(tmp_path, ids, client)
        listed = pa.table({"id": ids})
        plan, posts, authors = plan_drawn(tmp_path, listed, followers=True)
        assert (posts, authors) == (4, 7)  # X has said nothing of four
        assert plan.dollars == 0.13
        stopped = lookup(
            tmp_path, ids, client, followers=True, budget=44 * 0.005 + 0.03
        )
        assert (stopped.asked, stopped.remaining) == (4, 4)  # 4 authors
        done = lookup(tmp_path, ids, client, followers=True)
        assert (done.remaining, done.dollars) == (0, 0.29)  # 44 posts, 7 users
        assert plan_drawn(tmp_path, listed, followers=True)[2] == 0
        calls = len(platform.asked)
        lookup(tmp_path, ids, client, followers=True)
        assert [path for path, _ in platform.asked[calls:]] == ["/2/tweets"]
    assert max(platform.billed.values()) == max(platform.billed_users.values()) == 1
    table = pq.read_table(tmp_path / "images.parquet")
    assert table["follower_count"].null_count == 0
    before = table["follower_count"].to_pylist()
    (tmp_path / "ledger.sqlite").unlink()
    (tmp_path / "images.parquet").unlink()
    with Ledger(tmp_path) as ledger:
        assert ledger.spent() == (44, 7, 0)
    write_images_table(tmp_path)
    assert (
        pq.read_table(tmp_path / "images.parquet")["follower_count"].to_pylist()
        == before
    )


def test_a_removal_gives_no_money_back(tiny_world: Path, tmp_path: Path) -> None:
    ids = (tiny_world / "ids.csv").read_text().split()[1:]
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "token", sleep=lambda _: None) as client,
    ):
        lookup(tmp_path, ids, client)
        lookup(tmp_path, ids, client, followers=True)
    table = pq.read_table(tmp_path / "images.parquet")
    author = table["author_id"][0].as_py()
    posts = [row["id"] for row in table.to_pylist() if row["author_id"] == author]
    pages = tmp_path / "pages" / "users.jsonl"
    assert f'"{author}"' in pages.read_text()
    removals(tmp_path, posts)
    text = "".join(file.read_text() for file in (tmp_path / "pages").glob("*.jsonl"))
    gone = sum(post["id"] in posts for post in found_on(tmp_path))
    assert gone == 0
    assert (f'"id":"{author}"' in text) is (author in authors_on(tmp_path))
    with Ledger(tmp_path) as ledger:
        assert ledger.spent() == (44, 7, 0)
