"""Mean pairwise distance of a set (Fig 3a); for `twigma analyze`.

The pairs of one sample are not independent: an interval from their spread is six times too narrow. The intervals
here come from the rows (or the groups), of which each estimate is an average to first order.
"""

from typing import Any

import numpy as np

from twigma.analysis.convert import Array, Floats, as_column
from twigma.analysis.inference.intervals import Estimate, Z, interval, limits
from twigma.analysis.vectors.samples import finite_matrix
from twigma.core.safety.failures import DataError

EXACT = 20_000  # rows up to which all pairs are computed
PAIRS = 1_000_000  # sampled above
UNIT = 1e-2  # from 1, of the squared norm of rows that float16 has rounded
BLOCK = 2048  # rows a block: 2048 x 2048 float64 = 32 MiB


def mean_pairwise_distance(
    x: Any, *, exact: bool | None = None, seed: int = 0, groups: Any = None
) -> Estimate:
    """Mean Euclidean distance Σ_{i≠j} ‖x_i − x_j‖ / N(N−1) of different rows (paper, Fig 3a).

    Parameters
    ----------
    x : matrix [n, d], n ≥ 2.
    exact : all pairs, or a million sampled pairs; None: all up to 20,000 rows.
    seed : of the sampled pairs.
    groups : label per row (artist, prompt, author) of rows that may depend on each other; needs all pairs.

    Returns
    -------
    Estimate with value ± 1.96 · 2 sd(h)/√N, h_i the mean distance of row i to the others. Sampled, each of T rows
    i is paired with two others, and se² = Var(their mean)/T + 4 Cov(d_ij, d_ik)/N. Two rows, or
    groups, have no interval; none reaches below 0 or, for rows of norm 1, above √(2N/(N−1)).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2633, 8))
    >>> mean_pairwise_distance(x)
    3.86 [3.82, 3.89], n = 2,633
    """
    x = finite_matrix(x, "mean_pairwise_distance")
    if exact is None:
        exact = len(x) <= EXACT
    if not exact:
        if groups is not None:
            raise DataError(
                f"mean_pairwise_distance: an interval by groups needs all pairs, and {len(x)} rows have too many; "
                f"pass a sample of at most {EXACT} rows, or exact=True"
            )
        return _sampled(x, seed)
    others = weighted_distances(x, np.ones(len(x))) / (len(x) - 1)
    value = float(others.mean())
    if len(x) == 2:  # one pair has no spread
        return Estimate(value, np.nan, np.nan, 2)
    if groups is not None:
        groups = as_column(groups)
        if len(groups) != len(x):
            raise DataError(
                f"mean_pairwise_distance: expected a group for each of {len(x)} rows, found {len(groups)}"
            )
    return interval(value, 2 * (others - value), groups, least=0.0, most=_most(x))


def _most(x: Array) -> float:
    """The largest that the mean distance of so many rows [n, d] can be: √(2n/(n−1)) for rows of norm 1, else ∞."""
    squares = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    if np.abs(squares - 1).max() > UNIT:
        return np.inf
    return float(np.sqrt(2 * len(x) / (len(x) - 1)))


def mean_squared_distance(x: Any) -> float:
    """Mean of ‖x_i − x_j‖² over different rows of `x` [n, d], in one pass: 2N/(N−1) (mean ‖x_i‖² − ‖x̄‖²).

    On unit rows it is 2(1 − (N‖x̄‖² − 1)/(N−1)), so that 1 − half of it is the mean cosine.
    """
    x = finite_matrix(x, "mean_squared_distance")
    centre = x.mean(axis=0, dtype=np.float64)
    squares = 0.0
    for start in range(0, len(x), BLOCK):
        centred = x[start : start + BLOCK] - centre
        squares += float((centred**2).sum(dtype=np.float64))
    return 2 * squares / (len(x) - 1)


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean distances of the rows of two blocks [n, d] and [m, d], float64[n, m].

    By a product: 1e-7 of the norm of the rows may be lost.
    """
    squares = a @ b.T
    squares *= -2
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares)


def all_distances(x: Array) -> Floats:
    """Euclidean distances of all rows of `x` [n, d], float64[n, n], exactly 0 on the diagonal."""
    rows = x.astype(np.float64)
    square = distances(rows, rows)
    np.fill_diagonal(square, 0)
    return square


def weighted_distances(x: Array, weight: Floats) -> Floats:
    """Σ_j≠i weight_j ‖x_i − x_j‖ of each row of `x` [n, d], float64[n], by blocks above the diagonal."""
    # Near the origin the product form cancels least.
    x = x - x.mean(axis=0, dtype=np.float64)
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
    """From pairs (i, j) and (i, k): sharing i, their covariance tells how far rows differ from one another."""
    n = len(x)
    if n < 3:
        raise DataError(
            f"mean_pairwise_distance: sampling pairs needs at least 3 rows, found {n}: of so few "
            "all pairs are taken"
        )
    rng = np.random.default_rng(seed)
    anchors = PAIRS // 2
    i = rng.integers(n, size=anchors)
    j = (i + rng.integers(1, n, size=anchors)) % n
    k = (i + rng.integers(1, n, size=anchors)) % n
    one = _pair_distances(x, i, j)
    other = _pair_distances(x, i, k)
    means = (one + other) / 2
    shared = max(0.0, float(np.cov(one, other)[0, 1]))
    half = Z * float(np.sqrt(means.var(ddof=1) / anchors + 4 * shared / n))
    value = float(means.mean())
    return Estimate(value, *limits(value, half, 0.0, _most(x)), n)


def _pair_distances(x: Array, i: Array, j: Array) -> Floats:
    """‖x_i − x_j‖ of pairs of rows, [len(i)]."""
    result = np.empty(len(i))
    for start in range(0, len(i), BLOCK):
        pairs = slice(start, start + BLOCK)
        difference = x[i[pairs]].astype(np.float64) - x[j[pairs]]
        result[pairs] = np.linalg.norm(difference, axis=1)
    return result
