"""P values of many tests, adjusted for the false discovery rate (Benjamini & Hochberg 1995)."""

from typing import Any

import numpy as np

from twigma.analysis.convert import Floats
from twigma.core.safety.failures import DataError


def benjamini_hochberg(p: Any, weights: Any = None) -> Floats:
    """Adjusted p values: min over j ≥ i of p_(j) m / j, at most 1.

    Parameters
    ----------
    p : float [m]; NaN stay NaN, and are not counted.
    weights : float [m] where test i represents w_i tests of a sample: min over j ≥ i of p_(j) Σw / Σ_{l ≤ j} w_(l).

    Returns
    -------
    float64[m]. ValueError for p values outside 0 to 1.

    >>> benjamini_hochberg([0.01, float("nan"), 0.04]).tolist()
    [0.02, nan, 0.04]
    """
    # Imported here: `twigma analyze` answers from finished results without it.
    from scipy import stats

    p = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise DataError("benjamini_hochberg: expected p values between 0 and 1")
    adjusted = np.full(p.shape, np.nan)
    if not len(known):
        return adjusted
    if weights is None:
        adjusted[known] = stats.false_discovery_control(p[known])
    else:
        w = np.asarray(weights, dtype=np.float64)
        adjusted[known] = _weighted(p[known], w[known])
    return adjusted


def _weighted(p: Floats, w: Floats) -> Floats:
    """As of every test repeated w times."""
    order = np.argsort(p, kind="stable")
    rank = np.cumsum(w[order]) / w.sum()
    least_above = np.minimum.accumulate((p[order] / rank)[::-1])[::-1]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, least_above)
    return adjusted
