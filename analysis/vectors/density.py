"""A histogram as a density, for distributions that a chart shows; the figures of `twigma analyze` store them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.core.safety.failures import DataError

BINS = 40


def density_table(values: Any, weights: Any = None, bins: Any = BINS) -> pd.DataFrame:
    """A histogram that integrates to 1.

    Parameters
    ----------
    values : float [n], n ≥ 1, finite.
    weights : float [n]; None: all count the same.
    bins : how many from the least value to the largest, or their edges, ascending.

    Returns
    -------
    DataFrame (low, high, density), one row per bin.

    >>> density_table([0.5, 1.5, 1.5, 1.75], bins=[0, 1, 2]).values.tolist()
    [[0.0, 1.0, 0.25], [1.0, 2.0, 0.75]]
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise DataError(
            f"density_table: expected at least one value, all finite, found {len(values)}; drop NaN first"
        )
    mass, edges = np.histogram(values, bins, weights=weights, density=True)
    density: npt.NDArray[np.float64] = np.asarray(mass, dtype=np.float64)
    table = {"low": edges[:-1], "high": edges[1:], "density": density}
    return pd.DataFrame(table)
