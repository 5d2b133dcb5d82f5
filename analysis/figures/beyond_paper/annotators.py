"""Beside Fig 4c: whether people's groups and keywords follow the clusters. The paper tells it in words."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    number,
    p_value,
    table,
)
from twigma.analysis.page.section import Results, Section, records

MEASURES = {
    "ari": "groups (ARI)",
    "homogeneity": "homogeneity",
    "completeness": "completeness",
    "keywords": "keywords (Jaccard, same less other cluster)",
}


def compute_concordance(data: Inputs, settings: Settings) -> Result:
    """Whether people's groups and keywords follow the clusters, and one another's groups.

    Tables: `concordance`, a row per annotator and measure; `concordance_annotators`, a row per two annotators.
    Values: `concordance/ANNOTATOR/MEASURE`, `annotators/ANNOTATOR_A/ANNOTATOR_B`.
    """
    from twigma.analysis.inputs.annotation_sheets import read_sheets
    from twigma.analysis.themes.concordance import between_annotators, concordance

    assert data.sheets is not None  # "sheets" is needed
    filled = read_sheets(data.sheets)
    scores = concordance(filled, seed=settings.seed)
    between = between_annotators(filled)
    values = entries(scores, "concordance", ["annotator", "measure"], "value")
    values |= entries(between, "annotators", ["annotator_a", "annotator_b"], "value")
    return Result(
        n=filled["item"].nunique(),
        tables={"concordance": scores, "concordance_annotators": between},
        values=values,
    )


def describe_concordance(results: Results) -> Section:
    """The agreement of each annotator with the clusters."""
    scores = results.tables["concordance"]
    agreement = []
    for row in records(scores[scores["measure"] == "ari"]):
        ari = interval(row.value, row.low, row.high)
        agreement.append(f"{ari} ({row.annotator})")
    n = results.figures["concordance"]["n"]
    return Section(
        figure="Fig 4c",
        title="People and the clusters",
        claim="Agreement of people's groups with the clusters, by the adjusted Rand index (0 chance, 1 the same): "
        f"{listed(agreement)}.",
        basis=f"{number(n)} images; 95% intervals by the jackknife over images, p by permutation of the clusters.",
        paper="Four annotators, ten images of each of ten clusters; agreement is told in words.",
        differs="The measures are ours. Keywords are compared in the singular, by their ending alone.",
        tables=(
            _scores_table(scores),
            _between_table(results.tables["concordance_annotators"]),
        ),
    )


def _scores_table(scores: pd.DataFrame) -> Table:
    rows = []
    for row in records(scores):
        value = interval(row.value, row.low, row.high)
        measure = MEASURES[row.measure]
        p = p_value(row.p)
        rows.append((row.annotator, measure, value, row.noise_975, p, row.n))
    header = ("Annotator", "What", "Value [95%]", "Chance (97.5%)", "p", "n")
    return table("Annotators against the clusters", header, rows)


def _between_table(between: pd.DataFrame) -> Table:
    rows = between.to_numpy(object).tolist()
    header = ("Annotator", "Other annotator", "Value", "n")
    caption = "Annotators against one another (ARI)"
    return table(caption, header, rows, folded=True)


CONCORDANCE = Figure("concordance", compute_concordance, needs=("sheets",))
ANNOTATORS = Chapter(describe_concordance, (CONCORDANCE,))
