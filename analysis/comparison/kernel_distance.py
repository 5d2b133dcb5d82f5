"""How far apart two sets are by the mean of a kernel: KID and CMMD, beyond the paper; `twigma analyze` computes them.

Both are a squared maximum mean discrepancy, MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y), 0 for sets of one
distribution. It is estimated without bias, so that it can be below zero: on parts of the rows, as both were published,
and over all pairs of different owners (authors, artists, prompts), which the interval and the test are of.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.comparison.all_pairs import Kernel, all_pairs
from twigma.analysis.convert import Array, Floats, as_matrix
from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks,
    known_blocks,
)
from twigma.analysis.inference.intervals import Estimate
from twigma.analysis.vectors.samples import (
    SAMPLE,
    finite_matrix,
    sampled_labels,
    size_matched,
)
from twigma.core.numeric.unit_vectors import require_unit_rows
from twigma.core.safety.failures import DataError

PART = 1000  # rows of a set in a part, as in KID
PARTS = 10  # at least, in sets of under 10,000 rows
SIGMA = 10.0  # of the kernel of CMMD
SCALE = 1000.0  # CMMD is stated in thousandths
SMALLEST = 2 * PARTS


@dataclass(frozen=True, repr=False)
class Discrepancy(Estimate):
    """A squared discrepancy on parts of the rows, and over all pairs of different owners with interval and test."""

    all_pairs: float  # which `low`, `high`, `p` and `noise_95` are of
    p: float  # how often a random division of the owners is as large
    noise_95: float  # 95% quantile of random divisions
    parts: int
    blocks: float  # effective number of owners in the set that has fewer

    def keys(self) -> Iterator[str]:
        """In the order of the columns of the table."""
        names = ("value", "all_pairs", "low", "high", "p", "noise_95", "n", "parts")
        return iter((*names, "blocks"))


def kid(
    x: Any, y: Any, *, seed: int = 0, blocks_x: Any = None, blocks_y: Any = None
) -> Discrepancy:
    """Kernel distance by the polynomial kernel k(a, b) = (a·b/d + 1)³ (KID; Bińkowski et al. 2018).

    Parameters
    ----------
    x, y : matrices [n, d] of equally many rows, at least 20. seed : of the parts and of the permutations.
    blocks_x, blocks_y : label per row [n] (author, artist, prompt) of images that may depend on each other; None where
        they are not known, and rows are independent.

    Returns
    -------
    Discrepancy: `value`, the mean of unbiased MMD² over disjoint parts of at most 1,000 rows of each set; `all_pairs`,
    MMD² over all pairs of rows of different owners, with its interval by leaving out each owner (Student's), `p` by 499
    random divisions of the owners, without a floor (`tail_p`), and the 95% quantile of those. Unlike `value` it is not
    raised by images of one author that are alike. NaN for sets of too few owners.
    """
    x, y = as_matrix(x), as_matrix(y)
    d = x.shape[-1]

    def kernel(a: Array, b: Array) -> Array:
        z = a @ b.T / d
        # (1 + z)³ − 1: a constant changes no MMD², and small z keep their digits.
        return np.asarray(((z + 3) * z + 3) * z)

    return _discrepancy(x, y, kernel, seed, (blocks_x, blocks_y))


def cmmd(
    x: Any, y: Any, *, seed: int = 0, blocks_x: Any = None, blocks_y: Any = None
) -> Discrepancy:
    """1000 MMD² of unit rows by the Gaussian kernel exp(−‖a − b‖²/2σ²), σ = 10 (CMMD; Jayasumana et al. 2024).

    Parameters and result are those of `kid`.
    """
    x = require_unit_rows(finite_matrix(x, "cmmd"), "cmmd", dtype=np.float64)
    y = require_unit_rows(finite_matrix(y, "cmmd"), "cmmd", dtype=np.float64)
    mmd = _discrepancy(x, y, _gaussian, seed, (blocks_x, blocks_y))
    return replace(
        mmd,
        value=SCALE * mmd.value,
        all_pairs=SCALE * mmd.all_pairs,
        low=SCALE * mmd.low,
        high=SCALE * mmd.high,
        noise_95=SCALE * mmd.noise_95,
    )


def _gaussian(a: Array, b: Array) -> Array:
    """Less one, of unit rows, whose squared distance is 2 − 2 a·b."""
    return np.asarray(np.expm1((a @ b.T - 1) / SIGMA**2))


def kernel_distances(
    sets: Mapping[str, Any],
    *,
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """KID and CMMD of every two sets, embeddings [n_i, d] by name, in equal samples of at most `n` rows.

    Parameters
    ----------
    blocks : set → label per row [n_i] (author, artist, prompt) of images that may depend on each other.

    Returns
    -------
    DataFrame, a row per pair and metric ("kid", "cmmd"): set_a, set_b, metric, value, all_pairs, low, high, p,
    noise_95, n, parts, blocks (`Discrepancy`), owners_unknown (sets whose images were taken as independent), seed.
    `all_pairs` below `noise_95` is what two samples of one set may give.
    """
    drawn = size_matched(sets, n, seed)
    owners = {}
    for name, x in drawn.items():
        owners[name] = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
    rows = []
    for a, b in combinations(drawn, 2):
        of_both = {"blocks_x": owners[a], "blocks_y": owners[b]}
        unknown = [name for name in (a, b) if not known_blocks(owners[name])]
        for metric, measure in (("kid", kid), ("cmmd", cmmd)):
            distance = measure(drawn[a], drawn[b], seed=seed, **of_both)
            row = {"set_a": a, "set_b": b, "metric": metric, **dict(distance)}
            rows.append({**row, "owners_unknown": ", ".join(unknown)})
    return pd.DataFrame(rows).assign(seed=seed)


# ------------------------------------------------------------------ parts


def _discrepancy(
    x: Any, y: Any, kernel: Kernel, seed: int, blocks: tuple[Any, Any]
) -> Discrepancy:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    finite = np.isfinite(x).all() and np.isfinite(y).all()
    if x.ndim != 2 or x.shape != y.shape or len(x) < SMALLEST or not finite:
        raise DataError(
            f"kernel distance: expected two sets of equally many images, {SMALLEST} at least, with finite embeddings "
            f"of one length, found (images, length) {x.shape} and {y.shape}: add images to the smaller set"
        )
    rng = np.random.default_rng(seed)
    size = min(PART, len(x) // PARTS)
    count = len(x) // size
    parts_x = _random_parts(len(x), size, rng)
    parts_y = _random_parts(len(x), size, rng)
    values = np.empty(count)
    for i in range(count):
        pooled = np.vstack([x[parts_x[i]], y[parts_y[i]]])
        values[i] = _of_halves(kernel(pooled, pooled))
    codes_x, codes_y = (dense_blocks(labels, len(x)) for labels in blocks)
    pairs = all_pairs(x, y, kernel, owners_x=codes_x, owners_y=codes_y, seed=seed)
    effective = [effective_blocks(np.bincount(codes)) for codes in (codes_x, codes_y)]
    return Discrepancy(
        value=float(values.mean()),
        low=pairs.low,
        high=pairs.high,
        n=count * size,
        all_pairs=pairs.value,
        p=pairs.p,
        noise_95=pairs.noise_95,
        parts=count,
        blocks=min(effective),
    )


def _random_parts(
    total: int, size: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Disjoint parts of random rows, [parts, size]; what is left over is not used."""
    count = total // size
    return rng.permutation(total)[: count * size].reshape(count, size)


def _of_halves(kernel: Floats) -> float:
    """Unbiased MMD² of the first half of the rows against the second."""
    np.fill_diagonal(kernel, 0)  # without bias: no row is paired with itself
    size = len(kernel) // 2
    inside = kernel[:size, :size].sum() + kernel[size:, size:].sum()
    across = kernel[:size, size:].sum()
    return float(inside / (size * (size - 1)) - 2 * across / size**2)
