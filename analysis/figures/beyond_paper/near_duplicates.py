"""Fig 3a and 3b with and without near duplicates."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.figures.fig3_variation import grouped_sets
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import interval_notes, owners_for_intervals
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    number,
    percent,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records

HEADER = (
    "Set",
    "Measure",
    "With [95%]",
    "Without [95%]",
    "Near duplicates",
    "Looked at",
    "n",
)


def compute_near_duplicates(data: Inputs, settings: Settings) -> Result:
    """The numbers of Fig 3a and 3b with and without near duplicates.

    Table: `near_duplicates`, a row per set and measure; `without` is the estimate without them, of as many images.
    Values: `near_duplicates/MEASURE/SET`, the estimate without them.
    """
    from twigma.analysis.variation.duplicate_sensitivity import near_duplicates

    compared = near_duplicates(
        data.sets(),
        grouped_sets(data, settings),
        seed=settings.seed,
        blocks=owners_for_intervals(data),
    )
    return Result(
        n=_images_of_each(compared),
        tables={"near_duplicates": compared},
        values=entries(compared, "near_duplicates", ["metric", "set"], "without"),
        notes=(*thinning_notes(data.images), *interval_notes(data, data.sets())),
    )


def _images_of_each(compared: pd.DataFrame) -> int:
    """Images of the sample of each set; of groups, which have samples of their own, there is the distance alone."""
    return int(compared.loc[compared["metric"] != "distance", "drawn"].max())


def describe_near_duplicates(results: Results) -> Section:
    """How many near duplicates there are, and which numbers they move."""
    compared = results.tables["near_duplicates"]
    near = number(float(compared["near"].iloc[0]), 4)
    return Section(
        figure="Fig 3a, b",
        title="With and without near duplicates",
        claim=_claim(compared),
        basis=f"Cosine above {near} among {plural(_images_of_each(compared), 'image')} of each set; both estimates "
        "are of equally many images. Sets without any are as in Fig 3a and 3b.",
        paper="Not in the paper; it drops images of identical embedding alone.",
        differs="A release has dropped its own near duplicates unless it was asked to keep them.",
        tables=_tables(compared),
    )


def _claim(compared: pd.DataFrame) -> str:
    shares = []
    for row in records(compared.drop_duplicates("set")):
        if row.removed:
            shares.append(f"{percent(row.removed / row.drawn)} of {row.set}")
    if not shares:
        return "No set has near duplicates among its images here."
    below = compared["value"] < compared["without_low"]
    above = compared["value"] > compared["without_high"]
    outside = [f"{row.metric} of {row.set}" for row in records(compared[below | above])]
    if not outside:
        return f"Near duplicates are {listed(shares)}; no number leaves its interval."
    return f"Near duplicates are {listed(shares)}; without them these leave the interval: {listed(outside)}."


def _tables(compared: pd.DataFrame) -> tuple[Table, ...]:
    """The sets with near duplicates; no table where there are none."""
    rows = []
    for row in records(compared[compared["removed"] > 0]):
        rows.append(
            (
                row.set,
                row.metric,
                interval(row.value, row.low, row.high),
                interval(row.without, row.without_low, row.without_high),
                row.removed,
                row.drawn,
                row.n,
            )
        )
    if not rows:
        return ()
    caption = "Variation with and without near duplicates"
    return (table(caption, HEADER, rows, folded=True),)


FIGURE = Figure("near_duplicates", compute_near_duplicates, needs=("embedding",))
NEAR_DUPLICATES = Chapter(describe_near_duplicates, (FIGURE,))
