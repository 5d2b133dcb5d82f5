"""Shares and their 95% intervals, also of samples whose rows represent different numbers of others.

`twigma analyze` uses them for clusters (Fig 2b), sensitive images (Fig 4d) and hashtags.
"""

from typing import Any, NamedTuple

import numpy as np

from twigma.analysis.convert import Floats
from twigma.analysis.inference.blocks import (
    dense_blocks,
    known_blocks,
    mean_jackknife,
)
from twigma.analysis.inference.intervals import Z


class Share(NamedTuple):
    """A share with its 95% interval, from so many effective blocks; `known` says whether those have owners."""

    share: float
    low: float
    high: float
    blocks: float
    known: bool

    def cells(self) -> dict[str, float | bool]:
        """As cells of a row of a table: share, low, high, blocks, owners_known."""
        cells = self._asdict()
        cells["owners_known"] = cells.pop("known")
        return cells


def wilson(hits: Any, n: Any, quantile: float = Z) -> tuple[Floats, Floats]:
    """Wilson's 95% interval of hits/n, elementwise (Wilson 1927).

    Parameters
    ----------
    hits, n : counts [m], or of any other shape, 0 ≤ hits ≤ n; effective sizes need not be integers.
    quantile : 97.5% of the normal distribution, or of Student's for few blocks.

    Returns
    -------
    (low, high) : float64 of that shape; (0, 1) where n is 0.

    >>> [round(float(x), 2) for x in wilson(18, 20)]
    [0.7, 0.97]
    """
    hits = np.asarray(hits, dtype=np.float64)
    n = np.asarray(n, dtype=np.float64)
    rows = np.where(n > 0, n, 1.0)
    share = hits / rows
    z2 = quantile**2
    shrink = 1 + z2 / rows
    centre = (share + z2 / (2 * rows)) / shrink
    variance = share * (1 - share) / rows + z2 / (4 * rows**2)
    half = quantile * np.sqrt(variance) / shrink
    # Exactly 0 and 1 where nothing, or everything, was hit: rounding would leave 1e-17.
    low = np.where((hits <= 0) | (n <= 0), 0.0, centre - half)
    high = np.where((hits >= n) | (n <= 0), 1.0, centre + half)
    return low, high


def effective_size(weights: Any) -> float:
    """(Σ w)² / Σ w²: as many equally weighted rows would give a mean of the same variance (Kish 1965).

    `weights` [n]; 0 where there are none, or all are 0.

    >>> effective_size([2, 2, 2]), effective_size([1, 0])
    (3.0, 1.0)
    """
    w = np.asarray(weights, dtype=np.float64)
    if not w.any():
        return 0.0
    return float(w.sum() ** 2 / (w @ w))


def weighted_share(inside: Any, weights: Any = None) -> tuple[float, float, float]:
    """Share of rows that are `inside`, weighted, with Wilson's interval on the effective number of rows.

    Parameters
    ----------
    inside : bool [n]. weights : float [n]; None where all rows count the same.

    Returns
    -------
    (share, low, high), the share being Σ w [inside] / Σ w; (nan, 0, 1) for no rows.

    >>> weighted_share([True, False], [3, 1])[0]
    0.75
    """
    inside = np.asarray(inside, dtype=bool)
    if not len(inside):
        return float("nan"), 0.0, 1.0
    if weights is None:
        weights = np.ones(len(inside))
    w = np.asarray(weights, dtype=np.float64)
    n = effective_size(w)
    share = float(w[inside].sum() / w.sum())
    # A share above 1 is rounding of the sums.
    low, high = wilson(min(share, 1.0) * n, n)
    return share, float(low), float(high)


def block_share(inside: Any, blocks: Any, weights: Any = None) -> Share:
    """Share of rows that are `inside`, with Wilson's interval on as many rows as the blocks are worth.

    That number is s(1 − s)/v, v the variance of the share by leaving out each block: at most the effective number of
    rows, and where nothing or everything is inside, that of blocks of equal rows, (Σ n_g)²/Σ n_g². Student's quantile
    replaces the normal one (as in Korn & Graubard 1998).

    Parameters
    ----------
    inside : bool [n]. blocks : label per row (author, artist, prompt), [n], or None where they are not known, and every
        row is taken as independent. weights : float [n], or None.

    Returns
    -------
    Share; without an interval for rows of a single block.

    >>> block_share([True, True, False, False], ["ada", "ada", "bo", "bo"]).blocks
    2.0
    """
    # Imported here: `twigma analyze` answers from finished results without it.
    from scipy import stats

    inside = np.asarray(inside, dtype=bool)
    rows = len(inside)
    share, low, high = weighted_share(inside, weights)
    if not known_blocks(blocks) or not rows:
        return Share(share, low, high, float(rows), False)
    w = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    codes = dense_blocks(blocks, rows)
    spread = mean_jackknife(inside, codes, w)
    if np.isnan(spread.variance):
        return Share(share, np.nan, np.nan, spread.blocks, True)
    worth = effective_size(np.bincount(codes, weights=w))
    if spread.variance > 0:
        worth = min(share * (1 - share) / spread.variance, effective_size(w))
    student = float(stats.t.ppf(0.975, max(1.0, spread.blocks - 1)))
    limits = wilson(min(share, 1.0) * worth, worth, student)
    return Share(share, float(limits[0]), float(limits[1]), spread.blocks, True)
