"""`twigma rehydrate`: look up the posts a working folder does not know yet, then write its images table.

Every page is stored before it is read, every id ends in the ledger, and a second run asks again only for ids that X
has said nothing of.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.ledger import Ledger, count_outcomes
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_content import dicts, missing_fields, says_nothing
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import POST_PRICE, USER_PRICE, Budget
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, XClient
from twigma.rehydrate.sources.x.followers import buy_followers, without_followers
from twigma.rehydrate.sources.x.refusals import ApiError

BAD_REQUEST = 400  # X refuses the whole call for one id that cannot exist
IMPOSSIBLE = "https://api.twitter.com/2/problems/invalid-request"  # type of that error


@dataclass(frozen=True)
class Lookup:
    """The result of a look-up.

    `outcomes` counts all ids of the list by outcome, `asked` the ids asked now, `remaining` the ids and authors still
    to be asked because the budget stopped the run; `dollars` is what was spent in this folder so far.
    """

    outcomes: dict[str, int]
    asked: int
    remaining: int
    dollars: float


def lookup(
    work: AnyWorkspace,
    ids: Sequence[str],
    client: XClient,
    followers: bool = False,
    budget: float | None = None,
    *,
    again: bool = False,
    post_price: float = POST_PRICE,
    user_price: float = USER_PRICE,
) -> Lookup:
    """Look up the ids the ledger of `work` does not know, then write `images.parquet` and `outcomes.csv`.

    `followers` also buys the authors; those of posts that are known already are looked up by themselves. `budget` is
    what may be spent on this folder over all runs, in dollars. `again` asks every id, known or not. Raises ApiError
    when X ends the run: what was bought is in the table, and the next run resumes there.
    """
    money = Budget(budget, followers, post_price, user_price)
    with Ledger(work) as ledger:
        ids = [post for post in dict.fromkeys(ids) if not ledger.removed.holds(post)]
        todo = ids if again else _to_ask(ledger, ids, followers)
        asked, failure = ask_all(ledger, todo, client, money)
        outcomes = ledger.outcomes(ids)
        write_outcomes(work, outcomes)
        ledger.list_photos_unknown()
        write_images_table(work)
        if failure:
            raise failure
        remaining = len(todo) - asked
        if followers:
            remaining += add_followers(ledger, ids, client, money)
        dollars = money.spent(ledger)
        return Lookup(count_outcomes(outcomes), asked, remaining, dollars)


def _to_ask(ledger: Ledger, ids: list[str], followers: bool) -> list[str]:
    """The ids to look up, in order: those not known, and with `followers` posts with photos but no known author."""
    unknown = set(ledger.unknown(ids))
    if followers:
        write_images_table(ledger.work)
        lacking = set(ledger.unknown(ids, followers=True))
        unknown |= lacking.intersection(without_followers(ledger.work, ids).posts)
    return [post for post in ids if post in unknown]


def add_followers(
    ledger: Ledger, ids: Sequence[str] | None, client: XClient, money: Budget
) -> int:
    """Look up the authors of these posts, or of all, whose followers are not known; how many the money left over."""
    authors = without_followers(ledger.work, ids).authors
    try:
        return buy_followers(ledger, authors, client, money)
    finally:
        write_images_table(ledger.work)


def ask_all(
    ledger: Ledger,
    todo: list[str],
    client: XClient,
    money: Budget,
    *,
    renew: bool = False,
) -> tuple[int, Exception | None]:
    """Ask and store call by call until all is asked or the money spent.

    Ids that X has passed over, in an earlier run or in this one, are asked once more at the end; that costs nothing
    where it passes over them again. Returns the number of ids asked, and what ended it early. `renew` marks the pages
    as those of `twigma.rehydrate.retry_missing`.
    """
    passed_over = set(ledger.absent(todo))
    new = [post for post in todo if post not in passed_over]
    with progress_bar(total=len(todo), desc="look up", unit="post") as bar:
        asking = Asking(ledger, client, money, renew, bar)
        try:
            asking.ask(new)
            silent = ledger.absent(todo)
            asking.ask(silent, again=set(silent) - passed_over, may_say_nothing=True)
        except (ApiError, OSError, ValueError) as failure:
            return asking.asked, failure
    return asking.asked, None


@dataclass
class Asking:
    """A run of look-ups into one ledger: how many ids it has asked for, and whether a page with posts was checked."""

    ledger: Ledger
    client: XClient
    money: Budget
    renew: bool
    bar: Any
    asked: int = 0
    is_checked: bool = False

    def ask(
        self,
        ids: Sequence[str],
        *,
        again: set[str] | frozenset[str] = frozenset(),
        may_say_nothing: bool = False,
    ) -> None:
        """Look up these ids in calls of about the same size, as far as the money goes; some may be asked `again`."""
        if not ids:
            return
        calls = math.ceil(len(ids) / IDS_PER_CALL)
        # A few ids left over for the last call would be those most likely to get no answer.
        size = math.ceil(len(ids) / calls)
        first = 0
        while first < len(ids):
            affordable = self.money.affords(self.ledger, size)
            batch = ids[first : first + affordable]
            if not batch:
                return
            require_space(self.ledger.work)
            for part, answer in _ask(
                self.client, batch, self.money.followers, may_say_nothing
            ):
                self._store(part, answer)
            first += len(batch)
            first_asked = len(batch) - len(again.intersection(batch))
            self.bar.update(first_asked)
            self.asked += first_asked

    def _store(self, ids: Sequence[str], answer: dict[str, Any]) -> None:
        """Store an answer, unless it says nothing."""
        if says_nothing(ids, answer) and not dicts(answer.get("data")):
            known = self.ledger.outcomes(ids)
            if all(outcome == "absent" for outcome in known.values()):
                return
        followers = self.money.followers
        request = _request(list(ids), self.client, followers, self.renew)
        self.ledger.append("lookup", request, answer)
        if not self.is_checked:
            self.is_checked = refuse_missing(answer, self.client, followers)


def _request(
    ids: list[str], client: XClient, followers: bool, renew: bool
) -> dict[str, Any]:
    """What is stored beside an answer."""
    request = {"ids": ids, "dialect": client.dialect, "followers": followers}
    if renew:
        request["renew"] = True
    return request


def refuse_missing(answer: dict[str, Any], client: XClient, followers: bool) -> bool:
    """Whether a stored page holds posts, and so could be checked.

    Raises ValueError when it lacks fields that were asked for, before more such pages are bought.
    """
    missing = missing_fields(answer, followers)
    if missing:
        raise ValueError(
            f"X API: no post on the first page has {', '.join(missing)}, asked for in the {client.dialect} dialect; "
            "stopped before buying more: try the other dialect"
        )
    return bool(dicts(answer.get("data")))


def write_outcomes(work: AnyWorkspace, outcomes: dict[str, str]) -> Path:
    """Write `WORK/outcomes.csv` (id, outcome): which ids of the list were found, which are missing, and why."""
    path = Workspace(work).outcomes_file
    header = ["id", "outcome"]
    spreadsheet.write_rows(path, header, outcomes.items(), "ascii", private=True)
    return path


def _ask(
    client: XClient, ids: Sequence[str], followers: bool, may_say_nothing: bool
) -> Iterator[tuple[Sequence[str], dict[str, Any]]]:
    """(ids, answer) of a call; X refuses a whole call for one impossible id, so a refused call is halved to find it."""
    try:
        yield ids, client.lookup(ids, followers, may_say_nothing=may_say_nothing)
    except ApiError as error:
        if error.status != BAD_REQUEST:
            raise
        if len(ids) == 1:
            # Stored as the page of this id, so that it is not asked again.
            refusal = {"parameter": "ids", "value": ids[0], "detail": str(error)}
            yield ids, {"errors": [{**refusal, "type": IMPOSSIBLE}]}
            return
        # Of the few ids of a half, X may well pass over all; they are asked again at the end.
        half = len(ids) // 2
        yield from _ask(client, ids[:half], followers, True)
        yield from _ask(client, ids[half:], followers, True)
