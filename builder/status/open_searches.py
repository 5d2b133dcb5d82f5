"""The command that goes on with a collection which is not complete: hashtags, period and budget as they were."""

import datetime
import shlex

from twigma.builder.collect.search_plan import plan_searches
from twigma.rehydrate.ledger.reader import LedgerView
from twigma.rehydrate.ledger.search_progress import Collection
from twigma.rehydrate.sources.x.budget import Budget
from twigma.rehydrate.sources.x.client import FEWEST_PER_PAGE


def resume_command(ledger: LedgerView) -> str | None:
    """The whole `twigma collect` of the last collection that has days left to search; None where none has."""
    for asked in ledger.collections:
        if plan_searches(asked.hashtags, asked.start, asked.end, ledger.searches):
            return _command(asked, ledger)
    return None


def _command(asked: Collection, ledger: LedgerView) -> str:
    words = ["twigma", "collect"]
    for tag in asked.hashtags:
        words += ["--hashtag", tag.removeprefix("#")]
    words += ["--start", asked.start[:10], "--end", _last_day(asked.end)]
    if asked.followers:
        words.append("--followers")
    command = shlex.join(words)
    if asked.budget is None:
        return command  # which counts first, and asks before it spends much
    money = Budget(asked.budget, asked.followers)
    if money.affords(ledger, FEWEST_PER_PAGE) < FEWEST_PER_PAGE:
        return f"{command} --budget DOLLARS"
    return f"{command} --budget {asked.budget:g}"


def _last_day(end: str) -> str:
    """The last day, included, of a period that ends before this moment."""
    last = datetime.datetime.fromisoformat(end) - datetime.timedelta(seconds=1)
    return f"{last:%Y-%m-%d}"
