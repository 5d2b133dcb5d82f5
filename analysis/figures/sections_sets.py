"""What the report says of the sets of images (Fig 2a to 2c, Fig 3); `twigma report` prints it."""

from typing import Any

import pandas as pd

from twigma.analysis.page import drawing
from twigma.analysis.page.formatting import (
    Cell,
    Table,
    interval,
    listed,
    number,
    p_value,
    percent,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper import stated as paper


def maps(found: Results) -> Section:
    """Fig 2a."""
    overlaps = found.tables["fig2a_overlap"]
    ours = overlaps[overlaps["set_a"] == overlaps["set_a"].iloc[0]].sort_values(
        "overlap", ascending=False
    )
    rows = [(r.set_a, r.set_b, r.overlap) for r in records(overlaps)]
    most, least = ours.iloc[0], ours.iloc[-1]
    contrast = (
        ""
        if len(ours) < 2
        else f", least with {least['set_b']} ({number(least['overlap'], 2)})"
    )
    return Section(
        "Fig 2a",
        "All sets on one map",
        f"On the map, {most['set_a']} overlaps most with {most['set_b']} ({number(most['overlap'], 2)}){contrast}; "
        "0 is apart, 1 the same.",
        f"{number(int(overlaps['n'].iloc[0]))} images of each set; no interval.",
        "TWIGMA and DiffusionDB overlap much, LAION, TWIGMA and ArtBench hardly; no number stated.",
        "Overlap is the integral of the smaller of two kernel densities. The map is linear (two principal components) "
        "unless UMAP was asked for.",
        drawing.fig2a(found.tables),
        "Scatter plots of the shared map, one panel for each set with the other sets in grey.",
        (
            table(
                "Overlap of every two sets", ("Set", "Other set", "Overlap"), rows, True
            ),
        ),
    )


def clusters(found: Results) -> Section:
    """Fig 2b."""
    shares = found.tables["fig2b"]
    wide = shares.pivot(index="set", columns="cluster", values="share").loc[
        list(dict.fromkeys(shares["set"]))
    ]
    first = wide[wide.columns[0]].sort_values(ascending=False)
    parts = [f"{percent(share)} of {name}" for name, share in first.items()]
    rows = [
        (name, *(percent(float(share)) for share in row))
        for name, *row in records(wide.reset_index())
    ]
    return Section(
        "Fig 2b",
        "Four clusters of all images",
        f"Cluster {wide.columns[0]} holds {listed(parts)}.",
        f"k-means with 4 clusters on {number(found.figures['fig2b']['n'])} images of each set; no interval.",
        "Cluster 1 is mostly LAION; AI images are in clusters 2 to 4; no number stated.",
        "Equal samples of every set; k-means++ starts, ten runs and all points, where FAISS's defaults train on "
        "a sample and from one random start.",
        drawing.fig2b(found.tables),
        "Stacked bars: the share of each set's images in each of four clusters.",
        (
            table(
                "Share of each set in each cluster",
                ("Set", *(f"Cluster {c}" for c in wide.columns)),
                rows,
                True,
            ),
        ),
    )


def divergence(found: Results) -> Section:
    """Fig 2c."""
    kl = found.tables["fig2c"].query("mode == 'robust'")
    recipe = [found.interval(f"kl_paper/{r.row}/{r.column}") for r in records(kl)]
    ours = kl[kl["row"] == kl["row"].iloc[0]].sort_values("kl")
    stated = {f"{p}‖{q}": value for (p, q), value in paper.KL.items()}
    header = (
        "P (row)",
        "Q (column)",
        "KL(P‖Q) [95%]",
        "Unsmoothed",
        "Empty bins",
        "Noise floor",
        "Paper's recipe",
        "Paper",
    )
    rows = [
        [
            r.row,
            r.column,
            interval(r.kl, r.low, r.high),
            r.kl_raw,
            r.empty_bins,
            r.noise_floor,
            text,
            stated.get(pair),
        ]
        for r, text in zip(records(kl), recipe, strict=True)
        for pair in [f"{r.row}‖{r.column}"]
    ]
    nearest = ours.iloc[0]
    return Section(
        "Fig 2c",
        "Divergence of the sets",
        f"Of the reference sets, {nearest['column']} is nearest to {nearest['row']}: "
        f"KL {interval(nearest['kl'], nearest['low'], nearest['high'])} nats.",
        f"{number(int(kl['n'].max()))} images of each set, {number(int(kl['k'].max()))} clusters; "
        "95% intervals by the delta method.",
        f"KL(LAION‖ArtBench) = {number(paper.KL['photographs', 'paintings'])}; other entries are only in an image.",
        "The MAUVE recipe with Krichevsky–Trofimov smoothing and better k-means starts; the unsmoothed value and the "
        "paper's own starts stand beside it. A value at the noise floor is what two samples of one set would give.",
        drawing.fig2c(found.tables),
        "Heat map of the divergence of every ordered pair of sets; the table below gives the numbers.",
        (table("KL of every ordered pair, in nats", header, rows), *_estimators(found)),
    )


def _estimators(found: Results) -> list[Table]:
    """Other divergences of the same pairs, when the analysis was thorough."""
    if "fig2c_sensitivity" not in found.tables:
        return []
    rows = [
        (r.row, r.column, r.measure, r.smoothing, r.k or None, r.value)
        for r in records(found.tables["fig2c_sensitivity"])
    ]
    header = ("P (row)", "Q (column)", "Measure", "Smoothing", "Clusters", "Value")
    return [table("Other divergences and estimators", header, rows, folded=True)]


def distance(found: Results) -> Section:
    """Fig 3a."""
    means = records(found.tables["fig3a"].sort_values("value", ascending=False))
    ratios = (
        records(found.tables["fig3a_ratio"]) if "fig3a_ratio" in found.tables else []
    )
    held = [f"{r.set}: {interval(r.ratio, r.low, r.high)}" for r in ratios]
    within = (
        f" Distance within a group over that between groups: {'; '.join(held)}."
        if held
        else ""
    )
    order = listed([f"{r.set} ({number(r.value)})" for r in means])
    rows = [
        (r.set, interval(r.value, r.low, r.high), r.groups or None, r.n) for r in means
    ]
    return Section(
        "Fig 3a",
        "Variation within each set",
        f"From most to least varied, by the mean distance of two images: {order}.{within}",
        f"{number(max(r.n for r in means))} images of each set; 95% intervals from authors, artists and prompts where "
        "these are known, else from images.",
        f"LAION most, then ArtBench, DiffusionDB, TWIGMA; same prompt to different prompt ≈ {paper.SAME_PROMPT_RATIO}.",
        "Equal samples of every set; groups count the same whatever their size. Pairs that share an image are not "
        "independent, and the intervals allow for it.",
        drawing.fig3a(found.tables),
        "Mean distance between two images of each set, with intervals.",
        (
            table(
                "Mean pairwise distance",
                ("Set", "Distance [95%]", "Groups", "n"),
                rows,
                True,
            ),
        ),
    )


def variation(found: Results) -> Section:
    """Fig 3b."""
    measures = {
        "iev": "IEV",
        "pmv": "PMV",
        "entropy": "Entropy (nats)",
        "vendi": "Vendi score",
    }
    table_ = found.tables["fig3b"]
    sets = table_[table_["groups"] == 0]
    most = {name: sets.sort_values(name)["set"].iloc[-1] for name in measures}
    rows = [
        [r.set, *(_marked(r, name, sets[name]) for name in measures)]
        for r in records(table_)
    ]
    return Section(
        "Fig 3b",
        "Other measures of variation",
        f"Most varied by {listed([f'{label}: {most[name]}' for name, label in measures.items()])}.",
        f"{number(int(table_['n'].max()))} images of each set; entropy over {number(int(table_['k'].max()))} common "
        "clusters; 95% intervals. Bold is the largest of the whole sets, italic the smallest.",
        "Given only in an image.",
        "PMV is the geometric mean of the standard deviations, as a plain product of 768 of them is zero to a "
        "computer. The Vendi score, the effective number of different images, is ours. Values within groups are of "
        "small samples and not comparable with whole sets.",
        tables=(table("Variation of each set", ("Set", *measures.values()), rows),),
    )


def _marked(row: Any, name: str, column: pd.Series) -> Cell:
    """A measure with its interval, bold or italic when it is the extreme of the whole sets."""
    value = getattr(row, name)
    text = interval(value, getattr(row, f"{name}_low"), getattr(row, f"{name}_high"))
    extreme = (
        {column.max(): "max", column.min(): "min"}
        if row.groups == 0 and len(column) > 1
        else {}
    )
    return Cell(text, mark=extreme.get(value, ""))


def beyond(found: Results) -> Section:
    """Kernel distances, shared manifolds and hubs."""
    kernel, shared, hubs = (
        found.tables[f"set_{name}"] for name in ("distance", "manifold", "hubness")
    )
    ours = kernel[
        (kernel["metric"] == "cmmd") & (kernel["set_a"] == kernel["set_a"].iloc[0])
    ].sort_values("value")
    near, far = ours.iloc[0], ours.iloc[-1]
    contrast = (
        ""
        if len(ours) < 2
        else f", {far['set_b']} farthest ({interval(far['value'], far['low'], far['high'])})"
    )
    distances = [
        (
            r.set_a,
            r.set_b,
            r.metric.upper(),
            interval(r.value, r.low, r.high),
            r.noise_95,
            p_value(r.p),
        )
        for r in records(kernel)
    ]
    wide = shared.assign(
        text=[interval(r.value, r.low, r.high) for r in records(shared)]
    )
    wide = wide.pivot(
        index=["reference", "set", "coverage_same"], columns="metric", values="text"
    ).reset_index()
    lies = wide[
        [
            "reference",
            "set",
            "precision",
            "recall",
            "density",
            "coverage",
            "coverage_same",
        ]
    ]
    skew = [
        (
            r.reference,
            interval(r.value, r.low, r.high),
            r.largest,
            percent(r.never),
            r.k,
        )
        for r in records(hubs)
    ]
    return Section(
        "Sets",
        "Distances between the sets, beyond the paper",
        f"By CMMD, {near['set_b']} is nearest to {near['set_a']} "
        f"({interval(near['value'], near['low'], near['high'])}){contrast}; two samples of one set give up to "
        f"{number(near['noise_95'])}.",
        f"{number(int(kernel['n'].max()))} images of each set; 95% intervals from blocks of them; "
        f"p by random division. Balls reach to the {number(int(shared['k'].max()))}th neighbour, among "
        f"{number(int(shared['n'].max()))} images of each set.",
        "Not in the paper.",
        "KID and CMMD (in thousandths) are unbiased and may be below zero. Density is 1, and coverage as in the last "
        "column, for two samples of one set. Skewness above 1 says that a few reference images are near to very many.",
        tables=(
            table(
                "Kernel distances",
                ("Set", "Other set", "Metric", "Value [95%]", "Noise (95%)", "p"),
                distances,
            ),
            table(
                "How much of a set lies where a reference does",
                (
                    "Reference",
                    "Set",
                    "Precision",
                    "Recall",
                    "Density",
                    "Coverage",
                    "Coverage if the same",
                ),
                lies.to_numpy(object).tolist(),
                True,
            ),
            table(
                "Hubs among the reference images",
                (
                    "Reference",
                    "Skewness [95%]",
                    "Largest hub",
                    "Never near",
                    "Neighbours",
                ),
                skew,
                True,
            ),
        ),
    )


def prompts(found: Results) -> Section:
    """Fig 3c."""
    tau = found.values["prompt_tau"]
    sense = "more" if tau["value"] < 0 else "less"
    sure = "" if tau["p"] < 0.05 else ", but not beyond chance"
    return Section(
        "Fig 3c",
        "Length of the prompt",
        f"Images of longer prompts are {sense} alike{sure}: "
        f"Kendall's τ {interval(tau['value'], tau['low'], tau['high'])} ({p_value(tau['p'])}).",
        f"{number(tau['n'])} prompts with 10 images each; Fieller's 95% interval.",
        f"τ = {number(paper.PROMPT_TAU, 1)}, {p_value(paper.PROMPT_TAU_P)}.",
        "Ten images of every prompt: with fewer, noise in the distance hides part of the correlation.",
        drawing.fig3c(found.tables),
        "Scatter plot of the mean distance between the images of a prompt against its number of words.",
    )
