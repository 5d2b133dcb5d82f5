"""How far apart two sets are by the mean of a kernel: KID and CMMD, beyond the paper; `twigma analyze` computes them.

Both are a squared maximum mean discrepancy, MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y), 0 for sets of one
distribution. It is estimated without bias on blocks of rows, so that it can be below zero.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from twigma.analysis.variation.distance import Array, Floats, matrix
from twigma.analysis.vectors.codebook import SAMPLE, size_matched
from twigma.analysis.vectors.spectra import unit

BLOCK = 1000  # rows of a set in a block, as in KID
BLOCKS = (
    10  # at least, where a set has fewer than 10,000 rows: the interval comes from them
)
PERMUTATIONS = 499
SIGMA = 10.0  # of the kernel of CMMD
SCALE = 1000.0  # CMMD is stated in thousandths
SMALLEST = 2 * BLOCKS

Kernel = Callable[[Floats, Floats], Floats]


class Discrepancy(NamedTuple):
    """A squared discrepancy, its 95% interval, how often a random division is as large, and 95% of those; rows."""

    value: float
    low: float
    high: float
    p: float
    noise_95: float
    n: int
    blocks: int


def kid(x: Array, y: Array, *, seed: int = 0) -> Discrepancy:
    """Kernel distance by the polynomial kernel k(a, b) = (a·b/d + 1)³ (KID; Bińkowski et al. 2018).

    Parameters
    ----------
    x, y : arrays [n, d] of equally many rows, at least 20. seed : of the blocks and of the permutations.

    Returns
    -------
    Discrepancy: the mean of unbiased MMD² over disjoint blocks of at most 1,000 rows of each set, with Student's
    interval of that mean; `p` by 499 random divisions of each block's rows, and the 95% quantile of those.
    """
    d = np.asarray(x).shape[-1]
    return _discrepancy(x, y, lambda a, b: (a @ b.T / d + 1) ** 3, seed)


def cmmd(x: Array, y: Array, *, seed: int = 0) -> Discrepancy:
    """1000 MMD² of unit rows by the Gaussian kernel exp(−‖a − b‖²/2σ²), σ = 10 (CMMD; Jayasumana et al. 2024).

    Parameters, blocks, interval and permutations are those of `kid`.
    """
    x, y = unit(matrix(x, "cmmd")), unit(matrix(y, "cmmd"))
    found = _discrepancy(x, y, lambda a, b: np.exp((a @ b.T - 1) / SIGMA**2), seed)
    scaled = {
        name: SCALE * getattr(found, name)
        for name in ("value", "low", "high", "noise_95")
    }
    return found._replace(**scaled)


def kernel_distances(
    sets: Mapping[str, Array], *, n: int = SAMPLE, seed: int = 0
) -> pd.DataFrame:
    """KID and CMMD of every two sets, in equal samples.

    Returns
    -------
    DataFrame, a row per pair and metric ("kid", "cmmd"): set_a, set_b, metric, value, low, high, p, noise_95, n,
    blocks, seed. A value below `noise_95` is what two samples of one set may give.
    """
    drawn = size_matched(sets, n, seed)
    rows = [
        {
            "set_a": a,
            "set_b": b,
            "metric": metric,
            **measure(drawn[a], drawn[b], seed=seed)._asdict(),
        }
        for a, b in combinations(drawn, 2)
        for metric, measure in (("kid", kid), ("cmmd", cmmd))
    ]
    return pd.DataFrame(rows).assign(seed=seed)


# ------------------------------------------------------------------ parts


def _discrepancy(x: Array, y: Array, kernel: Kernel, seed: int) -> Discrepancy:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if (
        x.ndim != 2
        or x.shape != y.shape
        or len(x) < SMALLEST
        or not (np.isfinite(x).all() and np.isfinite(y).all())
    ):
        raise ValueError(
            f"kernel distance: expected two finite matrices of one shape with at least {SMALLEST} rows, "
            f"found {x.shape} and {y.shape}; draw equal samples of rows that have an embedding"
        )
    rng = np.random.default_rng(seed)
    size = min(BLOCK, len(x) // BLOCKS)
    count = len(x) // size
    rows = [
        rng.permutation(len(x))[: count * size].reshape(count, size) for _ in range(2)
    ]
    values, null = np.empty(count), np.zeros(PERMUTATIONS)
    for i, (a, b) in enumerate(zip(*rows, strict=True)):
        pooled = np.vstack([x[a], y[b]])
        found = _divisions(kernel(pooled, pooled), rng)
        values[i] = found[0]
        null += found[1:] / count
    value = float(values.mean())
    half = float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
    p = float((1 + (null >= value).sum()) / (1 + PERMUTATIONS))
    return Discrepancy(
        value,
        value - half,
        value + half,
        p,
        float(np.quantile(null, 0.95)),
        count * size,
        count,
    )


def _divisions(kernel: Floats, rng: np.random.Generator) -> Floats:
    """Unbiased MMD² of the first half of the rows against the second, then of random halves, [1 + PERMUTATIONS]."""
    np.fill_diagonal(kernel, 0)
    size = len(kernel) // 2
    order = np.argsort(rng.random((PERMUTATIONS, len(kernel))), axis=1) < size
    first = np.vstack([np.arange(len(kernel)) < size, order]).T.astype(np.float64)
    inside = np.einsum("ij,ij->j", first, kernel @ first)
    towards = kernel.sum(axis=1) @ first
    outside = kernel.sum() - 2 * towards + inside
    result: Floats = (inside + outside) / (size * (size - 1)) - 2 * (
        towards - inside
    ) / size**2
    return result
