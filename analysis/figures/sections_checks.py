"""What the report says of choices behind Fig 3 and 4: clusters, bins, near duplicates; `twigma report` prints it."""

from typing import Any

import pandas as pd

from twigma.analysis.page.formatting import interval, listed, number, percent, table
from twigma.analysis.page.section import Results, Section, records

PAPER_K = 10


def granularity(found: Results) -> Section:
    """Fig 4b at other numbers of clusters."""
    scores, trends = found.tables["clusters_k"], found.tables["clusters_k_trends"]
    stable = scores[scores["stable"]].sort_values(
        "silhouette", ascending=False, kind="stable"
    )
    best = (
        f"Of {listed(scores['k'])} clusters, {listed(sorted(stable['k']))} are stable (another seed gives the same "
        f"clusters), {stable['k'].iloc[0]} with the best silhouette."
        if len(stable)
        else f"No number of clusters is stable among {listed(scores['k'])}: another seed gives other clusters, so read "
        "little into any single one."
    )
    moved = ", ".join(
        f"{r.rising} rise and {r.falling} fall with {r.k}" for r in records(scores)
    )
    rows = [_scores(r) for r in records(scores)]
    header = (
        "Clusters",
        "Silhouette",
        "Stability",
        "Worst pair",
        "ARI with the released labels [95%]",
    )
    return Section(
        "Fig 4b",
        "Fewer or more clusters",
        f"{best} Clusters that move: {moved}.",
        f"{number(int(scores['n'].max()))} images in {number(int(scores['months'].max()))} months; ten fits for each "
        "number of clusters; Mann–Kendall tests, p-values adjusted by Benjamini and Hochberg within each number.",
        f"{PAPER_K} clusters; no number for any other.",
        "Stability is the mean adjusted Rand index of every two of ten fits, each from another seed and sample. The "
        "same trend is told of an image when its cluster rises, falls or does neither as its released cluster does.",
        tables=(
            table(
                "Numbers of clusters",
                (*header, "Rising", "Falling", "Same trend"),
                rows,
            ),
            table(
                "Trend of each cluster's share",
                (
                    "Clusters",
                    "Cluster",
                    "Trend",
                    "Kendall's τ",
                    "p, adjusted",
                    "Released cluster",
                    "Of it",
                ),
                [_trend(r) for r in records(trends)],
                True,
            ),
        ),
    )


def _scores(row: Any) -> list[Any]:
    ari = interval(row.ari, row.ari_low, row.ari_high)
    return [
        row.k, row.silhouette, row.stability, row.least_stability, ari, row.rising, row.falling,
        percent(row.same_trend),
    ]  # fmt: skip


def _trend(row: Any) -> list[Any]:
    released = None if pd.isna(row.released) else int(row.released)
    return [
        row.k,
        row.group,
        row.arrow,
        row.tau,
        row.p_adjusted,
        released,
        percent(row.of_it),
    ]


def entropies(found: Results) -> Section:
    """Fig 3b with other codebooks."""
    table_ = found.tables["entropy_k"]
    orders: dict[Any, list[str]] = {
        k: rows.sort_values("rank", kind="stable")["set"].tolist()
        for k, rows in table_.groupby("k")
    }
    same = len({tuple(order) for order in orders.values()}) == 1
    first = next(iter(orders.values()))
    claim = (
        f"From most to least varied by entropy, whatever the number of bins: {listed(first)}."
        if same
        else "The order of the sets by entropy depends on the number of bins: "
        + "; ".join(f"{listed(order)} with {k}" for k, order in orders.items())
        + "."
    )
    rows = [
        (
            r.k,
            r.set,
            interval(r.entropy, r.low, r.high),
            r.miller_madow,
            r.chao_shen,
            r.normalised,
            r.rank,
        )
        for r in records(table_)
    ]
    header = (
        "Bins",
        "Set",
        "Plug-in [95%]",
        "Miller–Madow",
        "Chao–Shen",
        "Of the largest",
        "Rank",
    )
    return Section(
        "Fig 3b",
        "Entropy with fewer or more bins",
        claim,
        f"{number(int(table_['n'].max()))} images of each set in one codebook for each number of bins; 95% intervals "
        "from authors, artists and prompts where these are known, else from images.",
        "The number of bins is not stated.",
        "Entropies of different numbers of bins are not comparable; the order of the sets is. The plug-in value is low "
        "by about half the bins over the images, which the other two correct; ranks are by Miller–Madow.",
        tables=(table("Entropy in nats", header, rows, True),),
    )


def near_duplicates(found: Results) -> Section:
    """Fig 3a and 3b without near duplicates."""
    table_ = found.tables["near_duplicates"]
    lost = table_.drop_duplicates("set")
    parts = [
        f"{percent(r.removed / r.drawn)} of {r.set}" for r in records(lost) if r.removed
    ]
    apart = table_[
        (table_["value"] < table_["without_low"])
        | (table_["value"] > table_["without_high"])
    ]
    moved = [f"{r.metric} of {r.set}" for r in records(apart)]
    tell = (
        f"; without them these leave the interval: {listed(moved)}"
        if moved
        else "; no number leaves its interval"
    )
    claim = (
        f"Near duplicates are {listed(parts)}{tell}."
        if parts
        else "No set has near duplicates among its images here."
    )
    rows = [
        (
            r.set, r.metric, interval(r.value, r.low, r.high), interval(r.without, r.without_low, r.without_high),
            r.removed, r.drawn, r.n,
        )
        for r in records(table_[table_["removed"] > 0])
    ]  # fmt: skip
    header = (
        "Set",
        "Measure",
        "With [95%]",
        "Without [95%]",
        "Near duplicates",
        "Looked at",
        "n",
    )
    return Section(
        "Fig 3a, b",
        "With and without near duplicates",
        claim,
        f"Cosine above {number(float(table_['near'].iloc[0]), 4)} among {number(int(table_['drawn'].max()))} images of "
        "each set; both estimates are of equally many images. Sets without any are as in Fig 3a and 3b.",
        "Not in the paper; it drops images of identical embedding alone.",
        "A release has dropped its own near duplicates unless it was asked to keep them.",
        tables=(
            table("Variation with and without near duplicates", header, rows, True),
        )
        if rows
        else (),
    )
