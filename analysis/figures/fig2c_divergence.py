"""Fig 2c: the Kullback–Leibler divergence of every ordered pair of sets."""

from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure, thinning_notes
from twigma.analysis.inference.ranking import RULE, Ranked, superlatives
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owner_notes, owners
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import ON_DARK, ON_PALE, axes
from twigma.analysis.page.formatting import (
    NONE,
    Table,
    counted,
    interval,
    listed,
    number,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.marks import LONGEST_NAME, short_names, width_of
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated
from twigma.analysis.paper.provenance import other_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

FEW_SETS = 6  # up to which fields have room for two decimals
DARK = 0.55  # of the largest value: from here on numbers are white
HEADER = (
    "P (row)",
    "Q (column)",
    "KL(P‖Q) [95%]",
    "Unsmoothed",
    "Empty bins",
    "Noise (95%)",
    "p",
    "Owners",
    "Paper's recipe",
    "Paper",
)

# ------------------------------------------------------------------ computed


def compute_divergence(data: Inputs, settings: Settings) -> Result:
    """Quantised KL between the sets, by our estimator and by the paper's.

    Table: `fig2c` (mode, row, column, kl, low, high, …, paper), `mode` "robust" for ours, then that of the paper's
    recipe; `paper` is what the paper states of these two sets.
    Values, in nats: `kl/ROW/COLUMN` (ours) and `kl_paper/ROW/COLUMN`.
    """
    from twigma.analysis.comparison.divergence import kl_matrix

    sets = data.sets()
    options: dict[str, Any] = {"seed": settings.seed, "blocks": owners(data)}
    robust = kl_matrix(sets, mode="robust", **options)
    paper = kl_matrix(sets, mode="paper", **options)
    values = entries(robust, "kl", ["row", "column"], "kl")
    values |= entries(paper, "kl_paper", ["row", "column"], "kl")
    rows = pd.concat([robust, paper], ignore_index=True)
    known = _stated(data, settings)
    pairs = zip(rows["row"], rows["column"], strict=True)
    rows["paper"] = [known.get(pair, np.nan) for pair in pairs]
    return Result(
        n=int(robust["n"].max()),
        tables={"fig2c": rows},
        values=values,
        notes=(*thinning_notes(data.images), *owner_notes(data, sets)),
    )


def _stated(data: Inputs, settings: Settings) -> dict[tuple[str, str], float]:
    """What the paper states, by the names that its sets have here."""
    others = other_sets(data, settings)
    found = {}
    for roles, kl in stated.KL.items():
        if not others.keys() & set(roles):
            row, column = (str(getattr(settings, role)) for role in roles)
            found[row, column] = kl
    return found


def compute_other_estimators(data: Inputs, settings: Settings) -> Result:
    """Other divergences and estimators of the same pairs; takes minutes. Table: `fig2c_sensitivity`."""
    from twigma.analysis.comparison.divergence_sensitivity import kl_sensitivity

    estimates = kl_sensitivity(data.sets(), seed=settings.seed)
    return Result(
        n=int(estimates["n"].max()),
        tables={"fig2c_sensitivity": estimates},
        notes=thinning_notes(data.images),
    )


# ------------------------------------------------------------------ drawn


def draw_divergence(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A heat map with the number of each pair in its field."""
    pairs = _robust(tables)
    names = list(dict.fromkeys([*pairs["row"], *pairs["column"]]))
    square = pairs.pivot(index="row", columns="column", values="kl")
    kl = square.reindex(index=names, columns=names).to_numpy(float)
    known = np.isfinite(kl)
    largest = max(kl[known].max(initial=0), np.finfo(float).tiny)
    figure, ax = axes(into=into, height=0.42 * len(names) + 1.7)
    cells = np.ma.masked_invalid(kl)
    ax.imshow(cells, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
    decimals, size = (2, 10) if len(names) <= FEW_SETS else (1, 9)
    for (i, j), value in np.ndenumerate(kl):
        if i == j or np.isnan(value):
            ax.text(j, i, NONE, ha="center", va="center")
            continue
        shade = ON_DARK if value > DARK * largest else ON_PALE
        text = f"{value:.{decimals}f}" if known[i, j] else "∞"
        ax.text(j, i, text, ha="center", va="center", color=shade, fontsize=size)
    _name_sets(ax, names)
    ax.grid(visible=False)
    ax.set(xlabel="Q, the column", ylabel="P, the row")
    return figure


def _name_sets(ax: "Axes", names: list[str]) -> None:
    """The sets beside the rows and below the columns; by letters below, where names have no room."""
    below = short_names(names)
    beside = below
    # Columns of text below each field.
    room = 50 // len(names)
    if max(map(width_of, below)) > room:
        letters = ascii_uppercase[: len(names)]
        shortened = short_names(names, LONGEST_NAME - 3)
        beside = []
        for letter, name in zip(letters, shortened, strict=True):
            beside.append(f"{letter}  {name}")
        below = list(letters)
    ax.set_xticks(range(len(names)), below)
    ax.set_yticks(range(len(names)), beside)


def _robust(tables: Tables) -> pd.DataFrame:
    """The pairs by our estimator."""
    pairs = tables["fig2c"]
    return pairs[pairs["mode"] == "robust"]


# ------------------------------------------------------------------ described


def describe_divergence(results: Results) -> Section:
    """How far every other set is from ours, the nearest as far as intervals tell, and which are infinitely far."""
    pairs = _robust(results.tables)
    stated_kl = number(stated.KL["photographs", "paintings"])
    caption = "KL of every ordered pair, in nats"
    return Section(
        figure="Fig 2c",
        title="Divergence of the sets",
        claim=_from_ours(pairs[pairs["row"] == pairs["row"].iloc[0]]),
        basis=f"{plural(int(pairs['n'].max()), 'image')} of each set, {plural(int(pairs['k'].max()), 'cluster')}; "
        "95% intervals and p from authors, artists and prompts where these are known, else by the delta method and "
        f"from images; {RULE}.",
        paper=f"KL(LAION‖ArtBench) = {stated_kl}; other entries are only in an image.",
        differs="The MAUVE recipe with Krichevsky–Trofimov smoothing and better k-means starts; the unsmoothed value "
        "and the paper's own starts stand beside it. Where the unsmoothed value is infinite, the smoothed one grows "
        "with the logarithm of the number of images: it says that the sets are apart, not how far. A value "
        "below the noise is what two samples of one set may give.",
        alt="Heat map of the divergence of every ordered pair of sets; the table below gives the numbers.",
        tables=(
            table(caption, HEADER, _rows(results, pairs)),
            *_other_estimators(results),
        ),
    )


def _from_ours(from_ours: pd.DataFrame) -> str:
    """The claim, from the pairs of our set with every other one."""
    ours = from_ours["row"].iloc[0]
    parts, ranked = [], []
    for pair in records(from_ours):
        parts.append(f"{pair.column} {interval(pair.kl, pair.low, pair.high)}")
        ranked.append(Ranked(pair.column, pair.kl, pair.low, pair.high))
    claim = f"KL in nats from {ours} to {listed(parts)}"
    order = superlatives(ranked, "nearest", "farthest")
    if order:
        claim += f": {order}"
    infinite = from_ours[np.isinf(from_ours["kl_raw"])]
    if len(infinite):
        parts = [f"{row.column} ({row.empty_column})" for row in records(infinite)]
        claim += (
            f". Unsmoothed it is infinite to {listed(parts)}, where clusters of {ours} are empty (how many), and the "
            "number depends on n"
        )
    return f"{claim}."


def _unsmoothed(pair: Any) -> str:
    """The unsmoothed divergence of a pair, and why it is infinite where it is."""
    if np.isfinite(pair.kl_raw):
        return number(pair.kl_raw)
    return f"infinite: {pair.empty_column} empty in {pair.column}"


def _rows(results: Results, pairs: pd.DataFrame) -> list[list[object]]:
    """Every pair by our estimator, by the paper's, and as the paper states it."""
    rows: list[list[object]] = []
    for pair in records(pairs):
        rows.append(
            [
                pair.row,
                pair.column,
                interval(pair.kl, pair.low, pair.high),
                _unsmoothed(pair),
                pair.empty_bins,
                pair.noise_95,
                p_value(pair.p_permutation),
                counted(pair.blocks, not pair.owners_unknown),
                results.interval(f"kl_paper/{pair.row}/{pair.column}"),
                None if np.isnan(pair.paper) else pair.paper,
            ]
        )
    return rows


def _other_estimators(results: Results) -> list[Table]:
    """Other divergences of the same pairs, when the analysis was thorough."""
    if "fig2c_sensitivity" not in results.tables:
        return []
    rows = []
    for row in records(results.tables["fig2c_sensitivity"]):
        clusters = row.k or None  # 0 for estimators without clusters
        rows.append(
            (row.row, row.column, row.measure, row.smoothing, clusters, row.value)
        )
    header = ("P (row)", "Q (column)", "Measure", "Smoothing", "Clusters", "Value")
    return [table("Other divergences and estimators", header, rows, folded=True)]


# ------------------------------------------------------------------ what they need

FIG2C = Figure("fig2c", compute_divergence, needs=("embedding", "@"))
FIG2C_SENSITIVITY = Figure(
    "fig2c_sensitivity",
    compute_other_estimators,
    needs=("embedding", "@", "thorough"),
)
DIVERGENCE = Chapter(
    describe_divergence,
    (FIG2C,),
    details=(FIG2C_SENSITIVITY,),
    draw=draw_divergence,
)
