"""Fig 2a and 2b: all sets of images on one map, and in four clusters.

The model of a slice. From top to bottom: `compute_…` calls estimators and returns a `Result` (tidy tables, and numbers
by key); `draw_…` makes a chart from those tables; `describe_…` writes the section of the report; and at the end a
`Figure` says what data is needed and a `Chapter` ties the four together.
"""

from typing import TYPE_CHECKING

import numpy as np

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import NO_INTERVALS
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owner_notes, owners
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import RULE, axes, colour_by_name
from twigma.analysis.page.formatting import listed, number, percents, table
from twigma.analysis.page.section import Results, Section, Tables, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

BLUES = ("#08519c", "#4292c6", "#9ecae1", "#deebf7")  # clusters 1 to 4

# ------------------------------------------------------------------ Fig 2a: one map


def compute_map(data: Inputs, settings: Settings) -> Result:
    """All sets on one map, and how much every two of them overlap on it.

    Tables: `fig2a` (set, x, y), a row per image; `fig2a_overlap` (set_a, set_b, overlap, n).
    Values: `overlap/SET_A/SET_B`, 0 for sets that are apart and 1 for equal densities.
    """
    from twigma.analysis.comparison import joint_map

    points = joint_map.joint_map(data.sets(), settings.projection, seed=settings.seed)
    overlaps = joint_map.overlaps(points)
    return Result(
        n=len(points),
        tables={"fig2a": points, "fig2a_overlap": overlaps},
        values=entries(overlaps, "overlap", ["set_a", "set_b"], "overlap"),
        notes=thinning_notes(data.images),
    )


def draw_map(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """One panel for each set, with all other sets in grey behind it."""
    points = tables["fig2a"]
    colours = colour_by_name(points["set"].unique())
    figure, panels = axes(
        1, len(colours), height=2.6, squeeze=False, sharex=True, sharey=True, into=into
    )
    # Points as pixels: as shapes, tens of thousands of them would make the page heavy.
    dots = {"linewidths": 0, "rasterized": True}
    for panel, (name, colour) in zip(panels[0], colours.items(), strict=True):
        own = points[points["set"] == name]
        others = points[points["set"] != name]
        panel.scatter(others["x"], others["y"], s=2, c=RULE, **dots)
        panel.scatter(own["x"], own["y"], s=3, c=colour, **dots)
        panel.set(title=name, xticks=[], yticks=[])
    figure.supxlabel("first map coordinate", fontsize=9)
    figure.supylabel("second", fontsize=9)
    return figure


def describe_map(results: Results) -> Section:
    """How much every other set overlaps with ours; without an interval, no order of them."""
    overlaps = results.tables["fig2a_overlap"]
    ours = overlaps["set_a"].iloc[0]  # the studied set comes first
    parts = []
    for row in records(overlaps[overlaps["set_a"] == ours]):
        parts.append(f"{row.set_b} {number(row.overlap, 2)}")
    claim = f"On the map, {ours} overlaps with {listed(parts)}"
    if len(parts) > 1:
        claim += f"; {NO_INTERVALS}"
    rows = [(row.set_a, row.set_b, row.overlap) for row in records(overlaps)]
    header = ("Set", "Other set", "Overlap")
    return Section(
        figure="Fig 2a",
        title="All sets on one map",
        claim=f"{claim} (0 is apart, 1 the same).",
        basis=f"{number(int(overlaps['n'].iloc[0]))} images of each set; no interval.",
        paper="TWIGMA and DiffusionDB overlap much, LAION, TWIGMA and ArtBench hardly; no number stated.",
        differs="Overlap is the integral of the smaller of two kernel densities. The map is linear (two principal "
        "components) unless UMAP was asked for.",
        alt="Scatter plots of the shared map, one panel for each set with the other sets in grey.",
        tables=(table("Overlap of every two sets", header, rows, folded=True),),
    )


# ------------------------------------------------------------------ Fig 2b: four clusters


def compute_clusters(data: Inputs, settings: Settings) -> Result:
    """The share of each set in each of four clusters of the pooled sets.

    Table: `fig2b` (set, cluster, share, low, high, blocks, n, …). Values: `share/SET/CLUSTER`.
    """
    from twigma.analysis.comparison.cluster_shares import cluster_shares

    sets = data.sets()
    # The paper numbers its clusters by their share of photographs (LAION).
    by = settings.photographs if settings.photographs in sets else None
    shares = cluster_shares(sets, k=4, seed=settings.seed, by=by, blocks=owners(data))
    return Result(
        n=int(shares["n"].max()),
        tables={"fig2b": shares},
        values=entries(shares, "share", ["set", "cluster"], "share"),
        notes=(*thinning_notes(data.images), *owner_notes(data, sets)),
    )


def draw_clusters(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A bar for each set, divided by cluster."""
    shares = tables["fig2b"].pivot(index="set", columns="cluster", values="share")
    shares = shares.loc[tables["fig2b"]["set"].unique()]
    place = range(len(shares))
    figure, ax = axes(into=into, height=0.5 * len(shares) + 1.4)
    left = np.zeros(len(shares))
    for cluster, colour in zip(shares, BLUES, strict=False):
        width = shares[cluster].to_numpy()
        label = f"cluster {cluster}"
        ax.barh(place, width, left=left, color=colour, edgecolor="white", label=label)
        left = left + width
    ax.set_yticks(place, shares.index)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="Share of the set's images", xlim=(0, 1))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9)
    return figure


def describe_clusters(results: Results) -> Section:
    """The share of each set in the first cluster."""
    shares = results.tables["fig2b"]
    texts = [percents(row.share, row.low, row.high) for row in records(shares)]
    shares = shares.assign(text=texts)
    clusters = list(shares["cluster"].unique())
    first = clusters[0]
    # In the order of the sets: by share it would be a ranking.
    in_first = shares[shares["cluster"] == first]
    parts = [f"{row.text} of {row.set}" for row in records(in_first)]
    wide = shares.pivot(index="set", columns="cluster", values="text")
    wide = wide.loc[shares["set"].unique()]
    rows = [(name, *cells) for name, cells in wide.iterrows()]
    header = ["Set", *(f"Cluster {cluster}" for cluster in clusters)]
    return Section(
        figure="Fig 2b",
        title="Four clusters of all images",
        claim=f"Cluster {first} holds {listed(parts)}.",
        basis=f"k-means with 4 clusters on {number(results.figures['fig2b']['n'])} images of each set; "
        "Wilson 95% intervals of as many images as the authors, artists and prompts are worth, where these are known; "
        "the clusters held fixed.",
        paper="Cluster 1 is mostly LAION; AI images are in clusters 2 to 4; no number stated.",
        differs="Equal samples of every set; k-means++ starts, ten runs and all points, where FAISS's defaults train "
        "on a sample and from one random start.",
        alt="Stacked bars: the share of each set's images in each of four clusters.",
        tables=(table("Share of each set in each cluster", header, rows, folded=True),),
    )


# ------------------------------------------------------------------ what they need

SETS = ("embedding", "@")  # our embeddings and those of any reference set
FIG2A = Figure("fig2a", compute_map, needs=SETS)
FIG2B = Figure("fig2b", compute_clusters, needs=SETS)
MAP = Chapter(describe_map, (FIG2A,), draw=draw_map)
CLUSTERS = Chapter(describe_clusters, (FIG2B,), draw=draw_clusters)
