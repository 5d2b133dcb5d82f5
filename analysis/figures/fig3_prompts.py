"""Fig 3c and 3d: the length of a prompt and its images, and how varied prompts are as texts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import COLOURS, GROUND, QUIET, axes
from twigma.analysis.page.formatting import (
    interval,
    listed,
    number,
    p_value,
    percent,
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
from twigma.core.numeric.stored_rows import StoredRows, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LEVEL = 0.05  # below it, a correlation is beyond chance
TEXTS_HEADER = (
    "Texts",
    "Distance [95%]",
    "Prompts of these lengths",
    "Difference [95%]",
    "At all lengths",
    "Lengths shared",
    "Words (median)",
    "Over 77 tokens",
    "n",
    "Effective n",
)


class PromptImages(NamedTuple):
    """The images by prompt that are studied, and notes on those that are not."""

    embedding: NDArray[np.float32] | StoredRows  # [n, d]
    prompt: NDArray[np.object_]  # [n]
    notes: tuple[str, ...]


# ------------------------------------------------------------------ Fig 3c: length of the prompt


def compute_lengths(data: Inputs, settings: Settings) -> Result:
    """Length of a prompt against the distance between its images.

    Table: `fig3c` (words, distance, images, …), a row per prompt. Value: `prompt_tau`, Kendall's τ of the two.
    """
    from twigma.analysis.variation import prompts

    images = images_by_prompt(data, settings)
    by_prompt = prompts.prompt_variation(
        images.embedding, images.prompt, seed=settings.seed
    )
    tau = dict(prompts.kendall(by_prompt))
    n = int(by_prompt["images"].sum())
    return Result(n, {"fig3c": by_prompt}, {"prompt_tau": tau}, images.notes)


def images_by_prompt(data: Inputs, settings: Settings) -> PromptImages:
    """The images by prompt, without those that were blurred or repeat another."""
    from twigma.analysis.variation.prompts import EXCLUDING, left_out

    images = data.references[settings.prompts]
    # bool [n], one column for each reason
    there = [name for name in EXCLUDING if name in images.table.column_names]
    reasons = left_out(images.table.select(there).take(pa.array(images.rows)))
    notes = []
    for column, reason in (
        ("blurred", "blurred as NSFW"),
        ("repeated", "repeats of one generation"),
    ):
        count = int(reasons[column].sum())
        if count:
            notes.append(f"{count} images of {images.name} are left out: {reason}.")
    studied = ~reasons.any(axis=1).to_numpy()
    prompt = images.values("group")[studied]
    return PromptImages(rows_of(images.embedding, studied), prompt, tuple(notes))


def draw_lengths(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A dot for each prompt."""
    prompts = tables["fig3c"]
    figure, ax = axes(into=into)
    dots: Any = {"color": COLOURS[0], "alpha": 0.7, "mew": 0, "ms": 5}
    ax.plot(prompts["words"], prompts["distance"], "o", **dots)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="Words of the prompt", ylabel="Mean pairwise distance of its images")
    return figure


def describe_lengths(results: Results) -> Section:
    """Whether images of longer prompts are more alike."""
    tau = results.values["prompt_tau"]
    value = interval(tau["value"], tau["low"], tau["high"])
    return Section(
        figure="Fig 3c",
        title="Length of the prompt",
        claim=f"{_by_length(tau)}: Kendall's τ {value} ({p_value(tau['p'])}).",
        basis=f"{plural(tau['n'], 'prompt')} with 10 images each; 95% interval by the jackknife over prompts.",
        paper=f"τ = {number(stated.PROMPT_TAU, 1)}, {p_value(stated.PROMPT_TAU_P)}.",
        differs="Ten images of every prompt: with fewer, noise in the distance hides part of the correlation.",
        alt="Scatter plot of the mean distance between the images of a prompt against its number of words.",
    )


def _by_length(tau: Mapping[str, Any]) -> str:
    """What the test and the interval of τ both allow to say; negative τ: the longer the prompt, the more alike."""
    low, high = tau["low"], tau["high"]
    has_limits = low is not None and high is not None
    holds_zero = has_limits and low <= 0 <= high
    if tau["p"] >= LEVEL or holds_zero:
        return "Whether images of longer prompts are more or less alike is not shown"
    direction = "more" if tau["value"] < 0 else "less"
    return f"Images of longer prompts are {direction} alike"


# ------------------------------------------------------------------ Fig 3d: prompts as texts


def compute_texts(data: Inputs, settings: Settings) -> Result:
    """How varied prompts are beside other texts of their lengths.

    Table: `fig3d`, a row per kind of text, the prompts first. Values: `texts/KIND`, the mean distance of two texts.
    """
    from twigma.analysis.variation.text_variation import text_variation

    kinds = text_variation(data.texts, settings.prompts, seed=settings.seed)
    values = entries(kinds, "texts", ["set"], "distance")
    return Result(int(kinds["n"].sum()), {"fig3d": kinds}, values)


def draw_texts(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The mean distance of each kind of text, and that of prompts of the same lengths."""
    kinds = tables["fig3d"].dropna(subset=["distance"])
    place = np.arange(len(kinds))
    figure, ax = axes(into=into, height=0.42 * len(kinds) + 1.4)
    draw_intervals(ax, place, kinds, "distance", label="these texts")
    marks: Any = {"mfc": GROUND, "color": QUIET, "label": "prompts of the same lengths"}
    ax.plot(kinds["base_distance"], place + 0.18, "D", **marks)
    names_on_y(ax, kinds["set"].tolist())
    ax.set(xlabel="Mean distance of texts (0 same, 2 opposite)")
    legend_above(ax, room=BESIDE_NAMES)
    return figure


def describe_texts(results: Results) -> Section:
    """Which texts are less and which more varied than prompts of their lengths."""
    kinds = records(results.tables["fig3d"])
    prompts, others = kinds[0], kinds[1:]
    rows = [_texts_row(prompts, difference=None)]
    for kind in others:
        difference = interval(
            kind.difference, kind.difference_low, kind.difference_high
        )
        rows.append(_texts_row(kind, difference))
    return Section(
        figure="Fig 3d",
        title="How varied the prompts are as texts",
        claim=f"By the mean distance of two texts, {'; '.join(_comparisons(others))}.",
        basis=f"{plural(results.figures['fig3d']['n'], 'text')} in {len(kinds)} kinds; 95% intervals from 500 draws of "
        "whole authors or passages, where these are known.",
        paper="Captions, prompts and tweets alike; haiku and a book chapter less varied. No numbers stated.",
        differs="Each kind is weighted to the prompts' numbers of words, in bins of five, and compared with prompts of "
        "the same bins. CLIP reads 77 tokens; what is longer is cut off. Posts are without links and hashtags.",
        alt="Mean distance of two texts of each kind with intervals, and that of prompts of the same lengths.",
        tables=(table("Variation of each kind of text", TEXTS_HEADER, rows),),
    )


def _comparisons(others: list[Any]) -> list[str]:
    """The kinds of text by how they compare with prompts; only comparisons that occur."""
    less, more, alike, apart = [], [], [], []
    for kind in others:
        if kind.support == 0:
            apart.append(kind.set)
        elif kind.difference_high < 0:
            less.append(kind.set)
        elif kind.difference_low > 0:
            more.append(kind.set)
        elif kind.difference_low <= 0 <= kind.difference_high:
            alike.append(kind.set)
    comparisons = []
    for words, names in (
        ("less varied than prompts of their lengths:", less),
        ("more varied:", more),
        ("not told from them:", alike),
        ("of other lengths altogether:", apart),
    ):
        if names:
            comparisons.append(f"{words} {listed(names)}")
    return comparisons


def _texts_row(kind: Any, difference: str | None) -> list[object]:
    return [
        kind.set,
        interval(kind.distance, kind.low, kind.high),
        kind.base_distance,
        difference,
        kind.unmatched,
        percent(kind.support),
        kind.median_words,
        percent(kind.long),
        kind.n,
        round(kind.effective),
    ]


# ------------------------------------------------------------------ what they need

BY_PROMPT = ("@prompts", "@prompts.group")
FIG3C = Figure("fig3c", compute_lengths, needs=BY_PROMPT)
FIG3D = Figure("fig3d", compute_texts, needs=("texts",))
LENGTHS = Chapter(describe_lengths, (FIG3C,), draw=draw_lengths)
TEXTS = Chapter(describe_texts, (FIG3D,), draw=draw_texts)
