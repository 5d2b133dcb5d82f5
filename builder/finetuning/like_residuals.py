"""Likes beside what posts with as many followers in the same month got.

Within a comparison cell followers and time still differ a little. Residuals of a regression even out the months; their
percentiles among images with nearly as many followers even out what followers do beside that, steps and spread too.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.builder.finetuning.row_keys import first_of_posts, follower_counts

KNOTS = np.arange(1, 10) / 10  # deciles of the followers, where the slope may change


def residual_likes(table: pa.Table) -> NDArray[np.float64]:
    """Residuals of the least-squares fit of log(1 + likes) on followers and month, float64[n].

    The followers enter as log(1 + followers), linear between their deciles. The fit counts each post once. Unknown
    followers and unknown months are levels of their own. Months are taken out as means (Frisch, Waugh and Lovell): an
    indicator a month would be most of the memory.
    """
    likes = np.log1p(table["like_count"].to_numpy().astype(float))
    terms = _follower_terms(table)
    month = _months(table)
    first = first_of_posts(table)
    mean_likes = _means(likes[:, None], month, first)
    mean_terms = _means(terms, month, first)
    likes -= mean_likes[month, 0]
    terms -= mean_terms[month]
    slopes, *_ = np.linalg.lstsq(terms[first], likes[first], rcond=None)
    return np.asarray(likes - terms @ slopes)


def follower_percentiles(
    residuals: NDArray[np.float64], followers: NDArray[np.float64], window: int
) -> NDArray[np.float64]:
    """The percentile of every residual among the `window` images nearest to it in followers, 0 to 1; float64[n].

    `followers` is float64[n], NaN where unknown; those are compared with each other.

    >>> likes, followers = np.array([1.0, 3.0, 2.0, 9.0]), np.array([7.0, 8.0, 9.0, 500.0])
    >>> follower_percentiles(likes, followers, 4)
    array([0.125, 0.625, 0.375, 0.875])
    """
    result = np.empty(len(residuals))
    unknown = np.isnan(followers)
    for stratum in (np.flatnonzero(~unknown), np.flatnonzero(unknown)):
        if len(stratum):
            order = stratum[np.argsort(followers[stratum], kind="stable")]
            result[order] = _running_percentiles(residuals[order], window)
    return result


def _running_percentiles(
    values: NDArray[np.float64], window: int
) -> NDArray[np.float64]:
    """The percentile of every value among the `window` values around it, equal values counting half."""
    window = min(window, len(values))
    last = len(values) - window
    starts = np.clip(np.arange(len(values)) - window // 2, 0, last)
    below = np.zeros(len(values))
    for offset in range(window):
        neighbour = values[starts + offset]
        below += neighbour < values
        below += 0.5 * (neighbour == values)
    return below / window


def _follower_terms(table: pa.Table) -> NDArray[np.float64]:
    """Whether followers are known, their logarithm, and its excess over each knot; float64[n, 2 + knots].

    0 everywhere in a row whose followers are unknown.
    """
    count = follower_counts(table)
    known = ~np.isnan(count)
    logarithm = np.log1p(np.nan_to_num(count))
    terms = [known.astype(np.float64), logarithm]
    if known.any():
        for knot in np.unique(np.quantile(logarithm[known], KNOTS)):
            terms.append(np.maximum(logarithm - knot, 0) * known)
    return np.column_stack(terms)


def _months(table: pa.Table) -> NDArray[np.int64]:
    """The month of every image as a number from 0, unknown being one of them; int64[n]."""
    written = table["created_at"]
    years = pc.multiply(pc.year(written), 12)
    months = pc.add(years, pc.month(written))
    known = pc.fill_null(months, -1).to_numpy()
    return np.unique(known, return_inverse=True)[1].astype(np.int64)


def _means(
    values: NDArray[np.float64], month: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean of each column of `values`, float64[n, d], in each month over these rows; float64[months, d].

    0 in a month without any of these rows.
    """
    months = month.max(initial=-1) + 1
    of_rows = month[rows]
    counts = np.bincount(of_rows, minlength=months)
    sums = [
        np.bincount(of_rows, weights=column[rows], minlength=months)
        for column in values.T
    ]
    return np.column_stack(sums) / np.maximum(counts, 1)[:, None]
