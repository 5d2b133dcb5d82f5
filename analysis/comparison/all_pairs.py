"""MMD² over all pairs of images of different owners, its interval and its permutation test, in one pass of the kernel.

Images of one author, artist or prompt are alike: pairs of them would make every two sets look apart. They are left out,
the interval leaves out each owner in turn, and the test divides owners at random. The matrix of the kernel is made and
used a slice at a time.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import Spread, half_width, jackknife
from twigma.analysis.inference.permutation import random_divisions, tail_p

PERMUTATIONS = 499
SLICE = 1024  # rows of the kernel's matrix at a time
LEAST_OWNERS = (
    3  # of a set, for an interval: without one of them there have to be pairs
)

Kernel = Callable[[Array, Array], Array]
Codes = npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """MMD² of all pairs of different owners with its 95% interval, its test, and 95% of what random divisions give."""

    value: float  # NaN, as all others, for a set of a single owner
    low: float
    high: float
    p: float
    noise_95: float


class _Sums(NamedTuple):
    """The kernel summed over pairs of different owners, for each division of the rows, the sets' own first."""

    inside: Floats  # pairs within the first part, [divisions]
    towards: Floats  # from the first part to all rows, [divisions]
    to_first: Floats  # from each row to the first set, [rows]
    to_all: Floats  # from each row to all rows, [rows]


def all_pairs(
    x: Array,
    y: Array,
    kernel: Kernel,
    *,
    owners_x: Codes,
    owners_y: Codes,
    seed: int,
) -> Pairs:
    """Compare two sets by a kernel.

    Parameters
    ----------
    x, y : float [n, d] and [m, d]. kernel : of two matrices [a, d] and [b, d] the values [a, b], up to a constant.
    owners_x, owners_y : the owner of each row, int64[n] and int64[m], numbered from 0 (`dense_blocks`).
    """
    owners = np.concatenate([owners_x, owners_y + owners_x.max() + 1])
    sizes = np.bincount(owners).astype(np.float64)
    of_x = np.arange(len(sizes)) <= owners_x.max()
    if min(of_x.sum(), (~of_x).sum()) < 2:
        return Pairs(*[float("nan")] * 5)
    rng = np.random.default_rng(seed)
    divided = random_divisions(sizes, len(x), PERMUTATIONS, rng)
    first = np.vstack([of_x, divided])
    sums = _summed(np.vstack([x, y]), kernel, owners, first)
    mmd = _discrepancies(sums, first, sizes)
    value, null = float(mmd[0]), mmd[1:]
    null = null[np.isfinite(null)]
    half = half_width(*_spreads(sums, owners, of_x, sizes, value))
    return Pairs(
        value,
        value - half,
        value + half,
        tail_p(value, null),
        float(np.quantile(null, 0.95)),
    )


def _summed(
    rows: Array, kernel: Kernel, owners: Codes, first: npt.NDArray[np.bool_]
) -> _Sums:
    """Sums of the kernel over pairs of different owners; `first` [divisions, g] are the owners of the first part."""
    rows = rows.astype(np.float32)
    inside = np.zeros(len(first))
    to_first, to_all = np.zeros(len(rows)), np.zeros(len(rows))
    chosen = first[:, owners].T.astype(np.float32)
    # A constant changes no MMD²; without it single precision is enough.
    middle = kernel(rows[:SLICE], rows).mean()
    for start in range(0, len(rows), SLICE):
        part = slice(start, start + SLICE)
        onward = slice(start, None)
        values = kernel(rows[part], rows[onward]) - middle
        values[owners[part, None] == owners[onward]] = 0
        # The kernel is symmetric: pairs with later rows are made once and counted both ways.
        size = len(values)
        values[:, :size] /= 2
        products = values @ chosen[onward]
        inside += 2 * np.einsum("ij,ij->j", chosen[part], products, dtype=np.float64)
        to_first[part] += products[:, 0]
        to_first[onward] += chosen[part, 0] @ values
        to_all[part] += values.sum(axis=1, dtype=np.float64)
        to_all[onward] += values.sum(axis=0, dtype=np.float64)
    towards = to_all @ chosen
    return _Sums(inside, np.asarray(towards, np.float64), to_first, to_all)


def _discrepancies(sums: _Sums, first: npt.NDArray[np.bool_], sizes: Floats) -> Floats:
    """MMD² of each division, [divisions]; not finite where a part has a single owner."""
    total = sums.to_all.sum()
    across = sums.towards - sums.inside
    outside = total - 2 * sums.towards + sums.inside
    n, n_pairs = _pairs_of(first, sizes)
    m, m_pairs = _pairs_of(~first, sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = sums.inside / n_pairs + outside / m_pairs
        result: Floats = within - 2 * across / (n * m)
    return result


def _pairs_of(part: npt.NDArray[np.bool_], sizes: Floats) -> tuple[Floats, Floats]:
    """Rows of each division's part, and ordered pairs of different owners among them."""
    rows = part @ sizes
    return rows, rows**2 - part @ sizes**2


def _spreads(
    sums: _Sums,
    owners: Codes,
    of_x: npt.NDArray[np.bool_],
    sizes: Floats,
    value: float,
) -> tuple[Spread, Spread]:
    """The variance from leaving out each owner of the first set, and of the second."""
    to_x = np.bincount(owners, weights=sums.to_first)
    to_y = np.bincount(owners, weights=sums.to_all - sums.to_first)
    means = []
    for mine, to_own in ((of_x, to_x), (~of_x, to_y)):
        size = sizes[mine]
        means.append(to_own[mine].sum() / (size.sum() ** 2 - size @ size))
    of_rest = means[::-1]
    parts = ((of_x, to_x, to_y), (~of_x, to_y, to_x))
    spreads = []
    for (mine, to_own, to_other), rest in zip(parts, of_rest, strict=True):
        size = sizes[mine]
        if len(size) < LEAST_OWNERS:
            spreads.append(jackknife(np.zeros(1), value, size))
            continue
        n, m = size.sum(), sizes[~mine].sum()
        pairs = n**2 - size @ size - 2 * size * (n - size)
        own, other = to_own[mine], to_other[mine]
        within = (own.sum() - 2 * own) / pairs
        between = (other.sum() - other) / ((n - size) * m)
        spreads.append(jackknife(within + rest - 2 * between, value, size))
    return spreads[0], spreads[1]
