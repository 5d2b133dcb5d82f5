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

from twigma.analysis.themes.timeline import cluster_share
from twigma.analysis.themes.trends import trend_table
from twigma.analysis.variation.distance import (
    Array,
    Estimate,
    Floats,
    distances,
    interval,
)
from twigma.analysis.vectors.codebook import assign
from twigma.analysis.vectors.components import Components
from twigma.analysis.vectors.quick_codebook import principal, quick_codebook
from twigma.builder.clusters.stability import FITS, JUDGED, judge_fits
from twigma.core import columns

KS = (5, 8, 10, 15, 20)
FIT_ROWS = 10_000  # images of each of these fits
ROWS = 50_000  # images of the fit whose labels give the trends

Labels = npt.NDArray[np.int64]


class Granularity(NamedTuple):
    """A row per k, and the trend of every cluster at every k."""

    scores: pd.DataFrame
    trends: pd.DataFrame


def granularity(
    embedding: Array,
    table: pa.Table,
    ks: Sequence[int] = KS,
    *,
    authors: Array | None = None,
    seed: int = 0,
) -> Granularity:
    """Trends, silhouette, stability and agreement with the released labels at several numbers of clusters (Fig 4b).

    Parameters
    ----------
    embedding : float32[n, d]. table : n rows with created_at and, where there are any, label_10_cluster and
        sample_weight.
    ks : numbers of clusters; those above a tenth of the images are left out.
    authors : label per row of what is resampled together in the interval of the agreement.

    Returns
    -------
    scores : k, silhouette (mean of the ten fits), stability (mean adjusted Rand index of their 45 pairs),
        least_stability, stable (stability ≥ .95), ari with ari_low and ari_high (against the released labels), rising,
        falling (clusters, by tests adjusted within each k), same_trend (share of the images whose cluster moves as
        their released cluster does), months, n, seed. Without released labels ari and same_trend are NaN.
    trends : k and the columns of `trends.trend_table`, group from 1 by falling size, with `released`, the released
        cluster it is matched with (Hungarian; null for one left over), and `of_it`, the share of its images there.
    """
    columns.require(table, ["created_at"], "fig4b_k")
    dated = np.flatnonzero(table["created_at"].is_valid().to_numpy())
    whole = len(dated) == len(table)  # then nothing is copied
    x, rows = (
        (embedding, table) if whole else (embedding[dated], table.take(pa.array(dated)))
    )
    possible = [k for k in sorted(set(ks)) if 2 <= k <= len(x) // 10]
    if not possible:
        raise ValueError(
            f"fig4b_k: expected ten dated images with an embedding a cluster, found {len(x)}: add images"
        )
    released = _released(rows)
    owners = None if authors is None else np.asarray(authors, dtype=object)[dated]
    directions = principal(x, seed)
    judged = _sample(len(x), JUDGED, np.random.default_rng(seed))
    away = _apart(x[judged].astype(np.float64))
    scores, trends = [], []
    for k in possible:
        fits = [
            assign(x[judged], _fit(x, directions, k, FIT_ROWS, seed + fit))
            for fit in range(FITS)
        ]
        labels = by_size(assign(x, _fit(x, directions, k, ROWS, seed)))
        trend = _trends(rows, labels)
        found = (
            _stability(fits, away)
            | _agreement(labels, released, owners)
            | _directions(trend)
        )
        moved = _same_trend(trend, labels, rows, released)
        months = int(trend["n"].max())
        scores.append(
            {
                "k": k,
                **found,
                "same_trend": moved,
                "months": months,
                "n": len(x),
                "seed": seed,
            }
        )
        trends.append(_matched(trend, labels, released).assign(k=k))
    return Granularity(pd.DataFrame(scores), pd.concat(trends, ignore_index=True))


def adjusted_rand(one: Labels, other: Labels, owners: Array | None = None) -> Estimate:
    """Adjusted Rand index (Hubert & Arabie 1985) and its 95% interval from images, or from their owners.

    With p the shares of the crossed table and p_i, q_j its margins, the index tends to (Σp² − bc)/((b + c)/2 − bc),
    b = Σp_i², c = Σq_j²; the influence of an image is the derivative of that by its cell, less its mean.
    """
    from sklearn.metrics import adjusted_rand_score

    a, b = (np.unique(x, return_inverse=True)[1] for x in (one, other))
    crossed = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(crossed, (a, b), 1 / len(a))
    p, q = crossed.sum(axis=1)[:, None], crossed.sum(axis=0)[None, :]
    same, pp, qq = (float((x**2).sum()) for x in (crossed, p, q))
    value = float(adjusted_rand_score(one, other))
    above, below = same - pp * qq, (pp + qq) / 2 - pp * qq
    if below <= 0:
        return Estimate(value, np.nan, np.nan, len(a))
    chance = 2 * (p * qq + q * pp)
    slope = ((2 * crossed - chance) * below - above * (p + q - chance)) / below**2
    return interval(value, slope[a, b], owners)


# ------------------------------------------------------------------ parts


def _fit(
    x: Array, directions: Components, k: int, size: int, seed: int
) -> npt.NDArray[np.float32]:
    """Centroids from a random sample of `size` images."""
    return quick_codebook(
        x[_sample(len(x), size, np.random.default_rng((seed, k)))], k, directions, seed
    )


def by_size(labels: Labels) -> Labels:
    """Labels 1 … k, the largest cluster first."""
    sizes = np.bincount(labels)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    return np.asarray(rank[labels])


def _sample(total: int, size: int, rng: np.random.Generator) -> Labels:
    return np.sort(rng.choice(total, min(size, total), replace=False))


def _apart(x: Floats) -> Floats:
    found = distances(x, x)
    np.fill_diagonal(found, 0)
    return found


def _released(rows: pa.Table) -> npt.NDArray[np.float64] | None:
    if "label_10_cluster" not in rows.column_names or rows[
        "label_10_cluster"
    ].null_count == len(rows):
        return None
    return np.asarray(rows["label_10_cluster"].cast(pa.float64()).to_numpy())


def _trends(rows: pa.Table, labels: Labels) -> pd.DataFrame:
    shares = cluster_share(columns.add(rows, label_10_cluster=labels))
    return trend_table(
        shares.rename(columns={"cluster": "group"})[["month", "group", "share"]]
    )


def _stability(fits: list[Labels], away: Floats) -> dict[str, Any]:
    scores = judge_fits(fits, away)
    return {**asdict(scores), "stable": scores.is_stable}


def _agreement(
    labels: Labels, released: Array | None, owners: Array | None
) -> dict[str, float]:
    if released is None:
        return dict.fromkeys(("ari", "ari_low", "ari_high"), np.nan)
    known = ~np.isnan(released)
    if owners is not None:
        owners = owners[known] if pd.Series(owners[known]).nunique() > 1 else None
    found = adjusted_rand(labels[known], released[known].astype(np.int64), owners)
    return {"ari": found.value, "ari_low": found.low, "ari_high": found.high}


def _directions(trend: pd.DataFrame) -> dict[str, int]:
    return {
        name: int((trend["arrow"] == arrow).sum())
        for name, arrow in (("rising", "↑"), ("falling", "↓"))
    }


def _same_trend(
    trend: pd.DataFrame, labels: Labels, rows: pa.Table, released: Array | None
) -> float:
    """Share of the images whose cluster rises, falls or does neither just as their released cluster does."""
    if released is None:
        return float("nan")
    known = ~np.isnan(released)
    theirs = released[known].astype(np.int64)
    before = _trends(rows.take(pa.array(np.flatnonzero(known))), theirs)
    arrows = (table.set_index("group")["arrow"] for table in (trend, before))
    now, then = (
        found.reindex(of).to_numpy()
        for found, of in zip(arrows, (labels[known], theirs), strict=True)
    )
    return float(np.mean(now == then))


def _matched(
    trend: pd.DataFrame, labels: Labels, released: Array | None
) -> pd.DataFrame:
    """The trends, each with the released cluster it shares most images with, every one used once at most."""
    from scipy.optimize import linear_sum_assignment

    trend = trend.assign(
        released=pd.array([None] * len(trend), dtype="Int64"), of_it=np.nan
    )
    if released is None:
        return trend
    known = ~np.isnan(released)
    crossed = pd.crosstab(labels[known], released[known].astype(np.int64))
    held = crossed.div(crossed.sum(axis=1), axis=0)
    for one, other in zip(*linear_sum_assignment(-crossed.to_numpy()), strict=True):
        row = trend["group"] == crossed.index[one]
        trend.loc[row, "released"], trend.loc[row, "of_it"] = (
            int(crossed.columns[other]),
            held.iloc[one, other],
        )
    return trend
