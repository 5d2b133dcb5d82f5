"""The dataset over time: posts per month (Fig 1b), frequent words (Fig 1c), themes per month (Fig 4a, 4b).

`twigma analyze` runs them. Months are calendar months in UTC, written "2021-01".
"""

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.themes import words
from twigma.core import columns


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
    by_month = frame.groupby("month")
    counts = by_month.agg(posts=("id", "nunique"), images=("image_name", "nunique"))
    if frame["weight"].nunique() > 1:
        sums = {
            name: frame.drop_duplicates(["month", name])
            for name in ("id", "image_name")
        }
        posts, images = (
            rows.groupby("month")["weight"].sum() for rows in sums.values()
        )
        counts = pd.DataFrame(
            {"posts": posts, "images": images, "sampled": counts["posts"]}
        )
    return (
        counts.reindex(_months(frame), fill_value=0).rename_axis("month").reset_index()
    )


def growth(months: pd.DataFrame) -> dict[str, float]:
    """Monthly growth of the posts: rate = e^b - 1 in log E[posts] = a + b month, from `posts_per_month`.

    A Poisson regression, so months without posts count; its standard error is widened by the Pearson dispersion
    phi = sum (y - mu)^2 / mu / (n - 2), and the 95% interval takes the t quantile with n - 2 degrees of freedom.

    Returns
    -------
    value, low, high (share per month), n (months), doubling (months; nan when not growing), dispersion, p.
    """
    posts = months["posts"].to_numpy(float)
    if np.count_nonzero(posts) < 3:
        raise ValueError(
            f"growth needs at least 3 months with posts, found {np.count_nonzero(posts)}: collect more"
        )
    coefficient, se, dispersion = _log_linear(posts)
    df = len(posts) - 2
    half = stats.t.ppf(0.975, df) * se
    return {
        "value": float(np.expm1(coefficient)),
        "low": float(np.expm1(coefficient - half)),
        "high": float(np.expm1(coefficient + half)),
        "n": len(posts),
        "doubling": float(np.log(2) / coefficient) if coefficient > 0 else np.nan,
        "dispersion": dispersion,
        "p": float(2 * stats.t.sf(abs(coefficient) / se, df)) if se > 0 else 0.0,
    }


def _log_linear(counts: NDArray[np.float64]) -> tuple[float, float, float]:
    """Slope of log E[counts] per step by Newton's method, its quasi-Poisson standard error, and the dispersion."""
    x = np.column_stack([np.ones(len(counts)), np.linspace(-1, 1, len(counts))])
    beta = np.linalg.lstsq(x, np.log(counts + 0.5), rcond=None)[0]
    for _ in range(50):
        mu = np.exp(x @ beta)
        beta = beta + np.linalg.solve((x * mu[:, None]).T @ x, x.T @ (counts - mu))
    mu = np.exp(x @ beta)
    dispersion = float(((counts - mu) ** 2 / mu).sum() / (len(counts) - 2))
    step = 2 / (len(counts) - 1)
    variance = np.linalg.inv((x * mu[:, None]).T @ x)[1, 1] * dispersion
    return float(beta[1] * step), float(np.sqrt(variance) * step), dispersion


def cluster_share(table: pa.Table) -> pd.DataFrame:
    """Share of each month's images that fall in each cluster (Fig 4b).

    Parameters
    ----------
    table : created_at, label_10_cluster; rows without either are left out. Of a sample (`sample_weight`), shares are
        weighted.

    Returns
    -------
    DataFrame (month, cluster, n, share): every cluster in every month that has images, `n` of them; shares of a
    month sum to 1.
    """
    frame = _dated(table, "label_10_cluster").dropna(subset=["label_10_cluster"])
    counts = pd.crosstab(frame["month"], frame["label_10_cluster"].astype(int))
    long = counts.reset_index().melt(
        id_vars="month", var_name="cluster", value_name="n"
    )
    long = long.sort_values(["month", "cluster"], ignore_index=True)
    weight = frame.groupby(["month", frame["label_10_cluster"].astype(int)])[
        "weight"
    ].sum()
    held = weight.reindex(
        pd.MultiIndex.from_frame(long[["month", "cluster"]]), fill_value=0
    ).to_numpy()
    long["share"] = held / long.assign(held=held).groupby("month")["held"].transform(
        "sum"
    )
    return long


def frequent_words(table: pa.Table, n: int = 50) -> pd.DataFrame:
    """The most frequent words of the posts, each post once (Fig 1c).

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
    frame = pd.DataFrame(top, columns=["word", "count"]).astype(
        {"word": object, "count": int}
    )
    frame["share"] = frame["count"] / max(counts.total(), 1)
    return frame


def drift(
    points: NDArray[np.floating],
    created_at: NDArray[np.datetime64],
    n: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """How far the images' place depends on when they were posted: bias-corrected distance correlation (Fig 4a).

    0 where place and time are independent, 1 where one fixes the other (Szekely & Rizzo 2013, squared form).
    The p-value is the chi-square bound of Shen, Panda & Vogelstein (2022), which takes images as independent.

    Parameters
    ----------
    points : float [N, d], places of the images (map coordinates or embeddings).
    created_at : datetime64 [N].
    n : images drawn when there are more, as the cost is n^2.

    Returns
    -------
    value, p, n. ValueError when all places, or all dates, are the same: nothing can depend on them.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(points), min(n, len(points)), replace=False))
    if len(rows) < 4:
        raise ValueError(
            f"drift needs at least 4 images with a place and a date, found {len(rows)}"
        )
    if not (np.isfinite(points[rows]).all() and np.ptp(points[rows], axis=0).any()):
        raise ValueError(
            "drift: expected places that are finite and differ, found one place for all images, or NaN"
        )
    days = (
        created_at[rows].astype("datetime64[ms]").astype(np.int64)[:, None] / 86_400_000
    )
    if not np.ptp(days):
        raise ValueError(
            "drift: all images have the same date, so place cannot depend on it; collect a longer period"
        )
    a, b = (
        _centred(squareform(pdist(x.astype(np.float64)))) for x in (points[rows], days)
    )
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    value = float((a * b).sum() / norm) if norm > 0 else 0.0
    return {
        "value": value,
        "p": float(stats.chi2.sf(len(rows) * value + 1, 1)),
        "n": len(rows),
    }


def _centred(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """U-centred distance matrix: row and column means removed so that the product has no bias."""
    n = len(distance)
    rows = distance.sum(axis=1) / (n - 2)
    centred = (
        distance - rows[:, None] - rows[None, :] + distance.sum() / ((n - 1) * (n - 2))
    )
    np.fill_diagonal(centred, 0)
    return np.asarray(centred)


def _dated(table: pa.Table, *names: str) -> pd.DataFrame:
    """These columns of the rows with a date, their month, and their weight in a sample (1 where there is none)."""
    columns.require(table, [*names, "created_at"], "timeline")
    weights = sample_weights(table)
    frame: pd.DataFrame = table.select([*names, "created_at"]).to_pandas()
    frame = frame.assign(weight=1.0 if weights is None else weights).dropna(
        subset=["created_at"]
    )
    if frame.empty:
        raise ValueError(
            "timeline: no row has a created_at; `twigma rehydrate` looks the posts up"
        )
    return frame.assign(month=frame["created_at"].dt.strftime("%Y-%m"))


def _months(frame: pd.DataFrame) -> list[str]:
    """Every month from the first to the last of `frame`, also those without rows."""
    first, last = frame["created_at"].min(), frame["created_at"].max()
    return [str(month) for month in pd.period_range(first, last, freq="M")]
