"""`twigma rehydrate`: look up the posts a working folder does not know yet, then write its images table.

Every page is stored before it is read, every id ends in the ledger, and a second run asks nothing again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import NOT_ASKED, Ledger, count_outcomes
from twigma.rehydrate.posts.page_content import (
    PHOTOS_UNKNOWN,
    dicts,
    missing_fields,
)
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import POST_PRICE, USER_PRICE, Budget
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, XClient
from twigma.rehydrate.sources.x.refusals import ApiError

BAD_REQUEST = 400  # X refuses the whole call for one id that cannot exist


@dataclass(frozen=True)
class Lookup:
    """The result of a look-up: ids by outcome (all of the list), ids asked now, dollars in this folder so far."""

    outcomes: dict[str, int]
    asked: int
    dollars: float

    @property
    def remaining(self) -> int:
        """Ids of the list that are still to be asked, because the budget stopped the run."""
        return self.outcomes[NOT_ASKED] + self.outcomes[PHOTOS_UNKNOWN]


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

    `followers` also buys the authors; posts known without them are asked again. `budget` is what may be spent on this
    folder over all runs, in dollars. `again` asks every id, known or not. Raises ApiError when X ends the run: what
    was bought is in the table, and the next run resumes there.
    """
    money = Budget(budget, followers, post_price, user_price)
    with Ledger(work) as ledger:
        ids = [post for post in dict.fromkeys(ids) if not ledger.removed.holds(post)]
        todo = ids if again else ledger.unknown(ids, followers)
        asked, failure = ask_all(ledger, todo, client, money)
        outcomes = ledger.outcomes(ids)
        write_outcomes(work, outcomes)
        write_images_table(work)
        if failure:
            raise failure
        return Lookup(count_outcomes(outcomes), asked, money.spent(ledger))


def ask_all(
    ledger: Ledger,
    todo: list[str],
    client: XClient,
    money: Budget,
    *,
    renew: bool = False,
) -> tuple[int, Exception | None]:
    """Ask and store call by call until all is asked or the money spent.

    Returns the number of ids asked, and what ended it early. `renew` marks the pages as those of
    `twigma.rehydrate.retry_missing`.
    """
    asked = 0
    is_checked = False
    with progress_bar(total=len(todo), desc="look up", unit="post") as bar:
        try:
            while True:
                affordable = money.affords(ledger, IDS_PER_CALL)
                batch = todo[asked : asked + affordable]
                if not batch:
                    break
                require_space(ledger.work)
                for ids, answer in _ask(client, batch, money.followers):
                    request = _request(ids, client, money.followers, renew)
                    ledger.append("lookup", request, answer)
                    if not is_checked:
                        is_checked = refuse_missing(answer, client, money.followers)
                asked += len(batch)
                bar.update(len(batch))
        except (ApiError, OSError, ValueError) as failure:
            return asked, failure
    return asked, None


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
    client: XClient, ids: list[str], followers: bool
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """(ids, answer) of a call; X refuses a whole call for one impossible id, so a refused call is halved to find it."""
    try:
        yield ids, client.lookup(ids, followers)
    except ApiError as error:
        if error.status != BAD_REQUEST:
            raise
        if len(ids) == 1:
            # Stored as the page of this id, so that it is not asked again.
            refusal = {"parameter": "id", "value": ids[0], "detail": str(error)}
            yield ids, {"errors": [refusal]}
            return
        half = len(ids) // 2
        yield from _ask(client, ids[:half], followers)
        yield from _ask(client, ids[half:], followers)
