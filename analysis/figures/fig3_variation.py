"""Fig 3a and 3b: how varied the images of each set are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import (
    RULE,
    Extremes,
    Ranked,
    extremes,
    superlatives,
)
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import interval_notes, owners_for_intervals
from twigma.analysis.inputs.requirements import (
    Result,
    Settings,
    entries,
    missing_requirements,
)
from twigma.analysis.page.drawing import COLOURS, axes
from twigma.analysis.page.formatting import (
    Cell,
    interval,
    listed,
    number,
    plural,
    table,
)
from twigma.analysis.page.marks import (
    BESIDE_NAMES,
    draw_intervals,
    legend_above,
    names_on_y,
)
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated
from twigma.core.numeric.stored_rows import StoredRows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Grouped = tuple[
    NDArray[np.float32] | StoredRows, NDArray[Any]
]  # embedding [n, d] and group [n]
GROUPS = {"same artist": "paintings", "same prompt": "prompts"}  # by role
BASELINE, RIDGE = 0.25, 0.8  # of a density: how far below its name, and how high
MEASURES = {
    "iev": "IEV",
    "pmv": "PMV",
    "entropy": "Entropy (nats)",
    "vendi": "Vendi score",
}

# ------------------------------------------------------------------ computed


def compute_variation(data: Inputs, settings: Settings) -> Result:
    """Mean pairwise distance, IEV, PMV, entropy and Vendi score of the sets, and within artists and prompts.

    Tables: `fig3a` (set, value, low, high, groups, blocks, n), the distances; `fig3a_density` (set, low, high,
    density), how they are spread; `fig3b`, a row per set and a column per
    measure; `fig3a_ratio` (set, ratio, low, high), distance within a group over that between groups.
    Values: `MEASURE/SET`, `ratio/same artist`, `ratio/same prompt`.
    """
    from twigma.analysis.variation.groups import same_different_ratio
    from twigma.analysis.variation.pair_density import pair_density
    from twigma.analysis.variation.spread import METRICS, variation_table

    groups = grouped_sets(data, settings)
    sets = data.sets()
    measures = variation_table(
        sets, groups, seed=settings.seed, blocks=owners_for_intervals(data)
    )
    long = [_one_measure(measures, name) for name in METRICS]
    values = entries(pd.concat(long), "", ["metric", "set"], "value")
    distances = _one_measure(measures, "distance").drop(columns="metric")
    density = pair_density(data.sets(), groups, seed=settings.seed)
    tables = {"fig3a": distances, "fig3b": measures, "fig3a_density": density}
    if groups:
        ratios = []
        for label, (embedding, group) in groups.items():
            ratio = same_different_ratio(embedding, group, seed=settings.seed)
            ratios.append(ratio.assign(set=label))
        tables["fig3a_ratio"] = pd.concat(ratios, ignore_index=True)
        values |= entries(tables["fig3a_ratio"], "ratio", ["set"], "ratio")
    n = _images_of_each(measures)
    notes = (*thinning_notes(data.images), *interval_notes(data, sets))
    return Result(n, tables, values, notes)


def _images_of_each(measures: pd.DataFrame) -> int:
    """Images of the sample of each set; those within groups are of samples of their own."""
    return int(measures.loc[measures["groups"] == 0, "n"].max())


def _one_measure(measures: pd.DataFrame, name: str) -> pd.DataFrame:
    """One measure of `variation_table` in long form: set, value, low, high, groups, blocks, n, metric."""
    names = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
    columns = ["set", *names.values(), "groups", "blocks", "n"]
    return measures.rename(columns=names)[columns].assign(metric=name)


def grouped_sets(data: Inputs, settings: Settings) -> dict[str, Grouped]:
    """Paintings by artist and images by prompt, as far as there are any: embedding [n, d] and group [n] of each set."""
    groups = {}
    for label, role in GROUPS.items():
        needs = [f"@{role}", f"@{role}.group"]
        if not missing_requirements(data, settings, needs):
            images = data.references[getattr(settings, role)]
            groups[label] = (images.embedding, images.values("group"))
    return groups


# ------------------------------------------------------------------ drawn


def draw_distances(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """How the distances of two images of each set are spread, and below that their mean with its interval."""
    distances = tables["fig3a"]
    figure, ax = axes(into=into, height=0.62 * len(distances) + 0.9)
    density = tables["fig3a_density"]
    for place, name in enumerate(distances["set"]):
        _draw_spread(ax, density[density["set"] == name], place + BASELINE)
    below = np.arange(len(distances)) + BASELINE + 0.14
    draw_intervals(ax, below, distances, "value", label="mean, 95% interval", ms=5)
    names_on_y(ax, distances["set"].tolist())
    ax.set(xlabel="Distance between two images (0 same, 2 opposite)")
    legend_above(ax, room=BESIDE_NAMES)
    return figure


def _draw_spread(ax: "Axes", bins: pd.DataFrame, baseline: float) -> None:
    """The density of one set over its baseline, as high as its row."""
    density = bins["density"].to_numpy(float)
    heights = RIDGE * density / max(density.max(initial=0), np.finfo(float).tiny)
    edges = [*bins["low"], *bins["high"].tail(1)]
    shape: Any = {"baseline": baseline, "fill": True, "color": COLOURS[5], "alpha": 0.7}
    ax.stairs(baseline - heights, edges, **shape)


# ------------------------------------------------------------------ described


def describe_distances(results: Results) -> Section:
    """The distance within each set, and the most and least varied of the whole sets as far as intervals tell."""
    means = records(results.tables["fig3a"])
    parts, ranked = [], []
    rows = []
    for row in means:
        distance = interval(row.value, row.low, row.high)
        parts.append(f"{row.set} {distance}")
        if not row.groups:
            ranked.append(Ranked(row.set, row.value, row.low, row.high))
        groups = row.groups or None  # 0 for all images of a set
        # Where images are taken as independent, there are no others.
        blocks = row.blocks if row.blocks < row.n else None
        rows.append((row.set, distance, groups, blocks, row.n))
    header = (
        "Set",
        "Distance [95%]",
        "Groups",
        "Authors, artists or prompts (effective)",
        "n",
    )
    ratio = stated.SAME_PROMPT_RATIO
    return Section(
        figure="Fig 3a",
        title="Variation within each set",
        claim=f"Mean distance of two images: {listed(parts)}{_order(ranked)}.{_ratios(results)}",
        basis=f"{plural(_images_of_each(results.tables['fig3a']), 'image')} of each set; 95% intervals from authors, "
        f"artists and prompts where these are known, else from images; {RULE}.",
        paper=f"LAION most, then ArtBench, DiffusionDB, TWIGMA; same prompt to different prompt ≈ {ratio}.",
        differs="Equal samples of every set; groups count the same whatever their size. Pairs that share an image are "
        "not independent, and the intervals allow for it.",
        alt="Densities of the distance between two images of each set, with the mean and its interval below each.",
        tables=(table("Mean pairwise distance", header, rows, folded=True),),
    )


def _order(whole_sets: list[Ranked]) -> str:
    """Which whole set is most and which least varied, after the distances; empty for a single one."""
    order = superlatives(whole_sets, "least varied", "most varied", falling=True)
    return f". Of the whole sets, {order}" if order else ""


def _ratios(results: Results) -> str:
    """A sentence on the distance within groups; empty without groups."""
    if "fig3a_ratio" not in results.tables:
        return ""
    parts = []
    for row in records(results.tables["fig3a_ratio"]):
        parts.append(f"{row.set}: {interval(row.ratio, row.low, row.high)}")
    return f" Distance within a group over that between groups: {'; '.join(parts)}."


def describe_measures(results: Results) -> Section:
    """The most varied set by each other measure, where its interval overlaps no other's."""
    measures = results.tables["fig3b"]
    found = {name: _extremes(measures, name) for name in MEASURES}
    rows = []
    for row in records(measures):
        cells = [_marked(row, name, found[name]) for name in MEASURES]
        rows.append([row.set, *cells])
    header = ("Set", *MEASURES.values())
    return Section(
        figure="Fig 3b",
        title="Other measures of variation",
        claim=_most_varied(found, several=(measures["groups"] == 0).sum() > 1),
        basis=f"{plural(_images_of_each(measures), 'image')} of each set; entropy is the mean over "
        f"{number(int(measures['codebooks'].max()))} common codebooks of "
        f"{plural(int(measures['k'].max()), 'cluster')}; "
        "95% intervals from authors, artists and prompts where these are known, else from images; that of the entropy "
        "holds the chance of the codebooks too. Bold is the largest of the whole sets, italic the smallest, where its "
        "interval overlaps no other's.",
        paper="Given only in an image.",
        differs="PMV is the geometric mean of the standard deviations, as a plain product of 768 of them is zero to a "
        "computer. The Vendi score, the effective number of different images, is ours. Values within groups are of "
        "small samples and not comparable with whole sets.",
        tables=(table("Variation of each set", header, rows),),
    )


def _extremes(measures: pd.DataFrame, name: str) -> Extremes:
    """The least and the most varied whole set by one measure, as far as intervals tell."""
    ranked = []
    for row in records(measures[measures["groups"] == 0]):
        ranked.append(Ranked(row.set, *_limits(row, name)))
    return extremes(ranked)


def _limits(row: Any, name: str) -> tuple[float, float, float]:
    """A measure and the limits of its interval."""
    return tuple(getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))


def _most_varied(found: Mapping[str, Extremes], several: bool) -> str:
    """The claim: of several sets, what is most varied by which measure, and by which measures that cannot be told."""
    if not several:
        return "A single set: there is none to compare it with."
    most, untold = [], []
    for name, label in MEASURES.items():
        largest = found[name].largest
        if largest is None:
            untold.append(label)
        else:
            most.append(f"{label}: {largest}")
    sentences = []
    if most:
        sentences.append(f"Most varied by {listed(most)}.")
    if untold:
        sentences.append(f"No set is apart from all others by {listed(untold)}.")
    return " ".join(sentences)


def _marked(row: Any, name: str, found: Extremes) -> Cell:
    """A measure with its interval, bold or italic where the whole set is the most or the least varied."""
    text = interval(*_limits(row, name))
    if not row.groups and row.set == found.smallest:
        return Cell(text, mark="min")
    if not row.groups and row.set == found.largest:
        return Cell(text, mark="max")
    return Cell(text)


# ------------------------------------------------------------------ what they need

FIG3AB = Figure(
    "fig3ab",
    compute_variation,
    needs=("embedding",),
    parts={label: (f"@{role}.group",) for label, role in GROUPS.items()},
)
DISTANCES = Chapter(describe_distances, (FIG3AB,), draw=draw_distances)
OTHER_MEASURES = Chapter(describe_measures, (FIG3AB,))
