"""Weights of a stratified sample: how many posts of the list each post stands for; means and shares that use them.

`twigma rehydrate --sample N --stratify …` keeps them as the column `sample_weight`, which a release carries. Where
they differ, `twigma analyze` weighs by them and says so; elsewhere nothing changes.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.analysis.distance import Estimate, interval

Floats = npt.NDArray[np.float64]

COLUMN = "sample_weight"
NOTE = "Weighted by sample_weight: each post counts as the posts of the id list it was drawn for."


def sample_weights(table: pa.Table) -> Floats | None:
    """The weight of each row, or None where there are none to use: no column, all null, or all the same.

    A row without a weight among others with one was not drawn, and stands for itself (1), with a warning.
    ValueError for a weight that is not finite or not above 0.
    """
    if COLUMN not in table.column_names or table[COLUMN].null_count == len(table):
        return None
    given = table[COLUMN].to_pandas().to_numpy(dtype=np.float64)
    missing = np.isnan(given)
    weights = np.where(missing, 1.0, given)
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(f"{COLUMN}: expected finite weights above 0, found {weights.min()}; draw the sample again")
    if np.ptp(weights) == 0:
        return None
    if missing.any():
        warnings.warn(f"{int(missing.sum())} rows without a {COLUMN} count as one each", stacklevel=2)
    return weights


def weighted_mean(values: Any, weights: Any, clusters: Any = None) -> Estimate:
    """Σ w y / Σ w of a sample drawn with chances 1/w (Hájek 1971), with its 95% interval by linearisation.

    The influence of row i is w_i (y_i − ȳ) n / Σ w; rows of one cluster (author, post) are summed first. `n` counts
    rows.

    >>> weighted_mean([1.0, 1.0, 4.0], [1, 1, 2]).value
    2.5
    """
    y, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not len(y) or len(y) != len(w):
        raise ValueError(f"weighted_mean: expected a weight for each of at least one value, found {len(y)}, {len(w)}")
    value = float(np.average(y, weights=w))
    if len(y) == 1:
        return Estimate(value, np.nan, np.nan, 1)
    return interval(value, w * (y - value) * len(y) / w.sum(), clusters)
