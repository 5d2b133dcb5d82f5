"""Sets of rows cut into smaller ones, every pair of rows within reach in one pair of sets. Used by `twigma dedupe`.

Rows within reach r of each other differ by at most r along any direction (Cauchy-Schwarz). Two sets are split, again
and again, along the axis in which the larger one spreads most; then rows of different sides can be a pair only where
both lie within r of the cut.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Indices

NARROW = 0.6  # sets that spread by less than this part of r along every axis are halved without a cut
PROBE = 512  # rows from which the spread is estimated

Floats = npt.NDArray[np.float32]
Pairs = tuple[Indices, Indices]  # int64[n] each: left and right of n pairs
# int64[m] and int64[n]: two sets to compare; twice the same array where a set is compared with itself.
Sets = tuple[Indices, Indices]


def small_sets(x: Floats, y: Floats, most: int, reach: float) -> Iterator[Sets]:
    """Sets of rows of x and rows of y to compare: every pair within reach is in one of them.

    Parameters
    ----------
    x, y : float32[m, dim] and float32[n, dim]; the same array compares its rows with one another.
    most : the product of the numbers of rows of two sets is at most its square.
    reach : distance up to which two rows are a pair.
    """
    rows = np.arange(len(x))
    others = rows if x is y else np.arange(len(y))
    todo = [(rows, others)]
    while todo:
        a, b = todo.pop()
        if len(a) * len(b) > most**2:
            todo += _parts(x, y, a, b, reach)
        elif len(a) and len(b):
            yield a, b


def _parts(x: Floats, y: Floats, a: Indices, b: Indices, reach: float) -> list[Sets]:
    """Smaller sets with the same pairs within reach."""
    if len(a) >= len(b):
        axis, cut, spread = _widest(x, a)
    else:
        axis, cut, spread = _widest(y, b)
    if spread <= NARROW * reach:
        return _halves(a, b)
    low_a, high_a, under_a, over_a = _sides(x[a, axis] - cut, a, reach)
    if a is b:
        return [(low_a, low_a), (high_a, high_a), (under_a, over_a)]
    low_b, high_b, under_b, over_b = _sides(y[b, axis] - cut, b, reach)
    return [(low_a, low_b), (high_a, high_b), (under_a, over_b), (over_a, under_b)]


def _widest(x: Floats, rows: Indices) -> tuple[int, np.float32, float]:
    """The axis along which these rows spread most, their mean there, and their standard deviation."""
    some = x[rows[:: max(1, len(rows) // PROBE)]]
    deviation = some.std(axis=0)
    axis = int(deviation.argmax())
    return axis, some[:, axis].mean(), float(deviation[axis])


def _sides(
    height: Floats, rows: Indices, reach: float
) -> tuple[Indices, Indices, Indices, Indices]:
    """Rows below the cut and above it, and of each side those within reach of it."""
    is_low = height < 0
    is_close = np.abs(height) <= reach
    low, high = rows[is_low], rows[~is_low]
    return low, high, rows[is_low & is_close], rows[~is_low & is_close]


def _halves(a: Indices, b: Indices) -> list[Sets]:
    """The larger set in two, for rows too close for a cut to part them."""
    if a is b:
        one, two = np.array_split(a, 2)
        return [(one, one), (two, two), (one, two)]
    if len(a) < len(b):
        return [(a, half) for half in np.array_split(b, 2)]
    return [(half, b) for half in np.array_split(a, 2)]
