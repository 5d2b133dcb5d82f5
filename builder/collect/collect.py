"""`twigma collect`: find posts by hashtag in the full archive of X, then write the images table of the folder.

Only what no earlier search has covered is searched (`search_plan.py`); every page is stored before it is read, and a
search that was stopped resumes at its last stored page.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twigma.builder.collect.search_plan import (
    Moment,
    PlannedSearch,
    normalized,
    period,
    plan_searches,
    second_after,
)
from twigma.core.progress import progress_bar
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.ledger.search_progress import (
    Collection,
    Cursor,
    is_complete,
    search_key,
)
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_content import counts_posts, dicts
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import POST_PRICE, USER_PRICE, Budget
from twigma.rehydrate.sources.x.client import (
    FEWEST_PER_PAGE,
    POSTS_PER_PAGE,
    XClient,
)
from twigma.rehydrate.sources.x.lookup import add_followers, refuse_missing
from twigma.rehydrate.sources.x.refusals import ApiError

# The six the text of the paper names; the full list of 19 is only in a figure.
PAPER_HASHTAGS = (
    "aiart",
    "generativeart",
    "midjourney",
    "dalle",
    "dalle2",
    "stablediffusion",
)
PAPER_PERIOD = (datetime.date(2021, 1, 1), datetime.date(2023, 3, 31))
MOST_INCOMPLETE = (
    4  # pages without some of their posts in a row, after which a search stops
)


@dataclass(frozen=True)
class Collected:
    """What a collection has done: pages bought now, dollars in this folder so far, and whether every search is done."""

    pages: int
    dollars: float
    done: bool


def collect(
    work: AnyWorkspace,
    hashtags: Sequence[str],
    start: Moment,
    end: Moment,
    client: XClient,
    *,
    followers: bool = False,
    budget: float | None = None,
    post_price: float = POST_PRICE,
    user_price: float = USER_PRICE,
) -> Collected:
    """Search the posts with an image under any of `hashtags` from `start` to `end`, then write `images.parquet`.

    PAPER_HASHTAGS and PAPER_PERIOD are the paper's. A date is a full day in UTC; a datetime is exact, and `end`
    excluded. `budget` is what may be spent on this folder over all runs, in dollars. Raises ValueError for a hashtag
    or period that cannot be, ApiError when X ends the run: the pages received are in the table, the next run resumes.
    """
    work = Workspace(work)
    first, last = period(start, end)
    money = Budget(budget, followers, post_price, user_price)
    with Ledger(work.path) as ledger:
        planned = plan_searches(hashtags, first, last, ledger.searches())
        asked = Collection(normalized(hashtags), first, last, followers, budget)
        searches = [Search(client, ledger, plan, asked) for plan in planned]
        bought, failure = _buy(searches, ledger, money)
        ledger.list_photos_unknown()
        write_images_table(work.path)
        if failure:
            raise failure
        done = all(search.cursor.done for search in searches)
        if followers:
            done = add_followers(ledger, None, client, money) == 0 and done
        return Collected(bought, money.spent(ledger), done)


def _buy(
    searches: Sequence["Search"], ledger: Ledger, money: Budget
) -> tuple[int, Exception | None]:
    """Buy page after page until every search is done or the budget is spent; the pages, and what ended it early."""
    bought, checked = 0, False
    with progress_bar(desc="search", unit="post") as bar:
        try:
            for search in searches:
                while not search.cursor.done:
                    size = money.affords(ledger, POSTS_PER_PAGE)
                    if size < FEWEST_PER_PAGE:
                        break
                    require_space(ledger.work)
                    answer = search.next_page(size, money.followers)
                    bought += 1
                    bar.update(len(dicts(answer.get("data"))))
                    if not checked:
                        checked = refuse_missing(answer, search.client, money.followers)
        except (RuntimeError, OSError, ValueError) as failure:
            return bought, failure
    return bought, None


@dataclass
class Search:
    """One query over one period, page by page, newest first; its place is in the ledger."""

    client: XClient
    ledger: Ledger
    plan: PlannedSearch
    collection: Collection
    tokens: set[str] = field(default_factory=set)
    incomplete: int = 0  # pages in a row that lacked some of their posts

    @property
    def key(self) -> str:
        """The name of the search in the ledger."""
        return search_key(self.plan.query, self.plan.start, self.plan.end)

    @property
    def cursor(self) -> Cursor:
        """How far the search has come."""
        return self.ledger.cursor(self.key)

    def next_page(self, size: int, followers: bool) -> dict[str, Any]:
        """Buy the next page and store it; where X no longer takes the token, resume below the oldest post stored."""
        cursor = self.cursor
        if cursor.next_token in self.tokens:
            raise RuntimeError(
                f"X API: the search {self.plan.query!r} repeats its pages after {cursor.pages} pages"
            )
        ask = partial(
            self.client.search_all,
            self.plan.query,
            self.plan.start,
            followers=followers,
            max_results=size,
        )
        token = cursor.next_token
        end = cursor.end or self.plan.end
        restart = None
        try:
            answer = ask(end, token)
        except ApiError as error:
            if error.status != 400 or token is None or cursor.oldest is None:
                raise
            token = None
            end = second_after(cursor.oldest)
            restart = cursor.oldest
            self.tokens.clear()
            answer = ask(end, token)
        posts = len(dicts(answer.get("data")))
        if is_complete(answer, posts):
            self.incomplete = 0
            if token is not None:
                self.tokens.add(token)
        request = {
            "key": self.key,
            **self.plan._asdict(),
            "collection": self.collection._asdict(),
            "until": end,
            "next_token": token,
            "restart": restart,
            "dialect": self.client.dialect,
            "followers": followers,
        }
        self.ledger.append("search", request, answer)
        if not is_complete(answer, posts):
            self._ask_again(answer, posts)
        return answer

    def _ask_again(self, answer: dict[str, Any], posts: int) -> None:
        """Wait before a page is asked for again that lacks some of its posts; RuntimeError when that has not helped.

        X bills a post once a UTC day, so those that came are not paid twice.
        """
        self.incomplete += 1
        if self.incomplete < MOST_INCOMPLETE:
            self.client.back_off(self.incomplete)
            return
        raise RuntimeError(
            f"X API: {MOST_INCOMPLETE} times a page of the search {self.plan.query!r} came with {posts} posts where "
            f"{counts_posts(answer)} were stated; the pages received are stored, run again to resume"
        )
