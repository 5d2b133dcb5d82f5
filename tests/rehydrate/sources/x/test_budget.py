"""What a look-up costs, and what a folder knows already."""

from pathlib import Path

import pytest

from twigma.demo.platform.server import Platform
from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.sources.x.budget import look, plan_lookup
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup


def test_the_plan_of_the_issue() -> None:
    needed = plan_lookup(611_707)
    assert (needed.calls, needed.dollars, round(needed.minutes)) == (6118, 3058.54, 30)


@pytest.mark.parametrize("followers", [False, True])
def test_the_look_at_a_ledger_agrees_with_the_ledger(
    tiny_world: Path, tmp_path: Path, followers: bool
) -> None:
    ids = (tiny_world / "ids.csv").read_text().split()[1:]
    assert look(tmp_path) == (set(), 0, 0)
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "token", sleep=lambda _: None) as client,
    ):
        lookup(tmp_path, ids[:30], client, followers=True)
        lookup(tmp_path, ids[20:50], client)
    with Ledger(tmp_path) as ledger:
        seen = look(tmp_path, followers)
        assert [post for post in ids if post not in seen.known] == ledger.unknown(
            ids, followers
        )
        assert seen.spent() == ledger.spent()
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 99)
    with pytest.raises(
        OSError,
        match=r"ledger\.sqlite: file is not a database; a run without --dry-run mends it",
    ):
        look(tmp_path)
