"""Likes by quintile of similarity (Fig 2d); for `twigma analyze`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import aligned, as_column
from twigma.analysis.inference.intervals import Estimate, block_codes, limits
from twigma.analysis.inference.sample_weights import weighted_mean
from twigma.analysis.likes.count_regression import Data, poisson
from twigma.core.safety.failures import DataError

EDGES = (0.2, 0.4, 0.6, 0.8)


def quintiles(values: Any, weights: Any = None) -> npt.NDArray[np.int8]:
    """Quintile of each value: 1 the least similar, 5 the most (paper, Fig 2d).

    Intervals are closed on the right at the 20, 40, 60 and 80% quantiles, as in `pandas.qcut`; equal values share
    a quintile.

    Parameters
    ----------
    values : float [n], n ≥ 5.
    weights : float [n] of a sample; the quantiles are then those of the population it represents.

    Returns
    -------
    int8[n], in the order of `values`. ValueError for non-finite values, or when ties leave a quintile without a
    boundary of its own.

    >>> quintiles([0.1, 0.9, 0.5, 0.3, 0.7]).tolist()
    [1, 5, 3, 2, 4]
    """
    columns = aligned("quintiles", values=values, weights=weights)
    values = np.asarray(as_column(columns["values"]), dtype=np.float64)
    if values.ndim != 1 or len(values) < 5 or not np.isfinite(values).all():
        raise DataError(
            f"quintiles: expected at least 5 finite values, found {values.size}: add images"
        )
    weights = columns["weights"]
    if weights is None:
        edges = np.quantile(values, EDGES)
    else:
        weights = as_column(weights)
        edges = np.quantile(values, EDGES, weights=weights, method="inverted_cdf")
    bounds = np.concatenate([[values.min()], edges, [values.max()]])
    if (np.diff(bounds) <= 0).any():
        raise DataError(
            f"quintiles: the values have too many ties for five groups, boundaries are {bounds.tolist()}"
        )
    below = np.searchsorted(edges, values, side="left")
    return np.asarray(below + 1, dtype=np.int8)


def likes_by_quintile(
    quintile: Any, likes: Any, weights: Any = None, blocks: Any = None
) -> pd.DataFrame:
    """Mean likes in each quintile of similarity, with mean ± 1.96 sd/√n (Fig 2d right).

    Parameters
    ----------
    quintile : 1 to 5, [n].
    likes : counts [n]; rows where they are null are left out.
    weights : float [n] of a sample; mean and intervals are then those of `weighted_mean`.
    blocks : author or post of each row, [n], whose rows may depend on each other; a row without one is its own block.
        Series are matched by their index, arrays and lists by position.

    Returns
    -------
    DataFrame (quintile, n, mean, low, high); a quintile with fewer than two rows (three, if they are weighted) has NaN
    limits, and none is below 0.
    This interval takes rows as independent, as the paper does. With `blocks` also robust_low and robust_high, which do
    not.
    """
    columns = aligned(
        "likes_by_quintile",
        quintile=quintile,
        likes=likes,
        weights=weights,
        blocks=blocks,
    )
    frame = pd.DataFrame({"quintile": as_column(columns["quintile"])})
    frame["likes"] = pd.to_numeric(pd.Series(columns["likes"])).to_numpy(float)
    frame["weight"] = 1.0 if weights is None else as_column(columns["weights"])
    if blocks is not None:
        frame["block"] = block_codes(columns["blocks"])
    frame = frame.dropna()
    if frame.empty:
        raise DataError(
            "likes_by_quintile: every like count is null; hydrate the posts to get them"
        )
    groups = frame.groupby("quintile")
    return pd.DataFrame(
        [_mean_likes(label, rows, weights is not None) for label, rows in groups]
    )


def _mean_likes(quintile: Any, rows: pd.DataFrame, weighted: bool) -> dict[str, Any]:
    """The row of one quintile."""
    mean = weighted_mean(rows["likes"], rows["weight"])
    low, high = mean.low, mean.high
    if not weighted:
        # As the paper: 1.96, and the standard deviation with ddof = 1.
        half = 1.96 * float(rows["likes"].std()) / np.sqrt(len(rows))
        low, high = limits(mean.value, half, 0.0)
    row = {
        "quintile": quintile,
        "n": mean.n,
        "mean": mean.value,
        "low": low,
        "high": high,
    }
    if "block" not in rows:
        return row
    row["robust_low"] = row["robust_high"] = np.nan
    if rows["block"].nunique() > 1:
        wide = weighted_mean(rows["likes"], rows["weight"], rows["block"])
        row["robust_low"], row["robust_high"] = wide.low, wide.high
    return row


def least_to_most(
    quintile: Any, likes: Any, weights: Any = None, blocks: Any = None
) -> Estimate:
    """Mean likes of quintile 1 over those of quintile 5, with a 95% interval by the jackknife over blocks.

    Parameters
    ----------
    quintile, likes, weights, blocks : as in `likes_by_quintile`, [n].

    Returns
    -------
    Estimate of n rows: the rate ratio of a Poisson regression on the quintiles; without an interval where there are
    fewer than two blocks, and NaN where one of the two quintiles has no like.
    """
    given = aligned(
        "least_to_most", quintile=quintile, likes=likes, weights=weights, blocks=blocks
    )
    frame = pd.DataFrame({"cell": as_column(given["quintile"]) == 1})
    frame["likes"] = pd.to_numeric(pd.Series(given["likes"])).to_numpy(float)
    frame["weight"] = 1.0 if weights is None else as_column(given["weights"])
    frame["block"] = np.arange(len(frame)) if blocks is None else given["blocks"]
    compared = np.isin(as_column(given["quintile"]), (1, 5))
    frame = frame[compared & frame["likes"].notna()]
    block = pd.factorize(block_codes(frame["block"]))[0]
    cell = frame["cell"].to_numpy(np.int64)
    liked = frame.groupby(cell)["likes"].sum()
    if len(liked) < 2 or not liked.min() > 0:
        return Estimate(np.nan, np.nan, np.nan, len(frame))
    data = Data(
        y=frame["likes"].to_numpy(),
        weight=frame["weight"].to_numpy() / frame["weight"].mean(),
        cell=cell,
        design=np.array([[1.0, 0.0], [1.0, 1.0]]),
        terms=("intercept", "quintile 1"),
        cluster=block.astype(np.int32),
        clusters=int(block.max()) + 1,
        se_kind="by block",
        dropped=0,
    )
    if data.clusters < 2:
        alone = poisson(data, "paper").iloc[1]
        return Estimate(alone["irr"], np.nan, np.nan, len(frame))
    row = poisson(data).iloc[1]
    return Estimate(row["irr"], row["low"], row["high"], len(frame))
