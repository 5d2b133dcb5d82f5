"""Fig 4b at other numbers of clusters: which are stable, and which of their clusters rise or fall."""

from typing import Any

import pandas as pd
import pyarrow as pa

from twigma.analysis.figures.contract import Chapter, Figure, weighting_notes
from twigma.analysis.figures.fig4_themes import arrow
from twigma.analysis.inference.sample_weights import COLUMN as SAMPLED
from twigma.analysis.inference.survival import COLUMN as SURVIVAL
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    percent,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.core import columns

PAPER_K = 10
USED = ("created_at", columns.LABELS, SAMPLED, SURVIVAL)  # columns of the images
SCORES_HEADER = (
    "Clusters",
    "Silhouette",
    "Stability",
    "Worst pair",
    "ARI with this release's labels [95%]",
    "Rising",
    "Falling",
    "Same trend",
)
TRENDS_HEADER = (
    "Clusters",
    "Cluster",
    "Trend",
    "Kendall's τ",
    "p, adjusted",
    "Cluster of the release",
    "Of it",
)

# ------------------------------------------------------------------ computed


def compute_cluster_counts(data: Inputs, settings: Settings) -> Result:
    """Trends, stability and agreement with this release's labels at several numbers of clusters.

    Tables: `clusters_k`, a row per number of clusters; `clusters_k_trends`, a row per cluster of each.
    Values: `clusters/K`, stability; `clusters/K/CLUSTER`, Kendall's τ.
    """
    from twigma.analysis.themes.cluster_count import granularity

    images = data.images
    authors = images.known_numbered("author_id")
    there = columns.those_of(USED, images.table.column_names)
    rows = images.table.select(there).take(pa.array(images.rows))
    by_count = granularity(images.embedding, rows, authors=authors, seed=settings.seed)
    scores, trends = by_count.scores, by_count.trends
    values = entries(scores, "clusters", ["k"], "stability")
    values |= entries(trends, "clusters", ["k", "group"], "tau")
    return Result(
        n=int(scores["n"].max()),
        tables={"clusters_k": scores, "clusters_k_trends": trends},
        values=values,
        notes=weighting_notes(images),
    )


# ------------------------------------------------------------------ described


def describe_cluster_counts(results: Results) -> Section:
    """Which numbers of clusters are stable, and how many of their clusters move."""
    scores = results.tables["clusters_k"]
    n, months = int(scores["n"].max()), int(scores["months"].max())
    return Section(
        figure="Fig 4b",
        title="Fewer or more clusters",
        claim=f"{_stable(scores)} {_moving(scores)}",
        basis=f"{plural(n, 'image')} in {plural(months, 'month')}; ten fits for each number of clusters; trends tested "
        "as in Fig 4b, p-values adjusted by Benjamini and Hochberg within each number.",
        paper=f"{PAPER_K} clusters; no number for any other.",
        differs="Stability is the mean adjusted Rand index of every two of ten fits, each from another seed and "
        "sample. An image has the same trend when its cluster rises, falls or does neither as its "
        "cluster in this release does.",
        tables=(
            _scores_table(scores),
            _trends_table(results.tables["clusters_k_trends"]),
        ),
    )


def _stable(scores: pd.DataFrame) -> str:
    """A sentence on the numbers of clusters that another seed confirms."""
    tried = listed(scores["k"])
    stable = scores[scores["stable"]]
    if stable.empty:
        return (
            f"No number of clusters is stable among {tried}: another seed gives other clusters, so read "
            "little into any single one."
        )
    # Their silhouettes have no interval, so none of them is called the best.
    return (
        f"Of {tried} clusters, {listed(sorted(stable['k']))} are stable (another seed gives the same "
        "clusters)."
    )


def _moving(scores: pd.DataFrame) -> str:
    """How many clusters of each number rise and fall, or why none can be told to."""
    from twigma.analysis.themes.trends import too_short

    if scores["rising"].isna().all():
        return f"{too_short(int(scores['months'].max())).capitalize()}."
    moving = []
    for row in records(scores):
        moving.append(f"{row.rising} rise and {row.falling} fall with {row.k}")
    return f"Clusters that move: {', '.join(moving)}."


def _scores_table(scores: pd.DataFrame) -> Table:
    rows = []
    for row in records(scores):
        ari = interval(row.ari, row.ari_low, row.ari_high)
        rows.append(
            (
                row.k,
                row.silhouette,
                row.stability,
                row.least_stability,
                ari,
                row.rising,
                row.falling,
                percent(row.same_trend),
            )
        )
    return table("Numbers of clusters", SCORES_HEADER, rows)


def _trends_table(trends: pd.DataFrame) -> Table:
    rows = [_trend(row) for row in records(trends)]
    caption = "Trend of each cluster's share"
    return table(caption, TRENDS_HEADER, rows, folded=True)


def _trend(row: Any) -> list[object]:
    released = None if pd.isna(row.released) else int(row.released)
    share = percent(row.of_it)
    return [row.k, row.group, arrow(row), row.tau, row.p_adjusted, released, share]


# ------------------------------------------------------------------ what they need

CLUSTERS_K = Figure(
    "clusters_k",
    compute_cluster_counts,
    needs=("embedding", "created_at"),
    parts={"agreement with this release's labels": (columns.LABELS,)},
)
CLUSTER_COUNTS = Chapter(describe_cluster_counts, (CLUSTERS_K,))
