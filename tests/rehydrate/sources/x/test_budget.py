"""What a look-up costs, and what a folder knows already."""

from pathlib import Path

import pytest

from twigma.demo.platform.server import Platform
from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.posts.ledger_reader import KnownPosts, read_known_posts
from twigma.rehydrate.sources.x.budget import Budget, plan_lookup
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup


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
        assert [post for post in ids if post not in known.ids] == ledger.unknown(
            ids, followers
        )
        assert known.spent() == ledger.spent()


def test_a_budget_pays_for_what_is_left_of_it() -> None:
    bought = KnownPosts(posts=100, users=10)
    assert Budget().affords(bought, 100) == 100
    assert Budget(1.0).spent(bought) == 0.6
    assert Budget(1.0).affords(bought, 100) == 80
    assert Budget(1.0, followers=True).affords(bought, 100) == 26
    assert Budget(0.5).affords(bought, 100) == 0
