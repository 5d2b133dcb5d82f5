"""`twigma collect`: find posts by hashtag in the full archive of X, then write the images table of the folder.

The search is split into queries X accepts; every page is stored before it is read, and a search that was stopped goes
on from its last stored page.
"""

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from twigma.core.progress import progress_bar
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import Cursor, Ledger, search_key
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import POST_PRICE, USER_PRICE, Budget
from twigma.rehydrate.sources.x.client import (
    FEWEST_PER_PAGE,
    POSTS_PER_PAGE,
    QUERY_LENGTH,
    ApiError,
    XClient,
)
from twigma.rehydrate.sources.x.lookup import refuse_missing

# The six the text of the paper names (section 2.1); the full list of 19 stands only in a figure.
PAPER_HASHTAGS = (
    "aiart",
    "generativeart",
    "midjourney",
    "dalle",
    "dalle2",
    "stablediffusion",
)
PAPER_PERIOD = (datetime.date(2021, 1, 1), datetime.date(2023, 3, 31))
FILTERS = " has:images -is:retweet"

Moment = datetime.date | datetime.datetime | str


@dataclass(frozen=True)
class Collected:
    """What a collection has done: pages bought now, dollars in this folder so far, and whether every search is done."""

    pages: int
    dollars: float
    done: bool


def collect(
    work: Path,
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

    PAPER_HASHTAGS and PAPER_PERIOD are the paper's. A date counts whole, in UTC; a datetime is exact, and `end`
    excluded. `budget` is what may be spent on this folder over all runs, in dollars. Raises ValueError for a hashtag
    or period that cannot be, ApiError when X ends the run: what was bought is in the table, and the next run goes on.
    """
    first, last = period(start, end)
    asked = queries(hashtags)
    money = Budget(budget, followers, post_price, user_price)
    with Ledger(work) as ledger:
        searches = [Search(client, ledger, query, first, last) for query in asked]
        bought, failure = _buy(searches, ledger, money)
        write_images_table(work)
        if failure:
            raise failure
        return Collected(
            bought, money.spent(ledger), all(search.cursor.done for search in searches)
        )


def _buy(
    searches: Sequence["Search"], ledger: Ledger, money: Budget
) -> tuple[int, Exception | None]:
    """Buy page after page until every search is done or the money spent; gives the pages, and what ended it early."""
    bought, checked = 0, False
    with progress_bar(desc="search", unit="post") as bar:
        try:
            for search in searches:
                while (
                    not search.cursor.done
                    and (size := money.affords(ledger, POSTS_PER_PAGE))
                    >= FEWEST_PER_PAGE
                ):
                    require_space(ledger.work)
                    answer = search.next_page(size, money.followers)
                    bought += 1
                    bar.update(len(dicts(answer.get("data"))))
                    checked = checked or refuse_missing(
                        answer, search.client, money.followers
                    )
        except (RuntimeError, OSError, ValueError) as failure:
            return bought, failure
    return bought, None


@dataclass
class Search:
    """One query over one period, page by page, newest first; its place is in the ledger."""

    client: XClient
    ledger: Ledger
    query: str
    start: str
    end: str
    tokens: set[str] = field(default_factory=set)

    @property
    def key(self) -> str:
        """The name of the search in the ledger."""
        return search_key(self.query, self.start, self.end)

    @property
    def cursor(self) -> Cursor:
        """Where the search stands."""
        return self.ledger.cursor(self.key)

    def next_page(self, size: int, followers: bool) -> dict[str, Any]:
        """Buy the next page and store it; where X no longer takes the token, go on below the oldest post stored."""
        cursor = self.cursor
        if cursor.next_token in self.tokens:
            raise RuntimeError(
                f"X API: the search {self.query!r} goes round in circles after {cursor.pages} pages"
            )
        ask = partial(
            self.client.search_all,
            self.query,
            self.start,
            followers=followers,
            max_results=size,
        )
        token, end, restart = cursor.next_token, cursor.end or self.end, None
        try:
            answer = ask(end, token)
        except ApiError as error:
            if error.status != 400 or token is None or cursor.oldest is None:
                raise
            token, end, restart = None, _second_after(cursor.oldest), cursor.oldest
            self.tokens.clear()
            answer = ask(end, token)
        if token is not None:
            self.tokens.add(token)
        request = {
            "key": self.key,
            "query": self.query,
            "start": self.start,
            "end": end,
            "next_token": token,
        }
        asked = {
            "restart": restart,
            "dialect": self.client.dialect,
            "followers": followers,
        }
        self.ledger.append("search", request | asked, answer)
        return answer


def queries(hashtags: Sequence[str]) -> list[str]:
    """The fewest queries, in order, of at most 1,024 characters that name every hashtag once.

    >>> queries(["#AIart", "dalle"])
    ['(#aiart OR #dalle) has:images -is:retweet']
    """
    tags = list(dict.fromkeys(_tag(tag) for tag in hashtags))
    if not tags:
        raise ValueError("expected at least one hashtag to search for")
    return [
        f"({' OR '.join(group)}){FILTERS}"
        for group in _groups(tags, QUERY_LENGTH - len(FILTERS) - 2)
    ]


def period(start: Moment, end: Moment) -> tuple[str, str]:
    """The period as X wants it: [start, end) in UTC seconds. A last date is counted whole."""
    first, last = _moment(start, 0), _moment(end, 1)
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=30)
    if not first < last:
        raise ValueError(f"expected a start before the end, found {start} and {end}")
    if last > now:
        raise ValueError(
            f"expected a period that has passed, found one that ends {last:%Y-%m-%d %H:%M} UTC"
        )
    return f"{first:%Y-%m-%dT%H:%M:%SZ}", f"{last:%Y-%m-%dT%H:%M:%SZ}"


def _moment(value: Moment, days: int) -> datetime.datetime:
    if isinstance(value, str):
        text = value
        value = datetime.datetime.fromisoformat(text)
        value = value.date() if len(text) <= 10 else value
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(
            value, datetime.time(), datetime.UTC
        ) + datetime.timedelta(days=days)
    return (
        value.astimezone(datetime.UTC)
        if value.tzinfo
        else value.replace(tzinfo=datetime.UTC)
    )


def _tag(text: str) -> str:
    tag = text.strip().removeprefix("#").lower()
    if not re.fullmatch(r"\w{1,100}", tag) or tag.isdigit():
        raise ValueError(f"expected a hashtag of letters, digits and _, found {text!r}")
    return "#" + tag


def _groups(tags: list[str], length: int) -> Iterator[list[str]]:
    group: list[str] = []
    for tag in tags:
        if group and len(" OR ".join([*group, tag])) > length:
            yield group
            group = []
        group.append(tag)
    yield group


def _second_after(time: str) -> str:
    """A post's time, up to the next whole second: the end that still includes it."""
    return f"{datetime.datetime.fromisoformat(time) + datetime.timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
