"""Fig 1a: how the dataset was made, from the posts that were found to the images that are released."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings
from twigma.analysis.page.drawing import COLOURS, QUIET, axes
from twigma.analysis.page.formatting import listed, number, table
from twigma.analysis.page.marks import short_names
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Step = tuple[str, str, int]  # its name, a unit or a reason, and a count
# Steps of the images, and how the reasons begin for which each leaves some out (`twigma release`).
STEPS = {
    "Images downloaded": ("not fetched", "not decodable", "removed"),
    "Images without duplicates": ("duplicate",),
    "Images released": ("nsfw_score",),
}
LISTED = "Images listed"  # the first step, where none is of posts
MOST_REASONS = 4  # named beside a step
BOX, LINE, GAP = 0.62, 0.3, 0.34  # heights, inches: a box, a reason, an arrow
WIDE = 0.54  # of a box, of the width of the chart

# ------------------------------------------------------------------ computed


def compute_process(data: Inputs, settings: Settings) -> Result:
    """Posts and images at every step, as the working folder and MANIFEST.json count them.

    Tables: `fig1a` (step, unit, count); `fig1a_left_out` (step, reason, count), images that a step left out.
    Values: `process/STEP`.
    """
    counts = None if data.manifest is None else data.manifest.get("counts")
    steps: list[Step] = []
    if data.posts is not None:
        if data.posts.known > data.posts.asked:
            steps.append(("Posts listed", "posts", data.posts.known))
        # What a search brings was found.
        if data.posts.asked > data.posts.found:
            steps.append(("Posts asked for", "posts", data.posts.asked))
        steps.append(("Posts found", "posts", data.posts.found))
        steps.append(("Posts with photos", "posts", data.posts.with_photos))
    left_out: list[Step] = []
    if counts is not None:
        images, left_out = _images(counts, "Images on them" if steps else LISTED)
        steps += images
    return Result(
        n=steps[-1][2],
        tables={
            "fig1a": pd.DataFrame(steps, columns=["step", "unit", "count"]),
            "fig1a_left_out": pd.DataFrame(
                left_out, columns=["step", "reason", "count"]
            ),
        },
        values={f"process/{step}": {"value": n} for step, _, n in steps},
    )


def _images(counts: Mapping[str, Any], first: str) -> tuple[list[Step], list[Step]]:
    """The steps of the images, and what each left out, from the counts of a release; `first` names the first step."""
    left = int(counts["rows"])
    steps = [(first, "images", left)]
    left_out = []
    for step, heads in STEPS.items():
        for reason, count in counts["dropped"].items():
            if reason.startswith(heads):
                left_out.append((step, reason, int(count)))
                left -= int(count)
        steps.append((step, "images", left))
    # Images that were added by hand are on no post.
    if counts["posts"]:
        steps.append(("Posts released", "posts", int(counts["posts"])))
    return steps, left_out


# ------------------------------------------------------------------ drawn


def draw_process(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A box for each step from the top down, and beside each what it left out."""
    steps, left_out = tables["fig1a"], tables["fig1a_left_out"]
    beside = []
    for step in steps["step"]:
        beside.append(_reasons(left_out[left_out["step"] == step]))
    heights = [max(BOX, LINE * len(lines)) for lines in beside]
    total = sum(heights) + GAP * (len(heights) - 1)
    figure, ax = axes(into=into, height=total + 0.2)
    top = total
    middles = []
    for row, height, lines in zip(records(steps), heights, beside, strict=True):
        middles.append(top - height / 2)
        _draw_step(ax, row, middles[-1], lines)
        top -= height + GAP
    for above, below in pairwise(middles):
        arrow = {"arrowstyle": "-|>", "color": QUIET, "shrinkA": 2, "shrinkB": 2}
        start, end = (WIDE / 2, above - BOX / 2), (WIDE / 2, below + BOX / 2)
        ax.annotate("", end, start, arrowprops=arrow)
    ax.set(xlim=(0, 1), ylim=(-0.05, total + 0.05))
    ax.axis("off")
    return figure


def _draw_step(ax: "Axes", row: Any, middle: float, lines: list[str]) -> None:
    """The box of one step with its count, and the lines of what it left out."""
    from matplotlib.patches import FancyBboxPatch

    shape: Any = {"boxstyle": "round,pad=0,rounding_size=0.02", "mutation_aspect": 7}
    corner = (0.01, middle - BOX / 2)
    box = FancyBboxPatch(corner, WIDE, BOX, fc="none", ec=COLOURS[0], **shape)
    ax.add_patch(box)
    ax.text(0.04, middle, row.step, va="center")
    count = number(row.count)
    ax.text(WIDE - 0.02, middle, count, va="center", ha="right", weight="bold")
    for place, text in enumerate(lines):
        down = (place - (len(lines) - 1) / 2) * LINE
        ax.text(WIDE + 0.06, middle - down, text, va="center", fontsize=10)


def _reasons(left_out: pd.DataFrame) -> list[str]:
    """What one step left out, the most frequent reason first; the rarest ones together."""
    ordered = left_out.sort_values("count", ascending=False, kind="stable")
    rest = ordered.iloc[MOST_REASONS - 1 :]
    if len(rest) > 1:
        together = pd.DataFrame(
            {"reason": ["other reasons"], "count": rest["count"].sum()}
        )
        ordered = pd.concat([ordered.head(MOST_REASONS - 1), together])
    names = short_names(ordered["reason"], 26)
    lines = []
    for name, count in zip(names, ordered["count"], strict=True):
        lines.append(f"− {number(int(count))}  {name}")
    return lines


# ------------------------------------------------------------------ described


def describe_process(results: Results) -> Section:
    """From how many posts or images to how many images the steps led."""
    steps = results.tables["fig1a"]
    left_out = results.tables["fig1a_left_out"]
    parts = [f"{number(row.count)} {_lower(row.step)}" for row in records(steps)]
    rows = [(row.step, row.reason, row.count) for row in records(left_out)]
    reasons = table(
        "Images left out, and why", ("Step", "Reason", "Images"), rows, folded=True
    )
    return Section(
        figure="Fig 1a",
        title="How the dataset was made",
        claim=f"{listed(parts)}.",
        basis="counts of the whole release, by its manifest and its working folder; each image is left out for the "
        "first reason that holds.",
        paper=f"Posts by hashtag, those with photos, without duplicates: {number(stated.POSTS)} posts with "
        f"{number(stated.IMAGES)} images.",
        alt="Boxes from the top down, one for each step, with the number of posts or images that it left.",
        tables=(reasons,) if rows else (),
    )


def _lower(step: str) -> str:
    return step[0].lower() + step[1:]


FIG1A = Figure("fig1a", compute_process, needs=("counts",))
PROCESS = Chapter(describe_process, (FIG1A,), draw=draw_process)
