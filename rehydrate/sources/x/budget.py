"""What reading posts from the X API costs, and how much of it a working folder may still spend.

`twigma rehydrate --dry-run` prints the plan; `--budget` stops a run before it spends more.
"""

import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from twigma.rehydrate.sources.x.client import IDS_PER_CALL

POST_PRICE, USER_PRICE = 0.005, 0.010  # dollars a read, pay per use, 2026
CALL_SECONDS, CALLS_PER_WINDOW, WINDOW_MINUTES = 0.29, 3500, 15


@dataclass(frozen=True)
class LookupPlan:
    """What a look-up takes at most: calls, dollars, minutes."""

    calls: int
    dollars: float
    minutes: float


def plan_lookup(
    n_ids: int,
    followers: bool = False,
    post_price: float = POST_PRICE,
    user_price: float = USER_PRICE,
) -> LookupPlan:
    """The calls, dollars and minutes that looking up `n_ids` posts takes, at one author a post.

    >>> plan_lookup(623_707)
    Plan(calls=6238, dollars=3118.54, minutes=30.2)
    """
    calls = math.ceil(n_ids / IDS_PER_CALL)
    dollars = n_ids * (post_price + followers * user_price)
    waits = max(0, calls - 1) // CALLS_PER_WINDOW * WINDOW_MINUTES
    return LookupPlan(
        calls,
        math.ceil(dollars * 100 - 1e-6) / 100,
        round(max(calls * CALL_SECONDS / 60, waits), 1),
    )


class Spending(Protocol):
    """What knows how many posts and users the pages of a folder hold: a Ledger, or a look at one."""

    def spent(self) -> tuple[int, int]:
        """(posts, users) bought so far."""


class Seen(NamedTuple):
    """What a folder knows: ids that would not be asked again, and what its pages hold."""

    known: set[str]
    posts: int = 0
    users: int = 0

    def spent(self) -> tuple[int, int]:
        """(posts, users) bought so far."""
        return self.posts, self.users


def look(work: Path, followers: bool = False) -> Seen:
    """Read the ledger of a folder for a plan, also while a run holds it; nothing is made or changed.

    With `followers`, posts found without their author's followers are not known.
    """
    path = (Path(work) / "ledger.sqlite").absolute()
    if not path.exists() or not path.stat().st_size:
        return Seen(set())
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=30)
        ) as db:
            rows = db.execute(
                "SELECT id FROM ids WHERE followers OR outcome <> 'found' OR NOT ?",
                (followers,),
            )
            known = {post for (post,) in rows}
            posts, users = db.execute(
                "SELECT total(posts), total(users) FROM pages"
            ).fetchone()
    except sqlite3.Error as error:
        raise OSError(
            f"{path}: {error}; a run without --dry-run mends it from the pages"
        ) from error
    return Seen(known, int(posts), int(users))


@dataclass(frozen=True)
class Budget:
    """What a folder may spend over all its runs, in dollars; no limit when None. `followers` also buys authors."""

    limit: float | None = None
    followers: bool = False
    post_price: float = POST_PRICE
    user_price: float = USER_PRICE

    def spent(self, ledger: Spending) -> float:
        """Dollars that the pages of the folder have cost at most: X bills a post once a UTC day."""
        posts, users = ledger.spent()
        return round(posts * self.post_price + users * self.user_price, 6)

    def affords(self, ledger: Spending, most: int) -> int:
        """How many posts the next call may return: `most`, or what the rest of the budget pays for with authors."""
        if self.limit is None:
            return most
        price = self.post_price + self.followers * self.user_price
        return max(
            0, min(most, math.floor((self.limit - self.spent(ledger)) / price + 1e-9))
        )
