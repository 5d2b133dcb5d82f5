"""Posts, likes, themes and similarity around the releases of image models: jumps beside those at placebo dates."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from twigma.analysis.figures.contract import ROLES, Chapter, Figure, weighting_notes
from twigma.analysis.figures.fig2d_likes import mean_similarity
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import (
    Result,
    Settings,
    entries,
    missing_requirements,
)
from twigma.analysis.page.drawing import QUIET, axes
from twigma.analysis.page.formatting import (
    Table,
    interval,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.marks import (
    draw_intervals,
    label_lowest,
    names_on_y,
    panel_grid,
    ratio_ticks,
    short_names,
)
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.core import columns
from twigma.core.safety.failures import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from twigma.analysis.likes.event_jumps import Measure

LEVEL = 0.05
BESIDE = 2  # panels
OTHERS = "other dates"
POSTS, IMAGES = "posts", "images"
LIKES, CLUSTER = "likes per image", "share of cluster "
HEADER = (
    "Outcome",
    "Release",
    "Date",
    "Jump [95%]",
    "p",
    "p, adjusted",
    "Dates with as large a jump",
    "Why none",
)

# ------------------------------------------------------------------ computed


class Outcome(NamedTuple):
    """What may jump: its measure, and values, dates, blocks and weights by row, [n] each; values None for a count."""

    name: str
    measure: "Measure"
    values: Any
    created_at: Any
    blocks: Any
    weights: Any


def compute_releases(data: Inputs, settings: Settings) -> Result:
    """The jump of every outcome at every release, and at placebo dates.

    Tables: `model_releases`, a row per outcome and release; `model_releases_placebo` (outcome, date, jump, z).
    Values: `release/OUTCOME/EVENT`, the jump.
    """
    from twigma.analysis.likes.event_study import event_study

    jumps, placebos = [], []
    for outcome in _outcomes(data, settings):
        study = event_study(
            outcome.created_at,
            outcome.values,
            measure=outcome.measure,
            blocks=outcome.blocks,
            weights=outcome.weights,
        )
        named = {"outcome": outcome.name, "measure": outcome.measure}
        jumps.append(study.events.assign(**named))
        placebos.append(study.placebos.assign(**named))
    rows = pd.concat(jumps, ignore_index=True)
    if rows["jump"].isna().all():
        reasons = rows.drop_duplicates("event")
        listed = [f"{row.event}: {row.reason}" for row in records(reasons)]
        raise DataError(f"no release can be studied; {'; '.join(listed)}")
    # All outcomes and releases are one family of tests.
    rows["p_adjusted"] = benjamini_hochberg(rows["p"])
    notes = list(weighting_notes(data.images))
    if not data.images.has("author_id"):
        notes.append("Authors are not known: posts are taken as independent.")
    return Result(
        n=int(rows["n"].max()),
        tables={
            "model_releases": rows,
            "model_releases_placebo": pd.concat(placebos, ignore_index=True),
        },
        values=entries(rows, "release", ["outcome", "event"], "jump"),
        notes=tuple(notes),
    )


def _outcomes(data: Inputs, settings: Settings) -> Iterator[Outcome]:
    """Posts, likes, the share of each cluster, and the similarity to each reference, as far as they are there."""
    from twigma.analysis.likes.design import is_first_of_each

    images = data.images
    author = "author_id" if images.has("author_id") else "id"
    names = ["created_at"]
    label = columns.present([columns.LABELS], images.table.column_names)[0]
    for name in ("like_count", label):
        if images.has(name):
            names.append(name)
    rows = images.table.select(names).to_pandas()
    rows["id"], rows["author"] = images.numbered("id"), images.numbered(author)
    weights = sample_weights(images.table)
    rows["weight"] = 1.0 if weights is None else weights
    posts = rows[is_first_of_each(rows["id"])]
    # Images that were added from files are on no post.
    counted = IMAGES if images.is_local else POSTS
    dates, authors = posts["created_at"], posts["author"]
    yield Outcome(counted, "count", None, dates, authors, posts["weight"])
    common = rows["created_at"], rows["author"], rows["weight"]
    if "like_count" in rows and rows["like_count"].sum() > 0:
        yield Outcome(LIKES, "ratio", rows["like_count"], *common)
    for role in ROLES:
        if images.has("embedding") and not missing_requirements(
            data, settings, [f"@{role}"]
        ):
            yield Outcome(
                f"similarity to {role}",
                "mean",
                mean_similarity(data, settings, role),
                images.values("created_at"),
                images.numbered(author)[images.rows],
                images.weights(),
            )
    if label in rows:
        labels = rows[label]
        for label in sorted(labels.dropna().unique()):
            share = (labels == label).astype(float).where(labels.notna())
            yield Outcome(f"{CLUSTER}{int(label)}", "mean", share, *common)


# ------------------------------------------------------------------ drawn


def draw_releases(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A panel for each outcome but the clusters: the jump at every release, and at the placebo dates."""
    jumps, placebos = tables["model_releases"], tables["model_releases_placebo"]
    names = [n for n in jumps["outcome"].unique() if not n.startswith(CLUSTER)]
    events = list(jumps["event"].unique())
    rows, columns = panel_grid(len(names), BESIDE)
    height = rows * (0.27 * len(events) + 1.3)
    figure, panels = axes(
        rows, columns, height=height, squeeze=False, sharey=True, into=into
    )
    for ax, name in zip(panels.flat, names, strict=False):
        others = placebos.loc[placebos["outcome"] == name, "jump"]
        _draw_jumps(ax, jumps[jumps["outcome"] == name], others, events)
    label_lowest(panels, len(names))
    names_on_y(panels[0][0], [OTHERS, *events])
    return figure


def _draw_jumps(
    ax: "Axes", jumps: pd.DataFrame, others: "pd.Series[float]", events: list[str]
) -> None:
    """One outcome: a row for the placebo dates, and one for each release."""
    ax.plot(others, np.zeros(len(others)), "o", color=QUIET, alpha=0.4, mew=0)
    place = [1 + events.index(event) for event in jumps["event"]]
    draw_intervals(ax, place, jumps, "jump")
    outcome = short_names(jumps["outcome"].head(1), 30)[0]
    ratio = jumps["measure"].iloc[0] != "mean"
    if ratio:
        ax.set_xscale("log")
    # The line of no jump is part of what is seen.
    no_jump = 1 if ratio else 0
    ends = (-0.6, len(events) + 0.6)
    ax.plot((no_jump, no_jump), ends, color=QUIET, lw=1)
    if ratio:
        ratio_ticks(ax.xaxis)
    else:
        ax.locator_params(axis="x", nbins=5)
    ax.set_title(outcome[0].upper() + outcome[1:])
    ax.set_xlabel("Jump, as a ratio" if ratio else "Jump")


# ------------------------------------------------------------------ described


def describe_releases(results: Results) -> Section:
    """Which outcomes jumped beyond what other dates show."""
    jumps = results.tables["model_releases"]
    studied = jumps[jumps["jump"].notna()]
    placebos = _span(jumps["placebos"])
    outcomes = jumps["outcome"].nunique()
    return Section(
        figure="Events",
        title="Around the releases of image models",
        claim=_claim(studied, outcomes),
        basis=f"at most {plural(int(studied['n'].max()), 'post')} or images within 16 weeks of a date; "
        f"{placebos} other dates, a week apart and at least four weeks from every "
        "release.",
        paper="Not in the paper. The dates are those of the public announcements by OpenAI, Stability AI and "
        "Midjourney.",
        differs="An interrupted time series: a line over four months of four weeks before the date, another after it, "
        "and the distance of the two at the date, as a ratio for posts and likes. Standard errors take the images of "
        "an author together, and are widened to what other dates show. Releases less than 16 weeks apart are in one "
        "another's lines; a jump at a date need not come from the release.",
        alt="Jumps of posts, likes and similarity at each release with intervals, beside grey dots for other dates.",
        tables=(_table(jumps),),
    )


def _span(counts: "pd.Series[int]") -> str:
    """The smallest and the largest count, once where they are one."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _claim(studied: pd.DataFrame, outcomes: int) -> str:
    """The jumps that hold after adjustment, each with its interval; or that there are none."""
    if studied["p"].isna().all():
        return (
            "Too few other dates are there to say how large a jump comes by chance: the jumps at the releases have no "
            "interval."
        )
    tests = int(studied["p"].notna().sum())
    found = []
    for row in records(studied[studied["p_adjusted"] < LEVEL]):
        found.append(f"{row.outcome} at {row.event} ({_jump(row)})")
    if not found:
        return (
            f"Of {outcomes} outcomes none is shown to jump at a release, beyond what other dates show ({tests} tests, "
            "adjusted)."
        )
    return f"Beyond what other dates show, these jumped ({tests} tests, adjusted): {'; '.join(found)}."


def _jump(row: Any) -> str:
    text = interval(row.jump, row.low, row.high)
    return text if row.measure == "mean" else f"× {text}"


def _table(jumps: pd.DataFrame) -> Table:
    rows: list[tuple[object, ...]] = []
    for row in records(jumps):
        if row.reason:
            rows.append(
                (row.outcome, row.event, row.date, None, None, None, None, row.reason)
            )
            continue
        as_large = round(row.p_placebo * (1 + row.placebos)) - 1
        rows.append(
            (
                row.outcome,
                row.event,
                row.date,
                _jump(row),
                p_value(row.p),
                p_value(row.p_adjusted),
                f"{as_large} of {row.placebos}",
                None,
            )
        )
    return table("Jumps at the releases", HEADER, rows, folded=True)


FIGURE = Figure(
    "model_releases",
    compute_releases,
    needs=("created_at",),
    parts={
        "likes": ("like_count",),
        "themes": (columns.LABELS,),
        "intervals by author": ("author_id",),
    },
)
MODEL_RELEASES = Chapter(describe_releases, (FIGURE,), draw=draw_releases)
