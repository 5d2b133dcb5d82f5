"""The dataset over time: posts per month (Fig 1b), frequent words (Fig 1c), themes per month (Fig 4b).

`twigma analyze` runs them. Months are calendar months in UTC, written "2021-01".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.intervals import Estimate
from twigma.analysis.inference.sample_weights import total_weights
from twigma.analysis.likes.count_regression import fit_cells
from twigma.analysis.themes import words
from twigma.analysis.themes.exposure import calendar_days, covered_days
from twigma.analysis.themes.trend_regression import family_slopes
from twigma.core import columns
from twigma.core.numeric.months import (
    distinct_per_month,
    month_labels,
    months_between,
)
from twigma.core.safety.failures import DataError
from twigma.core.tables import compact, take_rows, whole


@dataclass(frozen=True, repr=False)
class Growth(Estimate):
    """Growth a month as a share, with its interval from `n` months."""

    doubling: float  # months; NaN when not growing
    dispersion: float  # Pearson's, 1 for Poisson counts
    p: float  # two-sided, of no growth


def posts_per_month(table: pa.Table) -> pd.DataFrame:
    """Distinct posts and images of every month from the first to the last, months without any as zero (Fig 1b).

    Parameters
    ----------
    table : id, image_name, created_at; rows without a date are left out. Of a sample (`sample_weight`), posts and
        images are those of the list it was drawn from: the sums of their weights.

    Returns
    -------
    DataFrame (month, posts, images, days, cut), one row per UTC month; of a sample also `sampled`, its own posts.
    `days` are those that the collection covers, and `cut` says that they are not all of the month's
    (`exposure.covered_days`). ValueError when no row has a date.
    """
    columns.require(table, columns.KEY, "timeline")
    frame = _dated(table)
    posts = distinct_per_month(table, "id")
    images = distinct_per_month(table, "image_name")
    counts = pd.DataFrame({"posts": posts, "images": images})
    if (frame["weight"] != 1).any():
        frame = _dated(table, *columns.KEY)
        weights = pd.DataFrame(
            {"posts": _weight(frame, "id"), "images": _weight(frame, "image_name")}
        )
        weights = weights.reindex(counts.index, fill_value=0)
        counts = weights.assign(sampled=counts["posts"])
    days = covered_days(frame["created_at"])
    whole = [calendar_days(month) for month in days.index]
    counts["days"] = days
    counts["cut"] = days < whole
    return counts.rename_axis("month").reset_index()


def _weight(frame: pd.DataFrame, key: str) -> "pd.Series[float]":
    """The sum of weights of every month, each key (post or image) once."""
    distinct = frame.drop_duplicates(["month", key])
    return distinct.groupby("month")["weight"].sum()


def growth(months: pd.DataFrame) -> Growth:
    """Monthly growth of the posts: rate = e^b - 1 in log E[posts] = a + b month + log days, from `posts_per_month`.

    A Poisson regression, so months without posts count, and a month that is cut off counts by the days it has. Authors
    post for months, so that a month's residual is like the next one's: interval and p are those of
    `trend_regression.family_slopes` for the residuals (y - mu)/mu, whose sampling noise is that of mu posts.

    Parameters
    ----------
    months : a row a month, in order and none left out, with the column posts, and days where they differ.

    Returns
    -------
    Growth of n months. ValueError for fewer than 4 months with posts.
    """
    posts = months["posts"].to_numpy(float)
    if np.count_nonzero(posts) < 4:
        raise DataError(
            f"growth needs at least 4 months with posts, found {np.count_nonzero(posts)}: collect more"
        )
    days = np.ones(len(posts))
    if "days" in months:
        days = months["days"].to_numpy(float)
    slope, expected = _log_linear(posts, days)
    months_on = np.arange(len(posts))
    residual = (posts - expected) / expected
    around = slope * months_on + residual
    (interval,) = family_slopes(around[None, :], months_on, expected)
    return Growth(
        value=float(np.expm1(slope)),
        low=float(np.expm1(interval.low)),
        high=float(np.expm1(interval.high)),
        n=len(posts),
        doubling=float(np.log(2) / slope) if slope > 0 else np.nan,
        dispersion=float((expected * residual**2).sum() / (len(posts) - 2)),
        p=interval.p,
    )


def _log_linear(counts: Floats, days: Floats) -> tuple[float, Floats]:
    """Slope of log E[counts/days] per step, and the expected counts [n]."""
    n = len(counts)
    # Steps from -1 to 1, so that the two terms are of one size.
    x = np.column_stack([np.ones(n), np.linspace(-1, 1, n)])
    fit = fit_cells(x, days, counts)
    return float(fit.beta[1] * 2 / (n - 1)), np.asarray(fit.mu * days)


def cluster_share(table: pa.Table) -> pd.DataFrame:
    """Share of each month's images that fall in each cluster (Fig 4b).

    Parameters
    ----------
    table : created_at, label_K_cluster; rows without either are left out. Of a sample (`sample_weight`), shares are
        weighted.

    Returns
    -------
    DataFrame (month, cluster, n, share): every cluster in every month from the first to the last, `n` images; shares
    of a month sum to 1, and are NaN in a month without images.
    """
    name = columns.find_label_column(table.column_names) or columns.LABELS
    frame = _dated(table, name).dropna(subset=[name])
    cluster = frame[name].astype(int).rename("cluster")
    counts = pd.crosstab(frame["month"], cluster)
    months = months_between(counts.index.min(), counts.index.max())
    counts = counts.reindex(pd.Index(months, name="month"), fill_value=0)
    long = counts.reset_index().melt(
        id_vars="month", var_name="cluster", value_name="n"
    )
    long = long.sort_values(["month", "cluster"], ignore_index=True)
    weight = frame.groupby(["month", cluster])["weight"].sum()
    cells = pd.MultiIndex.from_frame(long[["month", "cluster"]])
    # A cluster without an image in a month has no weight there.
    in_cell = weight.reindex(cells, fill_value=0).to_numpy()
    in_month = long.assign(weight=in_cell).groupby("month")["weight"].transform("sum")
    # No images have no share: a gap, not a 0.
    long["share"] = in_cell / in_month.where(in_month > 0)
    return long


def frequent_words(table: pa.Table, n: int = 50) -> pd.DataFrame:
    """The most frequent words of the posts, each post once (Fig 1c).

    Parameters
    ----------
    table : id and text, a row per image. Of a sample (`sample_weight`), words are counted by the weights of their
        posts.

    Returns
    -------
    DataFrame (word, count, share), `share` of all words that are left after stopwords; of a sample, `count` is that
    of the list it was drawn from.
    """
    weights = total_weights(table)
    posts = _first_of_each(table["id"])
    of_posts = np.ones(len(posts), np.int64) if weights is None else weights[posts]
    counts = _word_counts(table["text"], posts, of_posts)
    if not counts:
        raise DataError(
            f"fig1c: the text of {len(posts)} posts has no word but links, mentions, hashtags, stopwords"
        )
    top = words.ranked(counts, n)
    frame = pd.DataFrame(top, columns=["word", "count"])
    frame = frame.astype({"word": object})
    frame["share"] = frame["count"] / words.total(counts)
    return frame


def _first_of_each(ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The first row of each id, rising; rows without one are of one post."""
    coded = whole(compact(ids)).dictionary_encode(null_encoding="encode")
    first = np.unique(coded.indices.to_numpy(), return_index=True)[1]
    return np.sort(first)


def _word_counts(
    column: pa.ChunkedArray, rows: npt.NDArray[np.int64], weights: Array
) -> dict[str, float]:
    """How often each word is in the texts of these rows, by their weights, [m] each; few are copied at a time."""
    counts = words.WordCounts()
    one = np.zeros(words.TEXTS, np.int64)
    for start in range(0, len(rows), words.TEXTS):
        some = slice(start, start + words.TEXTS)
        texts = take_rows(column, pa.array(rows[some]))
        counts.add(texts, one[: len(texts)], weights[some])
    return counts.by_group.get(0, {})


def _dated(table: pa.Table, *names: str) -> pd.DataFrame:
    """These columns of the rows with a date, their month, and their weight in a sample (1 where there is none)."""
    columns.require(table, [*names, "created_at"], "timeline")
    weights = total_weights(table)
    frame: pd.DataFrame = table.select([*names, "created_at"]).to_pandas()
    frame["weight"] = 1.0 if weights is None else weights
    frame = frame.dropna(subset=["created_at"])
    if frame.empty:
        raise DataError(
            "timeline: no row has a created_at; `twigma rehydrate` looks the posts up"
        )
    return frame.assign(month=month_labels(frame["created_at"]))
