"""Distances between the sets beside Fig 2: kernel distances, shared manifolds, hubs."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import RULE, Ranked, superlatives
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owner_notes, owners
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    counted,
    interval,
    listed,
    number,
    p_value,
    percent,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records

MANIFOLD_HEADER = (
    "Reference",
    "Set",
    "Precision",
    "Recall",
    "Density",
    "Coverage",
    "Coverage if the same",
)

SCALES = {"kid": 1000.0, "cmmd": 1.0}  # to thousandths, in which CMMD is stated

# ------------------------------------------------------------------ computed


def compute_set_metrics(data: Inputs, settings: Settings) -> Result:
    """KID, CMMD, precision, recall, density and coverage of the sets, and hubs of each reference set.

    Tables: `set_distance`, a row per metric and pair; `set_manifold`, a row per metric, reference and set;
    `set_hubness`, a row per reference.
    Values: `METRIC/SET_A/SET_B`, `METRIC/REFERENCE/SET`, `hubness/REFERENCE`.
    """
    from twigma.analysis.comparison.hubness import hubness
    from twigma.analysis.comparison.kernel_distance import kernel_distances
    from twigma.analysis.comparison.manifold import manifolds

    sets, blocks = data.sets(), owners(data)
    distances = kernel_distances(sets, seed=settings.seed, blocks=blocks)
    manifold = manifolds(sets, seed=settings.seed, blocks=blocks)
    notes = (*thinning_notes(data.images), *owner_notes(data, sets))
    ours = sets.pop(data.images.name)
    hubs = []
    for name, x in sets.items():
        skewness = hubness(
            ours,
            x,
            seed=settings.seed,
            search=data.search,
            blocks=blocks.get(data.images.name),
        )
        hubs.append({"reference": name, **skewness})
    tables = {
        "set_distance": distances,
        "set_manifold": manifold,
        "set_hubness": pd.DataFrame(hubs),
    }
    values = entries(distances, "", ["metric", "set_a", "set_b"], "value")
    values |= entries(manifold, "", ["metric", "reference", "set"], "value")
    values |= entries(tables["set_hubness"], "hubness", ["reference"], "value")
    n = int(distances["n"].max())
    return Result(n, tables, values, notes)


# ------------------------------------------------------------------ described


def describe_set_metrics(results: Results) -> Section:
    """How far every other set is from ours by CMMD, the nearest and the farthest as far as intervals tell."""
    distances = results.tables["set_distance"]
    manifold = results.tables["set_manifold"]
    ours = distances["set_a"].iloc[0]  # the studied set comes first
    cmmd = distances[(distances["metric"] == "cmmd") & (distances["set_a"] == ours)]
    parts, ranked = [], []
    for row in records(cmmd):
        parts.append(f"{row.set_b} {interval(row.all_pairs, row.low, row.high)}")
        ranked.append(Ranked(row.set_b, row.all_pairs, row.low, row.high))
    claim = f"CMMD from {ours} to {listed(parts)}"
    order = superlatives(ranked, "nearest", "farthest")
    if order:
        claim += f": {order}"
    noise = number(cmmd["noise_95"].max())
    return Section(
        figure="Sets",
        title="Distances between the sets, beyond the paper",
        claim=f"{claim}. Two samples of one set give up to {noise}.",
        basis=f"{plural(int(distances['n'].max()), 'image')} of each set; 95% intervals, noise and p from authors, "
        f"artists and prompts where these are known, else from images; {RULE}. Balls reach to the "
        f"{number(int(manifold['k'].max()))}th neighbour, among {plural(int(manifold['n'].max()), 'image')} of each "
        "set.",
        paper="Not in the paper.",
        differs="KID and CMMD are unbiased and may be below zero. The published "
        "estimators average over parts of the images; intervals are of all pairs of different owners, since images of "
        "one author would make any two sets look apart. Density is 1, and coverage as in "
        "the last column, for two samples of one set. Skewness above 1 says that a few reference images are near to "
        "very many.",
        tables=(
            _distances(distances),
            _manifold(manifold),
            _hubs(results.tables["set_hubness"]),
        ),
    )


def _distances(distances: pd.DataFrame) -> Table:
    rows = []
    for row in records(distances):
        scale = SCALES[row.metric]
        rows.append(
            (
                row.set_a,
                row.set_b,
                row.metric.upper(),
                scale * row.value,
                interval(scale * row.all_pairs, scale * row.low, scale * row.high),
                scale * row.noise_95,
                p_value(row.p),
                counted(row.blocks, not row.owners_unknown),
            )
        )
    header = (
        "Set",
        "Other set",
        "Metric",
        "Value × 10³",
        "All pairs × 10³ [95%]",
        "Noise (95%) × 10³",
        "p",
        "Owners",
    )
    return table("Kernel distances", header, rows)


def _manifold(manifold: pd.DataFrame) -> Table:
    """A row for each reference and set, a column for each metric."""
    keys = ["reference", "set", "coverage_same"]
    texts = [interval(row.value, row.low, row.high) for row in records(manifold)]
    wide = manifold.assign(text=texts).pivot(
        index=keys, columns="metric", values="text"
    )
    columns = [
        "reference",
        "set",
        "precision",
        "recall",
        "density",
        "coverage",
        "coverage_same",
    ]
    rows = wide.reset_index()[columns].to_numpy(object).tolist()
    caption = "How much of a set lies where a reference does"
    return table(caption, MANIFOLD_HEADER, rows, folded=True)


def _hubs(hubs: pd.DataFrame) -> Table:
    rows = []
    for row in records(hubs):
        skewness = interval(row.value, row.low, row.high)
        never = percent(row.never)
        queries = counted(row.blocks, row.owners_known)
        rows.append((row.reference, skewness, row.largest, never, row.k, queries))
    header = (
        "Reference",
        "Skewness [95%]",
        "Largest hub",
        "Never near",
        "Neighbours",
        "Owners",
    )
    return table("Hubs among the reference images", header, rows, folded=True)


# ------------------------------------------------------------------ what they need

SET_METRICS = Figure("set_metrics", compute_set_metrics, needs=("embedding", "@"))
SET_DISTANCES = Chapter(describe_set_metrics, (SET_METRICS,))
