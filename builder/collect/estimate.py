"""How many posts a collection would buy, by the counts of X, and what they cost: `twigma collect --dry-run`.

A request that counts has a price of its own, which is paid and recorded; it covers about a month.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twigma.builder.collect.search_plan import (
    Moment,
    PlannedSearch,
    period,
    plan_searches,
    second_after,
)
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.search_progress import search_key
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.sources.x.budget import (
    COUNT_PRICE,
    POST_PRICE,
    USER_PRICE,
    cents_up,
)
from twigma.rehydrate.sources.x.client import POSTS_PER_PAGE, XClient


@dataclass(frozen=True)
class Estimate:
    """What a collection would buy: posts and calls, dollars at most, and the requests that counted them."""

    posts: int
    calls: int
    dollars: float
    requests: int

    @property
    def price(self) -> float:
        """Dollars that the counting itself has cost."""
        return self.requests * COUNT_PRICE


def estimate(
    work: AnyWorkspace,
    hashtags: Sequence[str],
    start: Moment,
    end: Moment,
    client: XClient,
    *,
    followers: bool = False,
) -> Estimate:
    """Count the posts that `collect` would buy now; no post is bought. Raises what `collect` raises.

    `dollars` is with one author a post, where `followers` are bought too.
    """
    first, last = period(start, end)
    posts = calls = requests = 0
    with Ledger(Workspace(work).path) as ledger:
        for search in plan_searches(hashtags, first, last, ledger.searches()):
            count = 0
            for answer in _count(ledger, search, client):
                requests += 1
                count += _posts_on(answer)
            posts += count
            calls += math.ceil(count / POSTS_PER_PAGE)
    price = POST_PRICE + followers * USER_PRICE
    return Estimate(posts, calls, cents_up(posts * price), requests)


def _count(
    ledger: Ledger, search: PlannedSearch, client: XClient
) -> Iterator[dict[str, Any]]:
    """Every page of counts of what is left of a search, each stored."""
    cursor = ledger.cursor(search_key(search.query, search.start, search.end))
    end = second_after(cursor.oldest) if cursor.oldest else search.end
    token = None
    seen: set[str] = set()
    while True:
        answer = client.counts(search.query, search.start, min(end, search.end), token)
        request = {"query": search.query, "start": search.start, "end": end}
        ledger.append("counts", {**request, "next_token": token}, answer)
        yield answer
        meta = answer.get("meta")
        token = meta.get("next_token") if isinstance(meta, dict) else None
        if token is None or token in seen:
            return
        seen.add(token)


def _posts_on(answer: dict[str, Any]) -> int:
    """The posts that a page of counts adds up to, in either dialect."""
    total = 0
    for day in dicts(answer.get("data")):
        count = day.get("tweet_count", day.get("post_count"))
        total += count if isinstance(count, int) else 0
    return total
