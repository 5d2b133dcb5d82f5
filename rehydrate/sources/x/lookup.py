"""`twigma rehydrate`: look up the posts a working folder does not know yet, then write its images table.

Every page is stored before it is read, every id ends in the ledger, and a second run asks nothing again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twigma.core import inventory
from twigma.core.progress import progress_bar
from twigma.core.safety import spreadsheet
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import NOT_ASKED, Ledger, count_outcomes
from twigma.rehydrate.posts.page_content import dicts, missing_fields
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.x.budget import POST_PRICE, USER_PRICE, Budget
from twigma.rehydrate.sources.x.client import IDS_PER_CALL, ApiError, XClient


@dataclass(frozen=True)
class Lookup:
    """What a look-up has done: ids by outcome (all of the list), ids asked now, dollars in this folder so far."""

    outcomes: dict[str, int]
    asked: int
    dollars: float

    @property
    def remaining(self) -> int:
        """Ids of the list that were never asked, because the budget stopped the run."""
        return self.outcomes[NOT_ASKED]


def lookup(
    work: Path,
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
    was bought is in the table, and the next run goes on from there.
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
    """Ask and store call by call until all is asked or the money spent: the ids asked, and what ended it early.

    `renew` marks the pages as those of `twigma.rehydrate.retry_missing`.
    """
    asked, checked = 0, False
    with progress_bar(total=len(todo), desc="look up", unit="post") as bar:
        try:
            while batch := todo[asked : asked + money.affords(ledger, IDS_PER_CALL)]:
                require_space(ledger.work)
                for part, answer in _ask(client, batch, money.followers):
                    request = {
                        "ids": part,
                        "dialect": client.dialect,
                        "followers": money.followers,
                    }
                    ledger.append(
                        "lookup", request | ({"renew": True} if renew else {}), answer
                    )
                    checked = checked or refuse_missing(answer, client, money.followers)
                asked += len(batch)
                bar.update(len(batch))
        except (ApiError, OSError, ValueError) as failure:
            return asked, failure
    return asked, None


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


def write_outcomes(work: Path, outcomes: dict[str, str]) -> Path:
    """Write `WORK/outcomes.csv`: which ids of the list are there, which are missing, and why (id, outcome)."""
    path = Path(work) / inventory.OUTCOMES
    spreadsheet.write_rows(
        path, ["id", "outcome"], outcomes.items(), "ascii", private=True
    )
    return path


def _ask(
    client: XClient, ids: list[str], followers: bool
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """(ids, answer) of a call; X refuses a whole call for one impossible id, so a refused call is halved to find it."""
    try:
        yield ids, client.lookup(ids, followers)
    except ApiError as error:
        if error.status != 400:
            raise
        if len(ids) == 1:
            yield (
                ids,
                {
                    "errors": [
                        {"parameter": "id", "value": ids[0], "detail": str(error)}
                    ]
                },
            )
            return
        half = len(ids) // 2
        yield from _ask(client, ids[:half], followers)
        yield from _ask(client, ids[half:], followers)
