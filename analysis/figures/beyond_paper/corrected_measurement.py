"""A model's column corrected by labels: the share, by month, its trend and by cluster, three ways side by side.

The model alone, the labels alone, and the model corrected by the labels (`analysis/measurement`).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inference.sample_weights import notes as weight_notes
from twigma.analysis.inputs.annotation_sheets import label_folders
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.owners import owners_of_images
from twigma.analysis.inputs.requirements import Entry, Result, Settings
from twigma.analysis.measurement.estimates import (
    ALONE,
    CORRECTED,
    NAIVE,
    Labelled,
    monthly_trend,
    share,
    shares_by,
)
from twigma.analysis.page.drawing import COLOURS, QUIET, axes
from twigma.analysis.page.formatting import (
    Table,
    clean,
    interval,
    number,
    percents,
    plural,
    table,
)
from twigma.analysis.page.marks import (
    Look,
    draw_intervals,
    legend_above,
    months_on_x,
    short_names,
)
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.core import columns
from twigma.core.numeric.months import months_between
from twigma.core.progress import notice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

SHARE, MONTH, TREND, CLUSTER = "share", "month", "trend", "cluster"
KEYS = ["column", "what", "group", "estimator"]
MARKS = {
    NAIVE: ("o", QUIET),
    ALONE: ("s", COLOURS[1]),
    CORRECTED: ("D", COLOURS[0]),
}
SHIFT = 0.22  # between the marks of one month


def compute_corrected(data: Inputs, settings: Settings) -> Result:
    """What a model says, what labels say, and the model corrected by the labels, for each folder of labels.

    Tables: `corrected` (column, what, group, estimator, value, low, high, n, labels, authors, effective, not_drawable),
    `what` being share, month, trend (a month) or cluster, and `not_drawable` the images of the release that came after
    images were drawn for labelling, which are left out; `label_agreement`, Krippendorff's alpha of each folder's
    annotators.
    Values: `corrected/COLUMN/WHAT/GROUP/ESTIMATOR`, `alpha/COLUMN`.
    """
    from twigma.analysis.annotation.label_remarks import label_remarks
    from twigma.analysis.annotation.read_labels import (
        distinct_images,
        labelled_images,
        read_answers,
    )

    assert data.sheets is not None  # "labels" is needed
    tables = []
    agreements = []
    remarks: list[str] = []
    n = 0
    for folder in label_folders(data.sheets):
        answers = read_answers(folder)
        for remark in answers.remarks:
            notice(f"{folder}: {remark}")
        column = answers.about.column
        of_release = distinct_images(data.images.table, column)
        rows = answers.drawable(of_release)
        later = len(of_release) - len(rows)
        labelled = labelled_images(answers, rows)
        estimates = _estimates(labelled, rows)
        tables.append(estimates.assign(column=column, not_drawable=later))
        authors = owners_of_images(data.images, answers.images["image_name"])
        agreements.append(_agreement(answers, authors, settings.seed))
        remarks += label_remarks(answers, rows, labelled)
        n += int(labelled.is_labelled.sum())
    estimates = pd.concat(tables, ignore_index=True)
    names = [*KEYS, *(name for name in estimates if name not in KEYS)]
    agreement = pd.DataFrame(agreements)
    return Result(
        n=n,
        tables={"corrected": estimates[names], "label_agreement": agreement},
        values=_values(estimates, agreement),
        notes=tuple(dict.fromkeys([*remarks, *weight_notes(data.images.table)])),
    )


def _estimates(data: Labelled, rows: pd.DataFrame) -> pd.DataFrame:
    """The share over all, by month, its slope, and by cluster, where months and clusters are known."""
    tables = [share(data).assign(what=SHARE, group="")]
    if "created_at" in rows and rows["created_at"].notna().any():
        date = rows["created_at"].dt
        months = shares_by(data, date.strftime("%Y-%m"))
        tables.append(months.assign(what=MONTH))
        numbers = date.year * 12 + date.month
        if numbers.nunique() > 1:
            trend = monthly_trend(data, numbers)
            tables.append(trend.assign(what=TREND, group=""))
    label = columns.find_label_column(rows.columns)
    if label is not None and rows[label].notna().any():
        clusters = shares_by(data, rows[label])
        names = clusters["group"].astype(int).astype(str)
        tables.append(clusters.assign(what=CLUSTER, group=names))
    return pd.concat(tables, ignore_index=True)


def _agreement(answers: Any, authors: Any, seed: int) -> dict[str, Any]:
    """Krippendorff's alpha of a folder's annotators; NaN where no image was labelled twice."""
    from twigma.analysis.measurement.agreement import krippendorff_alpha

    # Those that have a label, in the order of `answers.images`.
    labels = answers.labels.dropna(how="all")
    names = ", ".join(map(str, labels.columns))
    found: dict[str, Any] = {"column": answers.about.column, "annotators": names}
    if (labels.notna().sum(axis=1) < 2).all():
        return found | {"value": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    return found | dict(krippendorff_alpha(labels, owners=authors, seed=seed))


def _values(estimates: pd.DataFrame, agreement: pd.DataFrame) -> dict[str, Entry]:
    values: dict[str, Entry] = {}
    for row in estimates.to_dict("records"):
        parts = [str(row.pop(key)) for key in KEYS]
        named = [part for part in parts if part]
        entry: Entry = {str(name): cell for name, cell in row.items()}
        values["/".join(["corrected", *named])] = entry
    for row in agreement.to_dict("records"):
        column = row.pop("column")
        values[f"alpha/{column}"] = {str(name): cell for name, cell in row.items()}
    return values


def draw_corrected(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The share a month by the model alone and corrected, with the overall ones; the first column that was labelled."""
    found = tables["corrected"]
    first = found[found["column"] == found["column"].iloc[0]]
    months = first[first["what"] == MONTH]
    names = months_between(months["group"].min(), months["group"].max())
    figure, ax = axes(into=into)
    places = {name: place for place, name in enumerate(names)}
    shown = [NAIVE, CORRECTED]
    for number_, estimator in enumerate(shown):
        marker, colour = MARKS[estimator]
        rows = months[months["estimator"] == estimator]
        x = rows["group"].map(places).to_numpy(float) + SHIFT * (number_ - 0.5)
        # Months with few labels have a value without limits.
        percentages = 100 * rows[["value", "low", "high"]].astype(float)
        look = Look(colour, "-", marker)
        draw_intervals(
            ax, x, percentages, "value", look=look, along="y", label=estimator, ms=4
        )
        overall = first[(first["what"] == SHARE) & (first["estimator"] == estimator)]
        for height in overall["value"]:
            ax.axhline(100 * height, color=colour, lw=1, ls=(0, (3, 3)))
    months_on_x(ax, names)
    (column,) = short_names([clean(first["column"].iloc[0])])
    ax.set(ylabel=f"Share by {column} (%)")
    legend_above(ax)
    return figure


def describe_corrected(results: Results) -> Section:
    """The share by the model alone and corrected, and what the labels changed."""
    found = results.tables["corrected"]
    sentences = []
    for column in found["column"].unique():
        own = found[found["column"] == column]
        sentences.append(_sentence(str(column), own))
    agreement = results.tables["label_agreement"]
    return Section(
        figure="Beyond the paper",
        title="What a model says, corrected by labels",
        claim=" ".join(sentences),
        basis=f"{number(results.figures['corrected']['n'])} labelled images, drawn with known probabilities; 95% "
        "intervals by the jackknife over authors, those of the model's shares as in Fig 4d. No interval where fewer "
        "than 5 labels are of either kind.",
        paper="Not in the paper, which takes what the detector says as it is.",
        differs="The corrected share is unbiased however the model errs (design-based supervised learning, Egami et "
        "al. 2023; prediction-powered inference, Angelopoulos et al. 2023); the labels say what is true.",
        alt="The share of each month by the model alone and corrected, with intervals, and overall as lines.",
        tables=(
            _overall_table(found),
            _groups_table(found, MONTH, "By month"),
            _groups_table(found, CLUSTER, "By cluster"),
            _agreement_table(agreement),
        ),
    )


def _named(column: str) -> str:
    """What is measured: a column as it is named where a value follows it, else that it is above one half."""
    name = clean(column)
    return name if "=" in name or ">" in name else f"{name} above one half"


def _sentence(column: str, found: pd.DataFrame) -> str:
    """What one column's labels say of it."""
    overall = found[found["what"] == SHARE]
    by_name = {row.estimator: row for row in records(overall)}
    naive = by_name[NAIVE]
    says = percents(naive.value, naive.low, naive.high)
    if CORRECTED not in by_name:
        return f"{_named(column)} in {says}; there are too few labels to correct it."
    right = by_name[CORRECTED]
    corrected = percents(right.value, right.low, right.high)
    sentence = f"{_named(column)} in {says} of the images; corrected by labels it is {corrected}"
    sentence += _difference(naive, right)
    if naive.not_drawable:
        later = plural(int(naive.not_drawable), "image")
        sentence += f" This leaves out {later} that the release did not have when images were drawn for labelling."
    trends = found[(found["what"] == TREND) & (found["estimator"] == CORRECTED)]
    for row in records(trends):
        sentence += f" {_trend(row)}"
    return sentence


def _difference(naive: Any, right: Any) -> str:
    """Whether the labels contradict the model, as far as the interval tells."""
    if not np.isfinite(right.high - right.low):
        return ", from too few labels of either kind for an interval."
    if right.low <= naive.value <= right.high:
        return ", which the model's share is consistent with."
    word = "more" if naive.value > right.value else "less"
    return f": the model says {word} than there is."


def _trend(row: Any) -> str:
    slope = interval(100 * row.value, 100 * row.low, 100 * row.high)
    if row.low <= 0 <= row.high or not np.isfinite(row.high - row.low):
        return f"No change over the months is visible ({slope} points a month)."
    word = "rises" if row.value > 0 else "falls"
    return f"It {word} by {slope} points a month."


def _overall_table(found: pd.DataFrame) -> Table:
    rows = []
    for row in records(found[found["what"].isin([SHARE, TREND])]):
        what = "share (%)" if row.what == SHARE else "points a month"
        value = interval(100 * row.value, 100 * row.low, 100 * row.high)
        rows.append((row.column, what, row.estimator, value, row.labels, row.effective))
    header = (
        "Column",
        "What",
        "Estimator",
        "Value [95%]",
        "Labels",
        "Effective authors",
    )
    return table("The model alone, the labels alone, and corrected", header, rows)


def _groups_table(found: pd.DataFrame, what: str, caption: str) -> Table:
    """A row a group, an estimator a column."""
    own = found[found["what"] == what]
    rows = []
    for (column, group), estimates in own.groupby(["column", "group"], sort=False):
        cells = []
        by_name = {row.estimator: row for row in records(estimates)}
        for name in (NAIVE, ALONE, CORRECTED):
            row = by_name.get(name)
            cells.append("–" if row is None else percents(row.value, row.low, row.high))
        labels = max(row.labels for row in by_name.values())
        rows.append((column, group, *cells, labels))
    header = ("Column", what.capitalize(), NAIVE, ALONE, CORRECTED, "Labels")
    return table(caption, header, rows, folded=True)


def _agreement_table(agreement: pd.DataFrame) -> Table:
    rows = []
    for row in records(agreement):
        alpha = interval(row.value, row.low, row.high)
        rows.append((row.column, row.annotators, alpha, row.n))
    header = ("Column", "Annotators", "Alpha [95%]", "Images labelled twice")
    caption = (
        "Agreement of these annotators (Krippendorff's alpha: 1 perfect, 0 chance; interval by the bootstrap over "
        "images)"
    )
    return table(caption, header, rows)


LABELLED = Figure("corrected", compute_corrected, needs=("labels",))
CORRECTED_MEASUREMENT = Chapter(describe_corrected, (LABELLED,), draw=draw_corrected)
