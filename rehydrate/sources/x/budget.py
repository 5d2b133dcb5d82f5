"""What reading posts from the X API costs, and how much of it a working folder may still spend.

`twigma rehydrate --dry-run` prints the plan; `--budget` stops a run before it spends more.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from twigma.rehydrate.sources.x.client import IDS_PER_CALL

POST_PRICE, USER_PRICE = 0.005, 0.010  # dollars a read, pay per use, 2026
CALL_SECONDS = 0.29  # how long a look-up of 100 posts takes
CALLS_PER_WINDOW, WINDOW_MINUTES = 3500, 15  # X's rate limit


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
    LookupPlan(calls=6238, dollars=3118.54, minutes=30.2)
    """
    calls = math.ceil(n_ids / IDS_PER_CALL)
    dollars = n_ids * (post_price + followers * user_price)
    # Rounded up to the cent; the small term takes back what a float adds to an exact price.
    dollars = math.ceil(dollars * 100 - 1e-6) / 100
    asking = calls * CALL_SECONDS / 60
    waiting = max(0, calls - 1) // CALLS_PER_WINDOW * WINDOW_MINUTES
    return LookupPlan(calls, dollars, round(max(asking, waiting), 1))


class Spending(Protocol):
    """What knows how many posts and users the pages of a folder hold: a `Ledger`, or what `ledger_reader` reads."""

    def spent(self) -> tuple[int, int]:
        """(posts, users) bought so far."""


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
        rest = self.limit - self.spent(ledger)
        posts = math.floor(rest / price + 1e-9)  # a float may be just under the number
        return max(0, min(most, posts))
