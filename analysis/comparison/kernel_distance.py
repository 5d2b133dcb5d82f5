"""How far apart two sets are by the mean of a kernel: KID and CMMD, beyond the paper; `twigma analyze` computes them.

Both are a squared maximum mean discrepancy, MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y), 0 for sets of one
distribution. It is estimated without bias on blocks of rows, so that it can be below zero.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Floats, as_matrix
from twigma.analysis.inference.intervals import Estimate
from twigma.analysis.vectors.samples import SAMPLE, finite_matrix, size_matched
from twigma.core.numeric.unit_vectors import require_unit_rows

BLOCK = 1000  # rows of a set in a block, as in KID
BLOCKS = 10  # at least, in sets of under 10,000 rows: the interval comes from them
PERMUTATIONS = 499
SIGMA = 10.0  # of the kernel of CMMD
SCALE = 1000.0  # CMMD is stated in thousandths
SMALLEST = 2 * BLOCKS

Kernel = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, repr=False)
class Discrepancy(Estimate):
    """A squared discrepancy, with its interval from blocks of `n` rows in all."""

    p: float  # how often a random division of the rows is as large
    noise_95: float  # 95% quantile of random divisions
    blocks: int

    def keys(self) -> Iterator[str]:
        """In the order of the columns of the table."""
        return iter(("value", "low", "high", "p", "noise_95", "n", "blocks"))


def kid(x: Any, y: Any, *, seed: int = 0) -> Discrepancy:
    """Kernel distance by the polynomial kernel k(a, b) = (a·b/d + 1)³ (KID; Bińkowski et al. 2018).

    Parameters
    ----------
    x, y : matrices [n, d] of equally many rows, at least 20. seed : of the blocks and of the permutations.

    Returns
    -------
    Discrepancy: the mean of unbiased MMD² over disjoint blocks of at most 1,000 rows of each set, with Student's
    interval of that mean; `p` by 499 random divisions of each block's rows, and the 95% quantile of those.
    """
    x, y = as_matrix(x), as_matrix(y)
    d = x.shape[-1]

    def kernel(a: Floats, b: Floats) -> Floats:
        return np.asarray((a @ b.T / d + 1) ** 3)

    return _discrepancy(x, y, kernel, seed)


def cmmd(x: Any, y: Any, *, seed: int = 0) -> Discrepancy:
    """1000 MMD² of unit rows by the Gaussian kernel exp(−‖a − b‖²/2σ²), σ = 10 (CMMD; Jayasumana et al. 2024).

    Parameters, blocks, interval and permutations are those of `kid`.
    """
    x = require_unit_rows(finite_matrix(x, "cmmd"), "cmmd", dtype=np.float64)
    y = require_unit_rows(finite_matrix(y, "cmmd"), "cmmd", dtype=np.float64)
    mmd = _discrepancy(x, y, _gaussian, seed)
    return replace(
        mmd,
        value=SCALE * mmd.value,
        low=SCALE * mmd.low,
        high=SCALE * mmd.high,
        noise_95=SCALE * mmd.noise_95,
    )


def _gaussian(a: Floats, b: Floats) -> Floats:
    """Of unit rows, whose squared distance is 2 − 2 a·b."""
    return np.asarray(np.exp((a @ b.T - 1) / SIGMA**2))


def kernel_distances(
    sets: Mapping[str, Any], *, n: int = SAMPLE, seed: int = 0
) -> pd.DataFrame:
    """KID and CMMD of every two sets, embeddings [n_i, d] by name, in equal samples of at most `n` rows.

    Returns
    -------
    DataFrame, a row per pair and metric ("kid", "cmmd"): set_a, set_b, metric, value, low, high, p, noise_95, n,
    blocks, seed. A value below `noise_95` is what two samples of one set may give.
    """
    drawn = size_matched(sets, n, seed)
    rows = []
    for a, b in combinations(drawn, 2):
        for metric, measure in (("kid", kid), ("cmmd", cmmd)):
            distance = measure(drawn[a], drawn[b], seed=seed)
            rows.append({"set_a": a, "set_b": b, "metric": metric, **dict(distance)})
    return pd.DataFrame(rows).assign(seed=seed)


# ------------------------------------------------------------------ parts


def _discrepancy(x: Any, y: Any, kernel: Kernel, seed: int) -> Discrepancy:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    if x.ndim != 2 or x.shape != y.shape or len(x) < SMALLEST or not finite:
        raise ValueError(
            f"kernel distance: expected two finite matrices of one shape with at least {SMALLEST} rows, "
            f"found {x.shape} and {y.shape}; draw equal samples of rows that have an embedding"
        )
    rng = np.random.default_rng(seed)
    size = min(BLOCK, len(x) // BLOCKS)
    count = len(x) // size
    blocks_x = _random_blocks(len(x), size, rng)
    blocks_y = _random_blocks(len(x), size, rng)
    values = np.empty(count)
    null = np.zeros(PERMUTATIONS)
    for i in range(count):
        pooled = np.vstack([x[blocks_x[i]], y[blocks_y[i]]])
        divisions = _divisions(kernel(pooled, pooled), rng)
        values[i] = divisions[0]
        null += divisions[1:] / count
    value = float(values.mean())
    t = stats.t.ppf(0.975, count - 1)
    half = float(t * values.std(ddof=1) / np.sqrt(count))
    return Discrepancy(
        value=value,
        low=value - half,
        high=value + half,
        n=count * size,
        p=float((1 + (null >= value).sum()) / (1 + PERMUTATIONS)),
        noise_95=float(np.quantile(null, 0.95)),
        blocks=count,
    )


def _random_blocks(
    total: int, size: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Disjoint blocks of random rows, [blocks, size]; what is left over is not used."""
    count = total // size
    return rng.permutation(total)[: count * size].reshape(count, size)


def _divisions(kernel: Floats, rng: np.random.Generator) -> Floats:
    """Unbiased MMD² of the first half of the rows against the second, then of random halves, [1 + PERMUTATIONS]."""
    np.fill_diagonal(kernel, 0)  # without bias: no row is paired with itself
    size = len(kernel) // 2
    order = np.argsort(rng.random((PERMUTATIONS, len(kernel))), axis=1) < size
    first = np.vstack([np.arange(len(kernel)) < size, order]).T.astype(np.float64)
    inside = np.einsum("ij,ij->j", first, kernel @ first)
    towards = kernel.sum(axis=1) @ first
    outside = kernel.sum() - 2 * towards + inside
    across = towards - inside
    result: Floats = (inside + outside) / (size * (size - 1)) - 2 * across / size**2
    return result
