"""The interval, the noise and the test of a quantised divergence, of images that may depend on each other.

Where the owners of a set are known (authors, artists, prompts), they are its sample: the interval leaves out each of
them, and the test divides them at random. Where no owner is known, images are independent and closed forms hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from twigma.analysis.comparison.histograms import kl, kl_sd, smoothed_kl
from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks,
    half_width,
    jackknife,
    known_blocks,
)
from twigma.analysis.inference.intervals import Z
from twigma.analysis.inference.permutation import random_divisions, tail_p

PERMUTATIONS = 999


@dataclass(frozen=True)
class Buckets:
    """The bucket of each row of a set, int64[n], and the owner of each row, [n] or None."""

    name: str
    rows: npt.NDArray[np.int64]
    owners: Any
    k: int

    @property
    def known(self) -> bool:
        """Whether owners are known."""
        return known_blocks(self.owners)

    @cached_property
    def by_block(self) -> Array:
        """Rows of each owner in each bucket, int64[g, k]."""
        codes = dense_blocks(self.owners, len(self.rows))
        cells = np.bincount(
            codes * self.k + self.rows, minlength=(codes.max() + 1) * self.k
        )
        return cells.reshape(-1, self.k)

    @cached_property
    def counts(self) -> Array:
        """Rows in each bucket, int64[k]."""
        return np.asarray(self.by_block.sum(axis=0))

    @cached_property
    def sizes(self) -> Array:
        """Rows of each owner, int64[g]."""
        return np.asarray(self.by_block.sum(axis=1))


def compared(one: Buckets, other: Buckets, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of `kl_matrix` of two sets, in both directions."""
    divided = _divided(one, other, seed)
    yield _entry(one, other, divided[0], divided[1])
    yield _entry(other, one, divided[1], divided[0])


def _entry(
    row: Buckets, column: Buckets, null_row: Array, null_column: Array
) -> dict[str, Any]:
    """One ordered pair; the null is the counts [draws, k] of random divisions of both sets."""
    p, q = row.counts, column.counts
    value = kl(p, q)
    null = smoothed_kl(null_row, null_column)
    p_null = tail_p(value, null)
    low, high = _limits(row, column, value)
    if p_null > 0.05 and np.isfinite(high):
        # What two samples of one distribution give holds zero.
        low = 0.0
    infinite = ((p > 0) & (q == 0)).any()
    if infinite and np.isfinite(high):
        # Buckets that the column leaves empty in the sample may be empty in truth.
        high = float("inf")
    unknown = [each.name for each in (row, column) if not each.known]
    fewest = min(effective_blocks(each.sizes) for each in (row, column))
    return {
        "row": row.name,
        "column": column.name,
        "kl": value,
        "low": low,
        "high": high,
        "kl_raw": kl(p, q, 0),
        "empty_column": int(((p > 0) & (q == 0)).sum()),
        "empty_bins": int(((p == 0) | (q == 0)).sum()),
        **_noise(row, column, null),
        "p_permutation": p_null,
        "blocks": fewest,
        "owners_unknown": ", ".join(unknown),
        "n": int(p.sum()),
        "m": int(q.sum()),
        "k": row.k,
    }


def _limits(row: Buckets, column: Buckets, value: float) -> tuple[float, float]:
    """Of the 95% interval: by the delta method of independent rows, else by leaving out each owner of either set.

    The jackknife also estimates how far the divergence is above its truth because owners are few, and the interval
    reaches as much further down.
    """
    p, q = row.counts, column.counts
    if not (row.known or column.known):
        half = Z * kl_sd(p, q)
        return max(0.0, value - half), value + half
    without_row = smoothed_kl(p - row.by_block, q)
    without_column = smoothed_kl(p, q - column.by_block)
    half = half_width(
        jackknife(without_row, value, row.sizes),
        jackknife(without_column, value, column.sizes),
    )
    bias = _bias(without_row, value) + _bias(without_column, value)
    if np.isnan(half):
        return np.nan, np.nan
    low = value - half - max(bias, 0.0)
    high = value + half + max(-bias, 0.0)
    return max(0.0, low), high


def _bias(replicates: Floats, value: float) -> float:
    """The jackknife's estimate of the bias, (G − 1)(θ̄_(−g) − θ), from values without each block [g]."""
    return (len(replicates) - 1) * float(np.mean(replicates - value))


def _noise(row: Buckets, column: Buckets, null: Floats) -> dict[str, float]:
    """Divergence of two samples of one distribution, on average and at most in 95%: by χ², or as owners are divided."""
    if row.known or column.known:
        quantile = float(np.quantile(null, 0.95))
        return {"noise_floor": float(null.mean()), "noise_95": quantile}
    floor = (1 / len(row.rows) + 1 / len(column.rows)) / 2
    quantile = float(stats.chi2.ppf(0.95, row.k - 1)) * floor
    return {"noise_floor": (row.k - 1) * floor, "noise_95": quantile}


def _divided(one: Buckets, other: Buckets, seed: int) -> tuple[Array, Array]:
    """Counts [draws, k] of both parts of random divisions of the owners of both sets, the buckets fixed."""
    rng = np.random.default_rng(seed)
    total = one.counts + other.counts
    rows = len(one.rows)
    if not (one.known or other.known):
        first = rng.multivariate_hypergeometric(total, rows, size=PERMUTATIONS)
        return first, total - first
    by_block = np.vstack([one.by_block, other.by_block])
    inside = random_divisions(by_block.sum(axis=1), rows, PERMUTATIONS, rng)
    counted = inside.astype(np.float64) @ by_block
    return counted, total - counted
