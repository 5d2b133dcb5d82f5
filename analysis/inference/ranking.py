"""Which of several estimates is named first or last: none whose interval overlaps another's.

Sentences of the report take their superlatives ("nearest", "most varied") from here, so that no headline ranks
estimates that chance may have put in their order.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

NO_INTERVALS = "without intervals, no order is given"
RULE = "a set is named first or last only where its interval overlaps no other's"


class Ranked(NamedTuple):
    """A named estimate; the limits of its 95% interval are NaN where it has none."""

    name: str
    value: float
    low: float
    high: float


class Extremes(NamedTuple):
    """The names of the smallest and of the largest estimate; None where intervals do not tell which it is."""

    smallest: str | None
    largest: str | None


def extremes(estimates: Sequence[Ranked]) -> Extremes:
    """The smallest and the largest of several estimates, as far as intervals tell.

    A single estimate is neither. An estimate without an interval may be anywhere, so that nothing is told beside it.

    >>> extremes([Ranked("a", 1.0, 0.9, 1.1), Ranked("b", 2.0, 1.5, 2.5), Ranked("c", 2.2, 1.9, 2.5)])
    Extremes(smallest='a', largest=None)
    """
    if len(estimates) < 2 or not _all_known(estimates):
        return Extremes(None, None)
    rising = sorted(estimates, key=lambda one: one.value)
    smallest, *above = rising
    *below, largest = rising
    is_smallest = all(smallest.high < other.low for other in above)
    is_largest = all(other.high < largest.low for other in below)
    return Extremes(
        smallest.name if is_smallest else None, largest.name if is_largest else None
    )


def _all_known(estimates: Sequence[Ranked]) -> bool:
    """Whether every estimate has both limits; an infinite one is a limit too."""
    return not any(math.isnan(one.low) or math.isnan(one.high) for one in estimates)


def superlatives(
    estimates: Sequence[Ranked], smallest: str, largest: str, *, falling: bool = False
) -> str:
    """The end of a sentence: which of several estimates is the smallest and which the largest, or why none is named.

    Parameters
    ----------
    smallest, largest : what the smallest and the largest is called, such as "nearest" and "farthest".
    falling : name the largest first.

    Returns
    -------
    A clause without a full stop; empty for fewer than two estimates.

    >>> two = [Ranked("a", 1.0, 0.9, 1.1), Ranked("b", 2.0, 1.5, 2.5)]
    >>> superlatives(two, "nearest", "farthest")
    'a is nearest and b farthest'
    >>> superlatives([*two, Ranked("c", 1.2, 1.0, 1.4)], "least varied", "most varied", falling=True)
    'b is most varied; the intervals of the others overlap'
    >>> superlatives([*two, Ranked("c", 1.6, 1.0, 2.2)], "nearest", "farthest")
    'none is called nearest or farthest, as intervals overlap'
    """
    if len(estimates) < 2:
        return ""
    if not _all_known(estimates):
        return NO_INTERVALS
    found = list(zip(extremes(estimates), (smallest, largest), strict=True))
    if falling:
        found.reverse()
    named = [(name, word) for name, word in found if name is not None]
    if not named:
        return f"none is called {found[0][1]} or {found[1][1]}, as intervals overlap"
    (name, word), *others = named
    clause = f"{name} is {word}"
    for other, its_word in others:
        clause += f" and {other} {its_word}"
    if not others:
        clause += "; the intervals of the others overlap"
    return clause
