"""Wilson's interval of a share."""

from typing import Any

import numpy as np
import numpy.typing as npt

Z = 1.959963984540054  # the 97.5% quantile of the normal distribution

Doubles = npt.NDArray[np.float64]


def wilson(hits: Any, n: Any, quantile: float = Z) -> tuple[Doubles, Doubles]:
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
