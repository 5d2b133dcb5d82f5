"""Shares and their 95% intervals, also of samples whose rows stand for different numbers of others.

`twigma analyze` uses them for clusters (Fig 2b), sensitive images (Fig 4d) and hashtags.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Z = 1.959963984540054


def wilson(hits: Any, n: Any) -> tuple[Floats, Floats]:
    """Wilson's 95% interval of hits/n, elementwise; (0, 1) where n is 0. Counts need not be whole.

    >>> [round(float(x), 2) for x in wilson(18, 20)]
    [0.7, 0.97]
    """
    hits, n = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    rows = np.where(n > 0, n, 1.0)
    share, z2 = hits / rows, Z**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = (
        Z * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    )
    low = np.where((hits <= 0) | (n <= 0), 0.0, centre - half)
    high = np.where((hits >= n) | (n <= 0), 1.0, centre + half)
    return low, high


def effective(weights: Any) -> float:
    """(Σ w)² / Σ w²: as many equally weighted rows would give a mean of the same variance (Kish 1965).

    >>> effective([2, 2, 2]), effective([1, 0])
    (3.0, 1.0)
    """
    w = np.asarray(weights, dtype=np.float64)
    return float(w.sum() ** 2 / (w @ w)) if len(w) else 0.0


def weighted_share(inside: Any, weights: Any = None) -> tuple[float, float, float]:
    """Share of rows that are `inside`, weighted, with Wilson's interval on the effective number of rows.

    The share is Σ w [inside] / Σ w; without weights it is the plain one. No rows give (nan, 0, 1).

    >>> weighted_share([True, False], [3, 1])[0]
    0.75
    """
    inside = np.asarray(inside, dtype=bool)
    w = (
        np.ones(len(inside))
        if weights is None
        else np.asarray(weights, dtype=np.float64)
    )
    if not len(inside):
        return float("nan"), 0.0, 1.0
    n = effective(w)
    share = float(w[inside].sum() / w.sum())
    low, high = wilson(share * n if 0 < share < 1 else float(share > 0) * n, n)
    return share, float(low), float(high)
