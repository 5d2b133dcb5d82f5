"""Mean pairwise distance of a set, and within and between the groups of a set (Fig 3a); for `twigma analyze`.

The pairs of one sample are not independent: an interval from their spread is six times too narrow. The intervals
here come from the rows (or the groups), of which each estimate is an average to first order.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

EXACT = 20_000  # rows up to which all pairs are computed
PAIRS = 1_000_000  # sampled above
BLOCK = 2048  # rows a block: 2048 x 2048 float64 = 32 MiB
DRAWS = 2000  # bootstrap draws of groups
Z = 1.959963984540054


class Estimate(NamedTuple):
    """A value, its 95% interval, and the rows it is from."""

    value: float
    low: float
    high: float
    n: int


def interval(value: float, influence: Floats, blocks: Array | None = None) -> Estimate:
    """Value ± 1.96 se, where the value is to first order the mean of its rows' influence: se = ‖ψ − ψ̄‖/n.

    With `blocks` (an artist, prompt or author per row) the influence of each block is summed first, so that rows
    of one block may depend on each other; a row without a block is its own. ValueError when all rows are of one block.
    """
    n = len(influence)
    centred = influence - influence.mean()
    if blocks is not None:
        codes = pd.factorize(pd.Series(np.asarray(blocks, dtype=object)))[0]
        alone = codes < 0
        codes[alone] = codes.max() + 1 + np.arange(alone.sum())
        if codes.max() < 1:
            raise ValueError(
                "interval: all rows are of one block, so there is no interval; leave the blocks out"
            )
        centred = np.bincount(codes, weights=centred)
    half = Z * float(np.sqrt(centred @ centred)) / n
    return Estimate(value, value - half, value + half, n)


def matrix(x: Array, name: str, rows: int = 2) -> Array:
    """`x` if it is a finite float matrix of at least `rows` rows, float16 made float32; else ValueError."""
    x = np.asarray(x)
    if x.ndim != 2 or len(x) < rows or x.shape[1] == 0:
        raise ValueError(
            f"{name}: expected a matrix of at least {rows} rows, found shape {x.shape}"
        )
    if not all(np.isfinite(x[i : i + BLOCK]).all() for i in range(0, len(x), BLOCK)):
        raise ValueError(
            f"{name}: expected finite values, found NaN or infinity; drop rows without an embedding"
        )
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)


def mean_pairwise_distance(
    x: Array, *, exact: bool | None = None, seed: int = 0, blocks: Array | None = None
) -> Estimate:
    """Mean Euclidean distance Σ_{i≠j} ‖x_i − x_j‖ / N(N−1) of different rows (section 3.3, Fig 3a).

    Parameters
    ----------
    x : array [n, d], n ≥ 2.
    exact : all pairs, or a million sampled pairs; None: all up to 20,000 rows.
    seed : of the sampled pairs.
    blocks : label per row of what is resampled together (exact only).

    Returns
    -------
    Estimate with value ± 1.96 · 2 sd(h)/√N, h_i the mean distance of row i to the others. Sampled, each of T rows
    i is paired with two others, and se² = Var(their mean)/T + 4 Cov(d_ij, d_ik)/N.
    """
    x = matrix(x, "mean_pairwise_distance")
    if exact is False or (exact is None and len(x) > EXACT):
        return _sampled(x, seed)
    rows = _weighted_rows(x, np.ones(len(x))) / (len(x) - 1)
    value = float(rows.mean())
    if len(x) == 2:
        return Estimate(value, np.nan, np.nan, 2)  # one pair says nothing of the spread
    return interval(value, 2 * (rows - value), blocks)


def mean_squared_distance(x: Array) -> float:
    """Mean of ‖x_i − x_j‖² over different rows, in one pass: 2N/(N−1) (mean ‖x_i‖² − ‖x̄‖²).

    On unit rows it is 2(1 − (N‖x̄‖² − 1)/(N−1)), so that 1 − half of it is the mean cosine.
    """
    x = matrix(x, "mean_squared_distance")
    n, centre = len(x), x.mean(axis=0, dtype=np.float64)
    squares = sum(
        float(((x[i : i + BLOCK] - centre) ** 2).sum(dtype=np.float64))
        for i in range(0, n, BLOCK)
    )
    return 2 * squares / (n - 1)


def grouped_distance(x: Array, groups: Any, *, seed: int = 0) -> pd.DataFrame:
    """Mean distance within groups: an artist's paintings, the images of one prompt (Fig 3a).

    Parameters
    ----------
    x : array [n, d]. groups : label per row; rows without one, and groups of a single row, are left out.
    seed : of the 2,000 bootstrap draws of whole groups.

    Returns
    -------
    DataFrame of two rows, weighting "group" (every group counts the same) and "pair" (every pair does), with
    columns weighting, value, low, high, groups, pairs, n, seed. ValueError with fewer than two groups.
    """
    x, codes = whole_groups(x, groups, len(x), seed)
    sizes = np.bincount(codes)
    within, pairs = _within(x, codes, len(sizes)), sizes * (sizes - 1) / 2
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(sizes), size=len(sizes)) for _ in range(DRAWS))
    boot = np.array(
        [(within[i].mean(), np.average(within[i], weights=pairs[i])) for i in drawn]
    )
    low, high = np.quantile(boot, [0.025, 0.975], axis=0)
    values = [within.mean(), np.average(within, weights=pairs)]
    table = pd.DataFrame(
        {"weighting": ["group", "pair"], "value": values, "low": low, "high": high}
    )
    return table.assign(groups=len(sizes), pairs=int(pairs.sum()), n=len(x), seed=seed)


def same_different_ratio(
    x: Array, groups: Any, *, n: int = EXACT, seed: int = 0
) -> pd.DataFrame:
    """Mean distance within a group over that between groups, about 0.5 for prompts (section 3.3).

    Groups count the same, whatever their size. Of more than `n` rows random whole groups are taken, as many as fit.
    One row with columns ratio, low, high, same, different, r2 (share of the variance that the groups explain), groups,
    n; the interval takes the groups as the sample (delta method).
    """
    x, codes = whole_groups(
        x, groups, n, seed
    )  # not all, for every pair of rows is looked at
    sizes = np.bincount(codes)
    count = len(sizes)
    within = _within(x, codes, count)
    weight = 1 / sizes[codes]
    towards = np.bincount(
        codes, weights=weight * _weighted_rows(x, weight)
    )  # Σ_g' mean distance of g to g'
    between = (towards - within * (sizes - 1) / sizes) / (count - 1)
    same, different = float(within.mean()), float(between.mean())
    if different == 0:
        raise ValueError(
            "same_different_ratio: all rows are equal, so the ratio is not defined"
        )
    ratio = same / different
    found = interval(
        ratio,
        (within - same) / different - ratio * 2 * (between - different) / different,
    )
    values = {
        "ratio": ratio,
        "low": found.low,
        "high": found.high,
        "same": same,
        "different": different,
    }
    return pd.DataFrame(
        [{**values, "r2": _explained(x, codes, sizes), "groups": count, "n": len(x)}]
    )


def whole_groups(
    x: Array, groups: Any, n: int, seed: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Random whole groups of two or more rows, as many as fit in `n` rows (two at least), recoded from 0."""
    labels = pd.Series(np.asarray(groups, dtype=object))
    if len(labels) != len(x):
        raise ValueError(
            f"groups: expected a label for each of {len(x)} rows, found {len(labels)}"
        )
    codes = pd.factorize(labels)[0]
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sizes >= 2))
    if len(order) < 2:
        raise ValueError(
            f"groups: expected at least two groups of two or more rows, found {len(order)}"
        )
    chosen = order[: max(2, int((np.cumsum(sizes[order]) <= n).sum()))]
    keep = np.flatnonzero(np.isin(codes, chosen))
    return matrix(np.asarray(x)[keep], "groups"), pd.factorize(codes[keep])[0]


def group_rows(
    codes: npt.NDArray[np.int64], count: int
) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of each group 0 … count − 1."""
    return iter(
        np.split(
            np.argsort(codes, kind="stable"),
            np.cumsum(np.bincount(codes, minlength=count))[:-1],
        )
    )


def each_group(
    x: Array, codes: npt.NDArray[np.int64], statistic: Callable[[Array], float]
) -> Floats:
    """A statistic of the rows of each group, float64[groups]."""
    return np.array(
        [statistic(x[rows]) for rows in group_rows(codes, int(codes.max()) + 1)]
    )


# ------------------------------------------------------------------ parts


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean distances of the rows of two blocks, [len(a), len(b)], by a product: 1e-7 of their norm may be lost."""
    squares = a @ b.T
    squares *= -2
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares)


def _weighted_rows(x: Array, weight: Floats) -> Floats:
    """Σ_j≠i weight_j ‖x_i − x_j‖ of each row, by blocks above the diagonal."""
    x = x - x.mean(
        axis=0, dtype=np.float64
    )  # near the origin the product form cancels least
    sums = np.zeros(len(x))
    for i in range(0, len(x), BLOCK):
        for j in range(i, len(x), BLOCK):
            a, b = slice(i, i + BLOCK), slice(j, j + BLOCK)
            apart = distances(x[a], x[b])
            if i == j:
                np.fill_diagonal(apart, 0)
            else:
                sums[b] += weight[a] @ apart
            sums[a] += apart @ weight[b]
    return sums


def _sampled(x: Array, seed: int) -> Estimate:
    rng, n = np.random.default_rng(seed), len(x)
    if n < 3:
        raise ValueError(
            f"mean_pairwise_distance: sampling pairs needs at least 3 rows, found {n}; use exact=True"
        )
    anchors = PAIRS // 2
    i = rng.integers(n, size=anchors)
    j = (i + rng.integers(1, n, size=anchors)) % n
    k = (i + rng.integers(1, n, size=anchors)) % n
    one, other = (_pair_distances(x, i, partner) for partner in (j, k))
    means = (one + other) / 2
    shared = max(0.0, float(np.cov(one, other)[0, 1]))
    half = Z * float(np.sqrt(means.var(ddof=1) / anchors + 4 * shared / n))
    value = float(means.mean())
    return Estimate(value, value - half, value + half, n)


def _pair_distances(x: Array, i: Array, j: Array) -> Floats:
    parts = [slice(start, start + BLOCK) for start in range(0, len(i), BLOCK)]
    return np.concatenate(
        [np.linalg.norm(x[i[p]].astype(np.float64) - x[j[p]], axis=1) for p in parts]
    )


def _within(x: Array, codes: npt.NDArray[np.int64], count: int) -> Floats:
    return each_group(
        x,
        codes,
        lambda rows: (
            float(_weighted_rows(rows, np.ones(len(rows))).mean()) / (len(rows) - 1)
        ),
    )


def _explained(
    x: Array, codes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> float:
    """1 − (variance within groups)/(total), both unbiased, from mean squared distances; groups count the same."""
    within = each_group(x, codes, mean_squared_distance).mean()
    weight = 1 / sizes[codes] / len(sizes)
    centred = x - (weight @ x)
    spread = float(
        weight @ np.einsum("ij,ij->i", centred, centred)
    )  # within (m−1)/m + between (G−1)/G
    shrunk = float(
        each_group(
            x, codes, lambda rows: mean_squared_distance(rows) * (1 - 1 / len(rows)) / 2
        ).mean()
    )
    means = (spread - shrunk) * len(sizes) / (len(sizes) - 1)
    between = means - float(
        (
            each_group(
                x, codes, lambda rows: mean_squared_distance(rows) / 2 / len(rows)
            )
        ).mean()
    )
    return float(between / (between + within / 2))
