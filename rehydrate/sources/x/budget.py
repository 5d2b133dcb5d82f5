"""What reading posts from the X API costs, and how much of it a working folder may still spend.

`twigma rehydrate --dry-run` prints the plan; `--budget` stops a run before it spends more.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from twigma.rehydrate.posts.page_store import Purchases
from twigma.rehydrate.sources.x.client import IDS_PER_CALL

POST_PRICE, USER_PRICE = 0.005, 0.010  # dollars a read, pay per use, 2026
COUNT_PRICE = 0.010  # dollars a request that counts posts
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
    *,
    n_users: int = 0,
) -> LookupPlan:
    """The calls, dollars and minutes that looking up `n_ids` posts takes, at one author a post, and `n_users` users.

    >>> plan_lookup(623_707)
    LookupPlan(calls=6238, dollars=3118.54, minutes=30.2)
    """
    calls = math.ceil(n_ids / IDS_PER_CALL) + math.ceil(n_users / IDS_PER_CALL)
    dollars = n_ids * (post_price + followers * user_price) + n_users * user_price
    dollars = cents_up(dollars)
    asking = calls * CALL_SECONDS / 60
    waiting = max(0, calls - 1) // CALLS_PER_WINDOW * WINDOW_MINUTES
    return LookupPlan(calls, dollars, round(max(asking, waiting), 1))


def cents_up(dollars: float) -> float:
    """Dollars rounded up to the cent: what is stated as the most is never less than the price.

    >>> cents_up(0.005), cents_up(2.5)
    (0.01, 2.5)
    """
    # The small term takes back what a float adds to an exact price.
    return math.ceil(dollars * 100 - 1e-6) / 100


def dollar_text(dollars: float) -> str:
    """Dollars for a message, rounded up to the cent.

    >>> dollar_text(1234.561)
    '$1,234.57'
    """
    return f"${cents_up(dollars):,.2f}"


class Spending(Protocol):
    """What knows how much was bought for a folder: a `Ledger`, or what `rehydrate.ledger.reader` reads."""

    def spent(self) -> Purchases:
        """Everything bought so far."""


@dataclass(frozen=True)
class Budget:
    """What a folder may spend over all its runs, in dollars; no limit when None. `followers` also buys authors.

    Raises ValueError for a limit that is no sum of money.
    """

    limit: float | None = None
    followers: bool = False
    post_price: float = POST_PRICE
    user_price: float = USER_PRICE

    def __post_init__(self) -> None:
        if self.limit is None or (math.isfinite(self.limit) and self.limit >= 0):
            return
        raise ValueError(
            f"expected a budget in dollars, 0 or more, found {self.limit}: leave it out for no limit"
        )

    def spent(self, ledger: Spending) -> float:
        """Dollars that were paid for the folder at most: X bills a post once a UTC day."""
        bought = ledger.spent()
        posts, users = bought.posts * self.post_price, bought.users * self.user_price
        return round(posts + users + bought.counts * COUNT_PRICE, 6)

    def affords(self, ledger: Spending, most: int) -> int:
        """How many posts the next call may return: `most`, or what the rest of the budget pays for with authors."""
        price = self.post_price + self.followers * self.user_price
        return self._affords(ledger, most, price)

    def affords_users(self, ledger: Spending, most: int) -> int:
        """How many users the next call may return: `most`, or what the rest of the budget pays for."""
        return self._affords(ledger, most, self.user_price)

    def _affords(self, ledger: Spending, most: int, price: float) -> int:
        if self.limit is None:
            return most
        rest = self.limit - self.spent(ledger)
        count = math.floor(rest / price + 1e-9)  # a float may be just under the number
        return max(0, min(most, count))
