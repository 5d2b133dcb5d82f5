"""Beside Fig 4c: whether people's groups and keywords follow the clusters. The paper tells it in words."""

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inference.blocks import (
    effective_blocks_of,
    few_note,
    unknown_note,
)
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owners_of_images
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    p_value,
    percent,
    percents,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.core.progress import notice

MEASURES = {
    "ari": "groups (ARI)",
    "homogeneity": "homogeneity",
    "completeness": "completeness",
    "keywords": "keywords (Jaccard, same less other cluster)",
}
HALF = 0.5  # of the pairs of images


def compute_concordance(data: Inputs, settings: Settings) -> Result:
    """Whether people's groups and keywords follow the clusters, and one another's groups.

    Tables: `concordance`, a row per annotator and measure; `concordance_annotators`, a row per two annotators;
    `concordance_ami`, adjusted mutual information; `clusters_seen`, which clusters people split and which two they
    merge; `cluster_keywords`, people's words for each cluster.
    Values: `concordance/ANNOTATOR/MEASURE`, `annotators/ANNOTATOR_A/ANNOTATOR_B`, `ami/A/B`, `seen/A/B`.
    """
    from twigma.analysis.inputs.annotation_sheets import filled_sheets
    from twigma.analysis.measurement.agreement import (
        mutual_information,
        split_and_merged,
    )
    from twigma.analysis.themes.concordance import between_annotators, concordance

    assert data.sheets is not None  # "sheets" is needed
    filled, remarks = filled_sheets(data.sheets)
    for remark in remarks:
        notice(f"{data.sheets}: {remark}")
    authors = owners_of_images(data.images, filled["image_name"])
    if authors is not None:
        filled["owner"] = authors
    scores = concordance(filled, seed=settings.seed)
    between = between_annotators(filled)
    values = entries(scores, "concordance", ["annotator", "measure"], "value")
    values |= entries(between, "annotators", ["annotator_a", "annotator_b"], "value")
    information = mutual_information(filled)
    values |= entries(information, "ami", ["a", "b"], "value")
    seen = split_and_merged(filled)
    values |= entries(seen, "seen", ["cluster", "other"], "value")
    return Result(
        n=filled["item"].nunique(),
        tables={
            "concordance": scores,
            "concordance_annotators": between,
            "concordance_ami": information,
            "clusters_seen": seen,
            "cluster_keywords": keywords_of_clusters(filled),
        },
        values=values,
        notes=(*remarks, *_owner_notes(filled, data.images.name)),
    )


def _owner_notes(filled: pd.DataFrame, name: str) -> tuple[str, ...]:
    """That the authors of the images on the sheets are not known, or few; empty otherwise."""
    if "owner" not in filled:
        return (unknown_note([name]),)
    owner = filled.drop_duplicates("item")["owner"]
    note = few_note({"the sheets": effective_blocks_of(owner, len(owner))})
    return (note,) if note else ()


def keywords_of_clusters(filled: pd.DataFrame) -> pd.DataFrame:
    """People's words for each cluster, those first that most of them gave, and of most images.

    Parameters
    ----------
    filled : (annotator, item, cluster, group, keywords), a row per image and annotator.

    Returns
    -------
    DataFrame (cluster, word, annotators, images).
    """
    words = filled.explode("keywords").dropna(subset=["keywords"])
    by_word = words.groupby(["cluster", "keywords"])
    counts = by_word.agg(
        annotators=("annotator", "nunique"), images=("item", "nunique")
    )
    counts = counts.rename_axis(["cluster", "word"]).reset_index()
    order = ["cluster", "annotators", "images", "word"]
    ascending = [True, False, False, True]
    return counts.sort_values(order, ascending=ascending, ignore_index=True)


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
        f"{listed(agreement)}. {_split_and_merged(results.tables['clusters_seen'])}",
        basis=f"{plural(n, 'image')}; 95% intervals by the jackknife over authors where these are known, else over "
        "images, so of these annotators and not of people in general; p by permutation of the clusters, those of an "
        "author together.",
        paper="Four annotators, ten images of each of ten clusters; agreement is told in words.",
        differs="The measures are ours. Keywords are compared in the singular, by their ending alone.",
        tables=(
            _scores_table(scores),
            _between_table(results.tables["concordance_annotators"]),
            _information_table(results.tables["concordance_ami"]),
            _seen_table(results.tables["clusters_seen"]),
        ),
    )


def _split_and_merged(seen: pd.DataFrame) -> str:
    """The clusters that people split, and merge, in most pairs of images: where the interval is above one half."""
    sure = seen[seen["low"] > HALF]
    is_split = sure["cluster"] == sure["other"]
    split = [str(name) for name in sure.loc[is_split, "cluster"]]
    merged = [f"{row.cluster} with {row.other}" for row in records(sure[~is_split])]
    return f"These annotators split the clusters: {listed(split)}; they merge: {listed(merged)}."


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


def _information_table(information: pd.DataFrame) -> Table:
    rows = []
    for row in records(information):
        value = interval(row.value, row.low, row.high)
        rows.append((row.a, row.b, value, row.n))
    header = ("Annotator", "Against", "Value [95%]", "n")
    caption = "Adjusted mutual information of the groups (0 chance, 1 the same)"
    return table(caption, header, rows, folded=True)


def _seen_table(seen: pd.DataFrame) -> Table:
    rows = []
    for row in records(seen):
        value = percents(row.value, row.low, row.high)
        pair = f"{row.cluster} and {row.other}, merged"
        if row.cluster == row.other:
            pair = f"{row.cluster}, split"
        single = f"{percent(row.least)} to {percent(row.most)}"
        alpha = interval(row.alpha, row.alpha_low, row.alpha_high)
        rows.append((pair, value, single, alpha, row.n))
    header = (
        "Cluster",
        "Pairs of images [95%]",
        "Single annotators",
        "Alpha of the pairs [95%]",
        "n",
    )
    return table("Clusters that people split or merge", header, rows, folded=True)


CONCORDANCE = Figure("concordance", compute_concordance, needs=("sheets",))
ANNOTATORS = Chapter(describe_concordance, (CONCORDANCE,))
