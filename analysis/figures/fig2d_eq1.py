"""Eq (1), beside Fig 2d: likes regressed on similarity and followers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from twigma.analysis.figures.contract import (
    ROLES,
    Chapter,
    Figure,
    set_name,
    weighting_notes,
)
from twigma.analysis.figures.fig2d_likes import (
    doubt,
    mean_similarity,
)
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import COLOURS, GROUND, QUIET, axes
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    number,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.marks import (
    Look,
    draw_intervals,
    legend_of_panels,
    ratio_ticks,
    short_names,
)
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated
from twigma.analysis.paper.provenance import other_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

QUINTILE = "quintile "  # terms of the regression: "quintile 1" to "quintile 4"
BESIDE = 0.16  # how far right of ours other estimates are drawn, in quintiles

# ------------------------------------------------------------------ computed


def regression_on(role: str) -> Callable[[Inputs, Settings], Result]:
    """The function that computes Eq (1) for similarity to one role of reference."""

    def compute(data: Inputs, settings: Settings) -> Result:
        """Eq (1) as the paper prints it, and with standard errors that know about authors.

        Table: `eq1_ROLE` (mode, term, irr, low, high, se, p, n, …, set, paper), `paper` being the paper's ratio of
        images similar to that set. Values: `eq1/ROLE/MODE/TERM`, rate ratios.
        """
        from twigma.analysis.likes.eq1 import eq1

        variables = variables_of(data, settings, role)
        paper = eq1(**variables, mode="paper")
        robust = eq1(**variables, mode="robust")
        rates = pd.concat([paper, robust], ignore_index=True)
        known = {} if role in other_sets(data, settings) else _papers_ratios(role)
        papers = rates["term"].map(known).astype(float)
        return Result(
            n=int(rates["n"].max()),
            tables={
                f"eq1_{role}": rates.assign(set=getattr(settings, role), paper=papers)
            },
            values=entries(rates, f"eq1/{role}", ["mode", "term"], "irr"),
            notes=weighting_notes(data.images),
        )

    return compute


def _papers_ratios(role: str) -> dict[str, float]:
    """The paper's rate ratios of a role, by term."""
    ratios = {}
    for quintile, known in stated.EQ1[role].items():
        if known is not None:
            ratios[f"{QUINTILE}{quintile}"] = known[0]
    return ratios


def variables_of(data: Inputs, settings: Settings, role: str) -> dict[str, Any]:
    """The variables of Eq (1) by the name of `eq1`'s parameter, each [n], one value per image with an embedding."""
    from twigma.analysis.likes.quintiles import quintiles

    images = data.images
    weights = images.weights()
    similarity = mean_similarity(data, settings, role)
    return {
        "likes": images.values("like_count"),
        "followers": images.values("follower_count"),
        "quintile": quintiles(similarity, weights),
        "cluster": images.known_numbered("author_id"),
        "posts": images.numbered("id")[images.rows],
        "weights": weights,
    }


# ------------------------------------------------------------------ drawn


def draw_regression(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """Rate ratios of likes with both intervals, one panel for each reference."""
    roles = [role for role in ROLES if f"eq1_{role}" in tables]
    figure, panels = axes(
        1, len(roles), height=3.2, squeeze=False, sharey=True, into=into
    )
    for ax, role in zip(panels[0], roles, strict=True):
        _draw_rates(ax, tables[f"eq1_{role}"])
    panels[0][0].set(ylabel="Rate ratio of likes (log scale)")
    ratio_ticks(panels[0][0].yaxis)
    # The paper's ratios may be in one panel only.
    fullest = max(panels[0], key=lambda ax: len(ax.get_legend_handles_labels()[0]))
    legend_of_panels(figure, fullest)
    return figure


def _draw_rates(ax: "Axes", rates: pd.DataFrame) -> None:
    """The quintiles' rate ratios of one reference; the paper's where they are of the same set."""
    rates = rates[rates["term"].str.startswith(QUINTILE)]
    for mode, label, look, shift in (
        ("robust", "ours, robust", Look(COLOURS[0], "-", "o"), 0),
        ("paper", "ours, naive", Look(COLOURS[4], "-", "s"), BESIDE),
    ):
        rows = rates[rates["mode"] == mode]
        place = rows["term"].str.removeprefix(QUINTILE).astype(int)
        draw_intervals(
            ax, place - 1 + shift, rows, "irr", look=look, along="y", label=label
        )
    known = rates[(rates["mode"] == "robust") & rates["paper"].notna()]
    if len(known):
        place = known["term"].str.removeprefix(QUINTILE).astype(int)
        ax.plot(
            place - 1 - BESIDE,
            known["paper"],
            "D",
            mfc=GROUND,
            color=QUIET,
            label="paper",
        )
    ax.axhline(1, color=QUIET, lw=1)
    ax.set_yscale("log")
    ax.set_xticks(range(4), ["Q1", "Q2", "Q3", "Q4"])
    ax.set(xlim=(-0.5, 3.5), xlabel="Quintile, against Q5 (most similar)")
    (name,) = short_names([rates["set"].iloc[0]])
    ax.set_title(f"Similarity to {name}")


# ------------------------------------------------------------------ described


def describe_regression(results: Results) -> Section:
    """The rate ratio of the least similar images, and why the naive interval is too narrow."""
    roles = [role for role in ROLES if f"eq1_{role}" in results.figures]
    claims = []
    dispersions = []
    tables = []
    for role in roles:
        least = results.values[f"eq1/{role}/robust/quintile 1"]
        ratio = interval(least["value"], least["low"], least["high"])
        name = set_name(results, role)
        text = f"images least similar to {name} got {ratio} times the likes"
        claims.append(text + doubt(least["low"], least["high"]))
        dispersions.append(f"{number(least['dispersion'])} ({name})")
        tables.append(_rates(results, role))
    first = results.values[f"eq1/{roles[0]}/robust/quintile 1"]
    return Section(
        figure="Eq (1)",
        title="Likes, given followers",
        claim=f"Compared with the most similar fifth, {listed(claims)}.",
        basis=f"{plural(first['n'], 'image')}; Pearson dispersion {listed(dispersions)}, 1 for Poisson counts; "
        f"intervals {first['se_kind']}, by the jackknife over {plural(first['clusters'], 'cluster')}, which count for "
        f"quintile 1 as {number(first['effective_clusters'])} of equal weight.",
        paper="Printed beside ours in the table; its intervals are naive Poisson ones.",
        differs="The rate ratios are the paper's Poisson regression. Likes vary far more than Poisson counts and "
        "together within an author, so the naive interval is too narrow; the robust one leaves each author out in turn "
        "(CV3), with the t quantile of authors less one.",
        alt="Rate ratios of likes for quintiles 1 to 4 with naive and robust intervals, and the paper's values.",
        tables=tuple(tables),
    )


def _rates(results: Results, role: str) -> Table:
    """All terms of one regression; with the paper's ratios where these are of the same reference set."""
    rates = results.tables[f"eq1_{role}"]
    is_papers = rates["paper"].notna().any()
    naive = rates[rates["mode"] == "paper"].set_index("term")
    rows = []
    for row in records(rates[rates["mode"] == "robust"]):
        same = naive.loc[row.term]
        rows.append(
            (
                row.term,
                interval(row.irr, row.low, row.high),
                interval(same["irr"], same["low"], same["high"]),
                p_value(row.p),
                _stated_ratio(role, row.term) if is_papers else None,
            )
        )
    header = ("Term", "Rate ratio [95%, robust]", "Naive [95%]", "p (robust)", "Paper")
    caption = f"Eq (1) with similarity to {set_name(results, role)}; the reference is quintile 5 and under 500 "
    caption += "followers"
    return table(caption, header, rows)


def _stated_ratio(role: str, term: str) -> str | None:
    """The paper's rate ratio of a term; None where it states none."""
    if not term.startswith(QUINTILE):
        return None
    known = stated.EQ1[role].get(int(term.removeprefix(QUINTILE)))
    return None if known is None else interval(*known)


# ------------------------------------------------------------------ what they need

BY_AUTHOR = {"intervals by author": ("author_id",)}
NEEDS = ("embedding", "like_count", "follower_count")
EQ1 = tuple(
    Figure(f"eq1_{role}", regression_on(role), (*NEEDS, f"@{role}"), BY_AUTHOR)
    for role in ROLES
)
REGRESSION = Chapter(
    describe_regression,
    EQ1,
    draw=draw_regression,
)
