"""Shares and their 95% intervals, also of samples whose rows represent different numbers of others.

`twigma analyze` uses them for clusters (Fig 2b), sensitive images (Fig 4d) and hashtags.
"""

from typing import Any

import numpy as np

from twigma.analysis.convert import Floats
from twigma.analysis.inference.intervals import Z


def wilson(hits: Any, n: Any) -> tuple[Floats, Floats]:
    """Wilson's 95% interval of hits/n, elementwise (Wilson 1927).

    Parameters
    ----------
    hits, n : counts [m], or of any other shape, 0 ≤ hits ≤ n; effective sizes need not be integers.

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
    z2 = Z**2
    shrink = 1 + z2 / rows
    centre = (share + z2 / (2 * rows)) / shrink
    variance = share * (1 - share) / rows + z2 / (4 * rows**2)
    half = Z * np.sqrt(variance) / shrink
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
