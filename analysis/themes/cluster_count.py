"""Fig 4b with fewer and more clusters: which k the images support, and whether themes rise and fall at every k.

For each k ten fits are made, each on its own sample and from its own seed, and judged on the same images: a k whose
fits disagree tells another story with another seed. `twigma analyze` runs it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from twigma.analysis.convert import Array, Floats, as_column, as_matrix
from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.themes.timeline import cluster_share
from twigma.analysis.themes.trends import has_trends, trend_table
from twigma.analysis.variation.distance import all_distances
from twigma.analysis.vectors.codebook import assign, codebook, principal
from twigma.analysis.vectors.spectra import Components
from twigma.builder.clusters.stability import FITS, JUDGED, judge_fits
from twigma.core import columns
from twigma.core.numeric.stored_rows import rows_of
from twigma.core.safety.failures import DataError

KS = (5, 8, 10, 15, 20)
FIT_ROWS = 10_000  # images of each of these fits
LEAST_RAND = -0.5  # an adjusted Rand index is never below (Chacón & Rastrojo 2023)
ROWS = 50_000  # images of the fit whose labels give the trends

Labels = npt.NDArray[np.int64]


class Granularity(NamedTuple):
    """A row per k, and the trend of every cluster at every k."""

    scores: pd.DataFrame
    trends: pd.DataFrame


def granularity(
    embedding: Any,
    table: pa.Table,
    ks: Sequence[int] = KS,
    *,
    authors: Any = None,
    seed: int = 0,
) -> Granularity:
    """Trends, silhouette, stability and agreement with the release's labels at several numbers of clusters (Fig 4b).

    Parameters
    ----------
    embedding : matrix [n, d]. table : n rows with created_at and, where there are any, label_K_cluster and
        sample_weight.
    ks : numbers of clusters; those above a tenth of the images are left out.
    authors : label per row of what is resampled together in the interval of the agreement.

    Returns
    -------
    scores : k, silhouette (mean of the ten fits), stability (mean adjusted Rand index of their 45 pairs),
        least_stability, stable (stability ≥ .95), ari with ari_low and ari_high (against the release's own labels),
        rising, falling (clusters, by tests adjusted within each k), same_trend (share of the images whose cluster moves
        as their cluster in the release does), months, n, seed. Without labels of the release ari and same_trend are
        NaN; with fewer than 4 months rising, falling and same_trend.
    trends : k and the columns of `trends.trend_table`, group from 1 by falling size, with `released`, the cluster
        of the release it is matched with (Hungarian; null where there is none), and `of_it`, the share of its images
        there.
    """
    columns.require(table, ["created_at"], "fig4b_k")
    images = _dated(as_matrix(embedding), table, authors)
    x = images.embedding
    possible = [k for k in sorted(set(ks)) if 2 <= k <= len(x) // 10]
    if not possible:
        raise DataError(
            f"expected at least 20 images with a date and an embedding, ten for each of two clusters, found {len(x)}"
        )
    directions = principal(x, seed)
    # All fits are judged on the same images.
    judged = x[_sample(len(x), JUDGED, np.random.default_rng(seed))]
    apart = all_distances(judged)
    scores, trends = [], []
    for k in possible:
        fits = [
            assign(judged, _fit(x, directions, k, FIT_ROWS, seed + fit))
            for fit in range(FITS)
        ]
        labels = by_size(assign(x, _fit(x, directions, k, ROWS, seed)))
        trend = _trends(images.table, labels)
        row = {"k": k, **_stability(fits, apart), **_agreement(labels, images)}
        row |= _directions(trend)
        row["same_trend"] = _same_trend(trend, labels, images)
        row["months"] = int(trend["n"].max())
        scores.append({**row, "n": len(x), "seed": seed})
        trends.append(_matched(trend, labels, images.released).assign(k=k))
    return Granularity(pd.DataFrame(scores), pd.concat(trends, ignore_index=True))


class _Images(NamedTuple):
    """The dated images: rows that belong together, [n] each."""

    embedding: Array  # [n, d]
    table: pa.Table
    released: Floats | None  # labels of the release, NaN where an image has none
    authors: Array | None


def _dated(embedding: Array, table: pa.Table, authors: Any) -> _Images:
    """The images with a date; where all have one, nothing is copied."""
    dated = np.flatnonzero(table["created_at"].is_valid().to_numpy())
    if authors is not None:
        authors = np.asarray(as_column(authors), dtype=object)[dated]
    if len(dated) < len(table):
        embedding = rows_of(embedding, dated)
        table = table.take(pa.array(dated))
    return _Images(embedding, table, _released(table), authors)


def adjusted_rand(one: Labels, other: Labels, owners: Array | None = None) -> Estimate:
    """Adjusted Rand index (Hubert & Arabie 1985) and its 95% interval from images, or from their owners.

    With p the shares of the crossed table and p_i, q_j its margins, the index tends to (Σp² − bc)/((b + c)/2 − bc), b =
    Σp_i², c = Σq_j²; the influence of an image is the derivative of that by its cell, less its mean. The interval is
    within −½ to 1, and that of fewer than three images or owners is NaN.
    `one`, `other` : int labels [n]; `owners` : label per image, or None.
    """
    from sklearn.metrics import adjusted_rand_score

    a = np.unique(one, return_inverse=True)[1]
    b = np.unique(other, return_inverse=True)[1]
    crossed = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(crossed, (a, b), 1 / len(a))
    p = crossed.sum(axis=1)[:, None]
    q = crossed.sum(axis=0)[None, :]
    same, pp, qq = _squares(crossed), _squares(p), _squares(q)
    value = float(adjusted_rand_score(one, other))
    above = same - pp * qq
    below = (pp + qq) / 2 - pp * qq
    if below <= 0:  # one cluster, in both
        return Estimate(value, np.nan, np.nan, len(a))
    chance = 2 * (p * qq + q * pp)
    slope = ((2 * crossed - chance) * below - above * (p + q - chance)) / below**2
    return interval(value, slope[a, b], owners, least=LEAST_RAND, most=1.0)


def _squares(shares: Floats) -> float:
    return float((shares**2).sum())


# ------------------------------------------------------------------ parts


def _fit(
    x: Array, directions: Components, k: int, size: int, seed: int
) -> npt.NDArray[np.float32]:
    """Centroids from a random sample of `size` images."""
    rows = _sample(len(x), size, np.random.default_rng((seed, k)))
    return codebook(x[rows], k, "robust", seed, directions)


def by_size(labels: Labels) -> Labels:
    """Labels int64 [n] renumbered 1 … k, the largest cluster first, [n]."""
    sizes = np.bincount(labels)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    return np.asarray(rank[labels])


def _sample(total: int, size: int, rng: np.random.Generator) -> Labels:
    return np.sort(rng.choice(total, min(size, total), replace=False))


def _released(rows: pa.Table) -> Floats | None:
    """The labels of the release that is analysed, NaN where an image has none; None where no image has one."""
    name = columns.find_label_column(rows.column_names)
    if name is None:
        return None
    labels = rows[name]
    if labels.null_count == len(rows):
        return None
    return np.asarray(labels.cast(pa.float64()).to_numpy())


def _trends(rows: pa.Table, labels: Labels) -> pd.DataFrame:
    released = columns.find_label_column(rows.column_names)
    if released is not None:
        rows = rows.drop_columns([released])
    name = columns.label_column(int(labels.max()))
    shares = cluster_share(columns.add(rows, **{name: labels}))
    shares = shares.rename(columns={"cluster": "group"})
    return trend_table(shares)


def _stability(fits: list[Labels], apart: Floats) -> dict[str, Any]:
    """How well the fits separate the judged images, and how far they agree with one another."""
    scores = judge_fits(fits, apart)
    return {**asdict(scores), "stable": scores.is_stable}


def _agreement(labels: Labels, images: _Images) -> dict[str, float]:
    """Adjusted Rand index of the labels and the release's own."""
    if images.released is None:
        return dict.fromkeys(("ari", "ari_low", "ari_high"), np.nan)
    known = ~np.isnan(images.released)
    owners = None if images.authors is None else images.authors[known]
    if owners is not None and pd.Series(owners).nunique() < 2:
        owners = None
    released = images.released[known].astype(np.int64)
    ari = adjusted_rand(labels[known], released, owners)
    return {"ari": ari.value, "ari_low": ari.low, "ari_high": ari.high}


def _directions(trend: pd.DataFrame) -> dict[str, float]:
    """How many clusters rise and fall; NaN where there are too few months for a test."""
    if not has_trends(trend):
        return dict.fromkeys(("rising", "falling"), np.nan)
    return {
        "rising": int((trend["arrow"] == "↑").sum()),
        "falling": int((trend["arrow"] == "↓").sum()),
    }


def _same_trend(trend: pd.DataFrame, labels: Labels, images: _Images) -> float:
    """Share of the images whose cluster rises, falls or does neither just as their cluster in the release does."""
    if images.released is None:
        return float("nan")
    known = np.flatnonzero(~np.isnan(images.released))
    released = images.released[known].astype(np.int64)
    before = _trends(images.table.take(pa.array(known)), released)
    if not (has_trends(trend) and has_trends(before)):
        return float("nan")
    now = trend.set_index("group")["arrow"].reindex(labels[known])
    then = before.set_index("group")["arrow"].reindex(released)
    return float(np.mean(now.to_numpy() == then.to_numpy()))


def _matched(
    trend: pd.DataFrame, labels: Labels, released: Array | None
) -> pd.DataFrame:
    """The trends, each with the cluster of the release it shares most images with, every one used once at most."""
    from scipy.optimize import linear_sum_assignment

    none = pd.array([None] * len(trend), dtype="Int64")
    trend = trend.assign(released=none, of_it=np.nan)
    if released is None:
        return trend
    known = ~np.isnan(released)
    crossed = pd.crosstab(labels[known], released[known].astype(np.int64))
    share = crossed.div(crossed.sum(axis=1), axis=0)
    for one, other in zip(*linear_sum_assignment(-crossed.to_numpy()), strict=True):
        row = trend["group"] == crossed.index[one]
        trend.loc[row, "released"] = int(crossed.columns[other])
        trend.loc[row, "of_it"] = share.iloc[one, other]
    return trend
