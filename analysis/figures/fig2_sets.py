"""Fig 2a and 2b: all sets of images on one map, and in four clusters.

The model of a slice. From top to bottom: `compute_…` calls estimators and returns a `Result` (tidy tables, and numbers
by key); `draw_…` makes a chart from those tables; `describe_…` writes the section of the report; and at the end a
`Figure` says what data is needed and a `Chapter` ties the four together.
"""

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import RULE, Ranked, superlatives
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owner_notes, owners
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import GROUND, QUIET, axes
from twigma.analysis.page.formatting import (
    interval,
    listed,
    percents,
    plural,
    table,
)
from twigma.analysis.page.marks import (
    BESIDE_NAMES,
    label_lowest,
    legend_above,
    look_by_name,
    names_on_y,
    panel_grid,
    short_names,
)
from twigma.analysis.page.section import Results, Section, Tables, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

BLUES = ("#08306b", "#2171b5", "#6baed6", "#bdd7e7")  # clusters 1 to 4
MASSES = (0.25, 0.5, 0.75, 0.95)  # of a set's images within a contour
MAPS_BESIDE = 4

# ------------------------------------------------------------------ Fig 2a: one map


def compute_map(data: Inputs, settings: Settings) -> Result:
    """All sets on one map, and how much every two of them overlap on it.

    Tables: `fig2a` (set, x, y), a row per image; `fig2a_overlap` (set_a, set_b, overlap, low, high, …, projection);
    `fig2a_density` (set, x, y, density), a row per cell of a grid.
    Values: `overlap/SET_A/SET_B`, 0 for sets that are apart and 1 for equal densities.
    """
    from twigma.analysis.comparison import joint_map

    sets = data.sets()
    method = joint_map.projection_of(sets, settings.projection)
    points = joint_map.joint_map(sets, method, seed=settings.seed)
    totals = {name: len(x) for name, x in sets.items()}
    rows = joint_map.mapped_rows(totals, seed=settings.seed)
    # Beside the points, not among them: the table is published.
    blocks = {name: labels[rows[name]] for name, labels in owners(data).items()}
    overlaps = joint_map.overlaps(points, blocks).assign(projection=method)
    return Result(
        n=len(points),
        tables={
            "fig2a": points,
            "fig2a_overlap": overlaps,
            "fig2a_density": joint_map.densities(points),
        },
        values=entries(overlaps, "overlap", ["set_a", "set_b"], "overlap"),
        notes=(*thinning_notes(data.images), *owner_notes(data, sets)),
    )


def draw_map(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The density of each set in a panel of its own, with the outlines of all other sets behind it."""
    points, densities = tables["fig2a"], tables["fig2a_density"]
    names = list(points["set"].unique())
    rows, columns = panel_grid(len(names), MAPS_BESIDE)
    options: Any = {"squeeze": False, "sharex": True, "sharey": True}
    figure, panels = axes(rows, columns, height=2.5 * rows, into=into, **options)
    fields = {name: _field(densities[densities["set"] == name]) for name in names}
    titles = short_names(names, 64 // columns)
    for ax, name, title in zip(panels.flat, names, titles, strict=False):
        for other, field in fields.items():
            if other != name:
                outline: Any = {"colors": QUIET, "linewidths": 0.7, "alpha": 0.7}
                ax.contour(*field.grid, field.density, field.levels[:1], **outline)
        _fill(ax, fields[name], look_by_name(names)[name].colour)
        own = points[points["set"] == name]
        # Points as pixels: as shapes, thousands of them would make the page heavy.
        ax.scatter(own["x"], own["y"], s=1.5, c=QUIET, lw=0, rasterized=True)
        ax.set(title=title, xticks=[], yticks=[])
    label_lowest(panels, len(names))
    return figure


class _Field(NamedTuple):
    """The density of a set on a grid, and the levels within which MASSES of it lie."""

    grid: tuple[Any, Any]  # x [columns], y [rows]
    density: Any  # [rows, columns]
    levels: list[float]  # rising


def _field(cells: pd.DataFrame) -> _Field:
    """The density of one set, from its cells (x, y, density)."""
    square = cells.pivot(index="y", columns="x", values="density")
    density = square.to_numpy(float)
    falling = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(falling) / falling.sum()
    places = np.searchsorted(mass, MASSES).clip(max=len(mass) - 1)
    # Levels of a density in a few cells may coincide, and contours have to rise.
    levels = np.unique(falling[places]).tolist()
    return _Field((square.columns.to_numpy(), square.index.to_numpy()), density, levels)


def _fill(ax: "Axes", field: _Field, colour: str) -> None:
    """Each level in the colour of the set, the denser the darker."""
    levels = [*field.levels, float(field.density.max()) * 1.001]
    for place, (low, high) in enumerate(pairwise(levels)):
        shade: Any = {"colors": [colour], "alpha": 0.25 + 0.2 * place}
        ax.contourf(*field.grid, field.density, [low, high], **shade)
    ax.contour(*field.grid, field.density, levels[:1], colors=[colour], linewidths=1.2)


def describe_map(results: Results) -> Section:
    """How much every other set overlaps with ours; without an interval, no order of them."""
    overlaps = results.tables["fig2a_overlap"]
    ours = overlaps["set_a"].iloc[0]  # the studied set comes first
    rows, estimates = [], []
    for row in records(overlaps):
        overlap = interval(row.overlap, row.low, row.high)
        rows.append((row.set_a, row.set_b, overlap))
        if row.set_a == ours:
            estimates.append(Ranked(row.set_b, row.overlap, row.low, row.high))
    parts = [f"{one.name} {interval(*one[1:])}" for one in estimates]
    claim = f"On the map, {ours} overlaps with {listed(parts)}"
    ranked = superlatives(estimates, "least", "most", falling=True)
    header = ("Set", "Other set", "Overlap [95%]")
    return Section(
        figure="Fig 2a",
        title="All sets on one map",
        claim=f"{claim}{'; ' if ranked else ''}{ranked} (0 is apart, 1 the same).",
        basis=f"{plural(int(overlaps['n'].iloc[0]), 'image')} of each set; 95% intervals from authors, "
        f"artists and prompts where these are known, else from images, map and smoothing held fixed; {RULE}.",
        paper="TWIGMA and DiffusionDB overlap much, LAION, TWIGMA and ArtBench hardly; no number stated.",
        differs=f"Overlap is the integral of the smaller of two kernel densities. {_projection(overlaps)}",
        alt="Densities on the shared map, one panel for each set with outlines of the other sets; a set's darker "
        "fields hold a quarter, half, three quarters and 95% of its images.",
        tables=(table("Overlap of every two sets", header, rows, folded=True),),
    )


def _projection(overlaps: pd.DataFrame) -> str:
    """Which map it is, where the results say so."""
    if "projection" not in overlaps:
        return ""
    if overlaps["projection"].iloc[0] == "umap":
        return "The map is a UMAP of all sets, as the paper's."
    return (
        "The map is linear (two principal components); --projection umap draws the paper's, which takes minutes for "
        "so many images."
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
    from matplotlib.ticker import PercentFormatter

    figure, ax = axes(into=into, height=0.42 * len(shares) + 1.4)
    left = np.zeros(len(shares))
    for cluster, colour in zip(shares, cycle(BLUES)):
        width = shares[cluster].to_numpy()
        label = f"cluster {cluster}"
        bar: Any = {"color": colour, "edgecolor": GROUND, "height": 0.75}
        ax.barh(place, width, left=left, label=label, **bar)
        left = left + width
    names_on_y(ax, shares.index.tolist())
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="Share of the set's images", xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1, 0))
    legend_above(ax, room=BESIDE_NAMES)
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
        basis=f"k-means with 4 clusters on {plural(results.figures['fig2b']['n'], 'image')} of each set; "
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
