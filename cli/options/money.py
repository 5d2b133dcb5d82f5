"""Options of commands that buy from X, and the question before a large sum is spent."""

import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
ASK_ABOVE = 50.0  # dollars that are spent without a question and without --budget


class Dollars(click.ParamType[float]):
    """A sum of money, 0 or more; `inf` and `nan` are none."""

    name = "dollars"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The sum as a number."""
        try:
            dollars = float(str(value).removeprefix("$"))
        except ValueError:
            dollars = math.nan
        if math.isfinite(dollars) and dollars >= 0:
            return dollars
        self.fail(f"expected dollars, 0 or more, found {value!r}", param, ctx)


def purchase_options(command: F) -> F:
    """`--budget` and `--followers`: what may be bought from X."""
    budget = click.option(
        "--budget",
        type=Dollars(),
        metavar="DOLLARS",
        help=f"Spend at most this on the folder, over all runs. Without it, more than ${ASK_ABOVE:.0f} is asked about.",
    )
    followers = click.option(
        "--followers",
        is_flag=True,
        help="Also buy the authors' follower counts, which Eq (1) needs.",
    )
    return budget(followers(command))


def approve(dollars: float, budget: float | None) -> None:
    """Ask on a terminal before more than ASK_ABOVE is spent without a budget; ValueError where nobody can be asked."""
    from twigma.rehydrate.sources.x.budget import dollar_text

    if budget is not None or dollars <= ASK_ABOVE:
        return
    if sys.stdin.isatty():
        question = f"Buy this for at most {dollar_text(dollars)}?"
        click.confirm(question, abort=True, err=True)
        return
    raise ValueError(
        f"this costs up to {dollar_text(dollars)}: name the most that may be spent with --budget DOLLARS"
    )
