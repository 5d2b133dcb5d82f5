"""Fig 3a and 3b: how varied the images of each set are."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.blocks import FEW
from twigma.analysis.inference.ranking import (
    RULE,
    Extremes,
    Ranked,
    extremes,
    superlatives,
)
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.requirements import (
    Result,
    Settings,
    entries,
    missing_requirements,
)
from twigma.analysis.page.drawing import COLOURS, axes, interval_bars
from twigma.analysis.page.formatting import Cell, interval, listed, number, table
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Grouped = tuple[NDArray[np.float32], NDArray[Any]]  # embedding [n, d] and group [n]
GROUPS = {"same artist": "paintings", "same prompt": "prompts"}  # by role
BLOCKS = {"author_id": "author", "group": "artist or prompt"}  # by column
MEASURES = {
    "iev": "IEV",
    "pmv": "PMV",
    "entropy": "Entropy (nats)",
    "vendi": "Vendi score",
}

# ------------------------------------------------------------------ computed


def compute_variation(data: Inputs, settings: Settings) -> Result:
    """Mean pairwise distance, IEV, PMV, entropy and Vendi score of the sets, and within artists and prompts.

    Tables: `fig3a` (set, value, low, high, groups, blocks, n), the distances; `fig3b`, a row per set and a column per
    measure; `fig3a_ratio` (set, ratio, low, high), distance within a group over that between groups.
    Values: `MEASURE/SET`, `ratio/same artist`, `ratio/same prompt`.
    """
    from twigma.analysis.variation.groups import same_different_ratio
    from twigma.analysis.variation.spread import METRICS, variation_table

    groups = grouped_sets(data, settings)
    measures = variation_table(
        data.sets(), groups, seed=settings.seed, blocks=dependent_blocks(data)
    )
    long = [_one_measure(measures, name) for name in METRICS]
    values = entries(pd.concat(long), "", ["metric", "set"], "value")
    distances = _one_measure(measures, "distance").drop(columns="metric")
    tables = {"fig3a": distances, "fig3b": measures}
    if groups:
        ratios = []
        for label, (embedding, group) in groups.items():
            ratio = same_different_ratio(embedding, group, seed=settings.seed)
            ratios.append(ratio.assign(set=label))
        tables["fig3a_ratio"] = pd.concat(ratios, ignore_index=True)
        values |= entries(tables["fig3a_ratio"], "ratio", ["set"], "ratio")
    n = int(measures["n"].max())
    return Result(n, tables, values, thinning_notes(data.images))


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


def dependent_blocks(data: Inputs) -> dict[str, NDArray[np.object_]]:
    """By set, the label [n] of the images that may depend on one another: their author, artist or prompt.

    An image whose author is unknown is a block of its own. Sets of a single block are left out, with a warning: they
    have no interval over blocks. Few blocks are warned of, too.
    """
    blocks = {}
    for images in (data.images, *data.references.values()):
        column = "author_id" if images is data.images else "group"
        if images.has(column) and len(images.rows):
            labels = _block_labels(images, column)
            count = len(set(labels))
            if count > 1:
                blocks[images.name] = labels
            if count < FEW:
                warnings.warn(_few_blocks(images.name, column, count), stacklevel=2)
    return blocks


def _few_blocks(name: str, column: str, count: int) -> str:
    """What few independent units do to the intervals of a set, for the reader."""
    if count == 1:
        return (
            f"All images of {name} have one {BLOCKS[column]}: their intervals take images as independent, and are "
            "too narrow if they are not."
        )
    return (
        f"The intervals of {name} come from {count} different values of {BLOCKS[column]} only; below {FEW} "
        "they may be too narrow."
    )


def _block_labels(images: Images, column: str) -> NDArray[np.object_]:
    names = pd.Series(images.thinned(images.values(column)), dtype=object)
    alone = names.index.astype(str) + " alone"
    return np.asarray(names.where(names.notna(), alone))


# ------------------------------------------------------------------ drawn


def draw_distances(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The mean distance of each set with its interval."""
    distances = tables["fig3a"]
    place = range(len(distances))
    figure, ax = axes(into=into, height=0.4 * len(distances) + 1.0)
    bars = interval_bars(distances, "value")
    ax.errorbar(
        distances["value"], place, xerr=bars, fmt="o", color=COLOURS[0], capsize=3
    )
    ax.set_yticks(place, distances["set"])
    ax.invert_yaxis()
    ax.set(xlabel="Mean distance between two images (0 same, 2 opposite)")
    return figure


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
    header = ("Set", "Distance [95%]", "Groups", "Authors, artists or prompts", "n")
    ratio = stated.SAME_PROMPT_RATIO
    return Section(
        figure="Fig 3a",
        title="Variation within each set",
        claim=f"Mean distance of two images: {listed(parts)}{_order(ranked)}.{_ratios(results)}",
        basis=f"{number(max(row.n for row in means))} images of each set; 95% intervals from authors, artists and "
        f"prompts where these are known, else from images; {RULE}.",
        paper=f"LAION most, then ArtBench, DiffusionDB, TWIGMA; same prompt to different prompt ≈ {ratio}.",
        differs="Equal samples of every set; groups count the same whatever their size. Pairs that share an image are "
        "not independent, and the intervals allow for it.",
        alt="Mean distance between two images of each set, with intervals.",
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
        claim=_most_varied(found),
        basis=f"{number(int(measures['n'].max()))} images of each set; entropy is the mean over "
        f"{number(int(measures['codebooks'].max()))} common codebooks of {number(int(measures['k'].max()))} clusters; "
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


def _most_varied(found: Mapping[str, Extremes]) -> str:
    """The claim: what is most varied by which measure, and by which measures that cannot be told."""
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
