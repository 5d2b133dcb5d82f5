"""Every pair of rows of two buckets within reach of each other; what one thread, or one task, of `twigma dedupe` does.

Rows that crowd spread along directions of their own. So the buckets are turned to the principal axes of their own rows,
which cuts part better than those of all rows; and of the small sets that are left only the first coordinates are
compared at first, since those of most pairs are out of reach already.
"""

from typing import NamedTuple

import numpy as np

from twigma.builder.duplicates.near_sets import Floats, Pairs, Sets, small_sets
from twigma.builder.engine.vectors import Indices

LEAF = 1_024  # rows on either side that are compared all with all
FIRST = 16  # coordinates that are compared at first
SAMPLE = 2_048  # rows from which the principal axes are computed
CHECK = 16_384  # pairs whose other coordinates are compared at once
MOST = 1_000_000  # pairs after which the sets that are left are handed back


class Found(NamedTuple):
    """Pairs of rows within reach, and sets that were not compared.

    `left` and `right` int64[n] are rows of the one bucket and of the other; a pair of rows of one bucket comes once or
    twice, with left < right.
    """

    left: Indices
    right: Indices
    undone: list[Sets]


def pairs_within(one: Floats, other: Floats | None, reach: float) -> Found:
    """Every pair of a row of `one` and a row of `other` within reach, or the first MOST of them and what is left.

    Parameters
    ----------
    one, other : float32[m, dim] and float32[n, dim]; without another one, the rows of `one` with one another.
    reach : distance up to which two rows are a pair; rounding of float32 may add or lose a pair within 1e-6 of it.
    """
    x, y = _turned(one, other)
    ours = _bounded(x)
    theirs = _bounded(y)[:, [*range(ours.shape[1] - 2), -1, -2]]
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    pairs = 0
    sets = small_sets(x, y, LEAF, reach)
    for a, b in sets:
        products = ours[a] @ theirs[b].T
        near = np.flatnonzero(products >= -(reach**2) / 2)
        places = a[near // len(b)], b[near % len(b)]
        rows, others = _within(x, y, places, reach)
        if a is b:  # each pair occurs in both orders
            ascending = rows < others
            rows, others = rows[ascending], others[ascending]
        left.append(rows)
        right.append(others)
        pairs += len(rows)
        if pairs > MOST:
            break
    return Found(np.concatenate(left), np.concatenate(right), list(sets))


def _turned(one: Floats, other: Floats | None) -> tuple[Floats, Floats]:
    """The rows by the principal axes of the larger bucket, the leading one first; once if there is no other."""
    larger = one
    if other is not None and len(other) > len(one):
        larger = other
    sample = larger[:: max(1, len(larger) // SAMPLE)].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1].astype(np.float32)
    origin = mean.astype(np.float32)
    x = (one - origin) @ axes
    if other is None:
        return x, x
    return x, (other - origin) @ axes


def _bounded(x: Floats) -> Floats:
    """float32[n, m + 2]: the first m coordinates, minus half the square of their length, and 1.

    The product of two rows, the last two numbers of one of them swapped, is minus half the square of the distance of
    their first coordinates, which is at most that of all.
    """
    first = x[:, :FIRST]
    result = np.ones((len(x), first.shape[1] + 2), np.float32)
    result[:, :-2] = first
    result[:, -2] = np.square(first).sum(axis=1) / -2
    return result


def _within(x: Floats, y: Floats, places: Pairs, reach: float) -> Pairs:
    """Those of these pairs that are within reach by all coordinates."""
    left, right = places
    is_within = np.empty(len(left), bool)
    for at in range(0, len(left), CHECK):
        some = slice(at, at + CHECK)
        apart = x[left[some]] - y[right[some]]
        is_within[some] = np.einsum("ij,ij->i", apart, apart) <= reach**2
    return left[is_within], right[is_within]
