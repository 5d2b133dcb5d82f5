"""The dataset over time: posts per month (Fig 1b), frequent words (Fig 1c), themes per month (Fig 4a, 4b).

`twigma analyze` runs them. Months are calendar months in UTC, written "2021-01".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from twigma.analysis.convert import Floats, as_column, as_matrix
from twigma.analysis.inference.intervals import Estimate
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.likes.count_regression import fit_cells
from twigma.analysis.themes import words
from twigma.core import columns
from twigma.core.numeric.months import distinct_per_month

MILLISECONDS = 86_400_000  # of a day


@dataclass(frozen=True, repr=False)
class Growth(Estimate):
    """Growth a month as a share, with its interval from `n` months."""

    doubling: float  # months; NaN when not growing
    dispersion: float  # Pearson's, 1 for Poisson counts
    p: float  # two-sided, of no growth


@dataclass(frozen=True, repr=False)
class Dependence(Estimate):
    """A distance correlation of `n` images, without an interval, and the p value of independence."""

    p: float

    def keys(self) -> Iterator[str]:
        """Without the limits, which it does not have."""
        return iter(("value", "p", "n"))


def posts_per_month(table: pa.Table) -> pd.DataFrame:
    """Distinct posts and images of every month from the first to the last, months without any as zero (Fig 1b).

    Parameters
    ----------
    table : id, image_name, created_at; rows without a date are left out. Of a sample (`sample_weight`), posts and
        images are those of the list it was drawn from: the sums of their weights.

    Returns
    -------
    DataFrame (month, posts, images), one row per UTC month; of a sample also `sampled`, its own posts. ValueError
    when no row has a date.
    """
    frame = _dated(table, "id", "image_name")
    posts = distinct_per_month(table, "id")
    images = distinct_per_month(table, "image_name")
    counts = pd.DataFrame({"posts": posts, "images": images})
    if frame["weight"].nunique() > 1:
        weights = pd.DataFrame(
            {"posts": _weight(frame, "id"), "images": _weight(frame, "image_name")}
        )
        weights = weights.reindex(counts.index, fill_value=0)
        counts = weights.assign(sampled=counts["posts"])
    return counts.rename_axis("month").reset_index()


def _weight(frame: pd.DataFrame, key: str) -> "pd.Series[float]":
    """The sum of weights of every month, each key (post or image) once."""
    distinct = frame.drop_duplicates(["month", key])
    return distinct.groupby("month")["weight"].sum()


def growth(months: pd.DataFrame) -> Growth:
    """Monthly growth of the posts: rate = e^b - 1 in log E[posts] = a + b month, from `posts_per_month`.

    A Poisson regression, so months without posts count; its standard error is widened by the Pearson dispersion
    phi = sum (y - mu)^2 / mu / (n - 2), and the 95% interval takes the t quantile with n - 2 degrees of freedom.

    Parameters
    ----------
    months : a row a month, in order, with the column posts.

    Returns
    -------
    Growth of n months. ValueError for fewer than 3 months with posts.
    """
    posts = months["posts"].to_numpy(float)
    if np.count_nonzero(posts) < 3:
        raise ValueError(
            f"growth needs at least 3 months with posts, found {np.count_nonzero(posts)}: collect more"
        )
    slope, se, dispersion = _log_linear(posts)
    df = len(posts) - 2
    half = stats.t.ppf(0.975, df) * se
    return Growth(
        value=float(np.expm1(slope)),
        low=float(np.expm1(slope - half)),
        high=float(np.expm1(slope + half)),
        n=len(posts),
        doubling=float(np.log(2) / slope) if slope > 0 else np.nan,
        dispersion=dispersion,
        p=float(2 * stats.t.sf(abs(slope) / se, df)) if se > 0 else 0.0,
    )


def _log_linear(counts: Floats) -> tuple[float, float, float]:
    """Slope of log E[counts] per step, its quasi-Poisson standard error, and the dispersion."""
    n = len(counts)
    # Steps from -1 to 1, so that the two terms are of one size.
    x = np.column_stack([np.ones(n), np.linspace(-1, 1, n)])
    fit = fit_cells(x, np.ones(n), counts)
    dispersion = float(((counts - fit.mu) ** 2 / fit.mu).sum() / (n - 2))
    step = 2 / (n - 1)
    variance = fit.bread[1, 1] * dispersion
    return float(fit.beta[1] * step), float(np.sqrt(variance) * step), dispersion


def cluster_share(table: pa.Table) -> pd.DataFrame:
    """Share of each month's images that fall in each cluster (Fig 4b).

    Parameters
    ----------
    table : created_at, label_K_cluster; rows without either are left out. Of a sample (`sample_weight`), shares are
        weighted.

    Returns
    -------
    DataFrame (month, cluster, n, share): every cluster in every month that has images, `n` of them; shares of a
    month sum to 1.
    """
    name = columns.find_label_column(table.column_names) or columns.LABELS
    frame = _dated(table, name).dropna(subset=[name])
    cluster = frame[name].astype(int).rename("cluster")
    counts = pd.crosstab(frame["month"], cluster).reset_index()
    long = counts.melt(id_vars="month", var_name="cluster", value_name="n")
    long = long.sort_values(["month", "cluster"], ignore_index=True)
    weight = frame.groupby(["month", cluster])["weight"].sum()
    cells = pd.MultiIndex.from_frame(long[["month", "cluster"]])
    # A cluster without an image in a month has no weight there.
    in_cell = weight.reindex(cells, fill_value=0).to_numpy()
    in_month = long.assign(weight=in_cell).groupby("month")["weight"].transform("sum")
    long["share"] = in_cell / in_month
    return long


def frequent_words(table: pa.Table, n: int = 50) -> pd.DataFrame:
    """The most frequent words of the posts, each post once (Fig 1c).

    Parameters
    ----------
    table : id and text, a row per image.

    Returns
    -------
    DataFrame (word, count, share), `share` of all words that are left after stopwords.
    """
    posts = table.select(["id", "text"]).to_pandas().drop_duplicates("id")
    counts = words.count(posts["text"])
    if not counts:
        raise ValueError(
            f"fig1c: the text of {len(posts)} posts has no word but links, mentions, hashtags, stopwords"
        )
    top = words.ranked(counts, n)
    frame = pd.DataFrame(top, columns=["word", "count"])
    frame = frame.astype({"word": object, "count": int})
    frame["share"] = frame["count"] / max(counts.total(), 1)
    return frame


def drift(points: Any, created_at: Any, n: int = 2000, seed: int = 0) -> Dependence:
    """How far the images' place depends on when they were posted: bias-corrected distance correlation (Fig 4a).

    0 where place and time are independent, 1 where one fixes the other (Szekely & Rizzo 2013, squared form).
    The p-value is the chi-square bound of Shen, Panda & Vogelstein (2022), which takes images as independent.

    Parameters
    ----------
    points : matrix [N, d], places of the images (map coordinates or embeddings).
    created_at : datetime64 [N].
    n : images drawn when there are more, as the cost is n^2.

    Returns
    -------
    Dependence of n images. ValueError when all places, or all dates, are the same: nothing can depend on them.
    """
    points, created_at = as_matrix(points), as_column(created_at)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(points), min(n, len(points)), replace=False))
    if len(rows) < 4:
        raise ValueError(
            f"drift needs at least 4 images with a place and a date, found {len(rows)}"
        )
    places = points[rows]
    if not np.isfinite(places).all() or not np.ptp(places, axis=0).any():
        raise ValueError(
            "drift: expected places that are finite and differ, found one place for all images, or NaN"
        )
    milliseconds = created_at[rows].astype("datetime64[ms]").astype(np.int64)
    days = milliseconds[:, None] / MILLISECONDS
    if not np.ptp(days):
        raise ValueError(
            "drift: all images have the same date, so place cannot depend on it; collect a longer period"
        )
    a = _centred(squareform(pdist(places.astype(np.float64))))
    b = _centred(squareform(pdist(days)))
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    value = float((a * b).sum() / norm) if norm > 0 else 0.0
    # n·dCor + 1 is bounded by a chi-square of one degree of freedom: no permutations are needed.
    p = float(stats.chi2.sf(len(rows) * value + 1, 1))
    return Dependence(value, np.nan, np.nan, len(rows), p)


def _centred(distance: Floats) -> Floats:
    """U-centred distance matrix [n, n]: row and column means removed so that the product has no bias."""
    n = len(distance)
    # n − 2 and (n − 1)(n − 2), not n and n²: with these the product of two independent samples has mean 0.
    means = distance.sum(axis=1) / (n - 2)
    mean = distance.sum() / ((n - 1) * (n - 2))
    centred = distance - means[:, None] - means[None, :] + mean
    np.fill_diagonal(centred, 0)
    return np.asarray(centred)


def _dated(table: pa.Table, *names: str) -> pd.DataFrame:
    """These columns of the rows with a date, their month, and their weight in a sample (1 where there is none)."""
    columns.require(table, [*names, "created_at"], "timeline")
    weights = sample_weights(table)
    frame: pd.DataFrame = table.select([*names, "created_at"]).to_pandas()
    frame["weight"] = 1.0 if weights is None else weights
    frame = frame.dropna(subset=["created_at"])
    if frame.empty:
        raise ValueError(
            "timeline: no row has a created_at; `twigma rehydrate` looks the posts up"
        )
    return frame.assign(month=frame["created_at"].dt.strftime("%Y-%m"))
