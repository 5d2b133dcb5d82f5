"""Regressions with a model's column corrected by labels: what is measured on months and clusters, and likes on it.

Naive beside corrected, for each folder of labels (`analysis/measurement/covariates.py`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Floats
from twigma.analysis.figures.contract import Chapter, Figure
from twigma.analysis.inference.sample_weights import notes as weight_notes
from twigma.analysis.inputs.annotation_sheets import label_folders
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.measurement.covariates import outcome_regression, rate_ratio
from twigma.analysis.measurement.estimates import ALONE, CORRECTED, NAIVE, Labelled
from twigma.analysis.page.formatting import (
    Table,
    clean,
    interval,
    listed,
    number,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.core import columns
from twigma.core.safety.failures import DataError

MONTH = "month"
CLUSTER = "cluster "  # begins the term of a cluster
LIKES = "likes"  # what the ratio is of
NOTHING = "nothing"
KEYS = ["column", "outcome", "adjusted", "term", "estimator"]

# ------------------------------------------------------------------ computed


def compute_regressions(data: Inputs, settings: Settings) -> Result:
    """What is measured regressed on month and cluster, and the rate ratio of likes of images that are it.

    Table: `corrected_regression` (column, outcome, adjusted, term, estimator, value, low, high, n, labels, authors,
    effective): `outcome` is the column itself, with differences of its share, or likes, with a rate ratio.
    Values: `corrected_regression/COLUMN/OUTCOME/ADJUSTED/TERM/ESTIMATOR`.
    """
    from twigma.analysis.annotation.read_labels import (
        distinct_images,
        labelled_images,
        read_answers,
    )

    assert data.sheets is not None  # "labels" is needed
    tables = []
    for folder in label_folders(data.sheets):
        answers = read_answers(folder)
        column = answers.about.column
        rows = answers.drawable(distinct_images(data.images.table, column))
        labelled = labelled_images(answers, rows)
        for estimates in (_on_content(labelled, rows), _of_likes(labelled, rows)):
            tables.append(estimates.assign(column=column))
    found = pd.concat(tables, ignore_index=True)
    if found.empty:
        raise DataError(
            "expected dates of two months, two clusters or likes to regress on, found none of them"
        )
    others = [name for name in found if name not in KEYS]
    found = found[[*KEYS, *others]]
    return Result(
        n=int(found["n"].max()),
        tables={"corrected_regression": found},
        values=entries(found, "corrected_regression", KEYS, "value"),
        notes=weight_notes(data.images.table),
    )


def _on_content(data: Labelled, rows: pd.DataFrame) -> pd.DataFrame:
    """The share on month and cluster together; empty where there are neither."""
    months, clusters = _months(rows), _clusters(rows)
    terms = {**months, **clusters}
    if not terms:
        return pd.DataFrame(columns=KEYS)
    complete = np.isfinite(np.column_stack(list(terms.values()))).all(axis=1)
    known = {name: np.where(complete, term, 0.0) for name, term in terms.items()}
    found = outcome_regression(data, known, complete)
    held = [MONTH] * bool(months) + ["cluster"] * bool(clusters)
    return found.assign(outcome="share", adjusted=listed(held))


def _of_likes(data: Labelled, rows: pd.DataFrame) -> pd.DataFrame:
    """The rate ratio of likes, with nothing and with followers and month held the same; empty without likes."""
    if "like_count" not in rows or not rows["like_count"].sum() > 0:
        return pd.DataFrame(columns=KEYS)
    likes = rows["like_count"].to_numpy(float)
    months, followers = _months(rows), _followers(rows)
    held: dict[str, Mapping[str, Floats]] = {NOTHING: {}}
    if followers:
        held["followers"] = followers
    if months:
        held[listed([*["followers"] * bool(followers), MONTH])] = {
            **followers,
            **months,
        }
    tables = []
    for adjusted, terms in held.items():
        complete = np.ones(len(rows), bool)
        for term in terms.values():
            complete &= np.isfinite(term)
        known = {name: np.where(complete, term, 0.0) for name, term in terms.items()}
        found = rate_ratio(data, likes, known, complete)
        tables.append(found.assign(outcome=LIKES, adjusted=adjusted, term="it is"))
    return pd.concat(tables, ignore_index=True)


def _months(rows: pd.DataFrame) -> dict[str, Floats]:
    """The month of each image, from the middle, [n]; empty where there are no two of them."""
    if "created_at" not in rows or rows["created_at"].isna().all():
        return {}
    date = rows["created_at"].dt
    month = (date.year * 12 + date.month).to_numpy(float)
    if np.nanmax(month) == np.nanmin(month):
        return {}
    return {MONTH: month - np.nanmean(month)}


def _clusters(rows: pd.DataFrame) -> dict[str, Floats]:
    """A dummy [n] for each cluster but the first; NaN where an image has none."""
    label = columns.find_label_column(rows.columns)
    if label is None:
        return {}
    labels = rows[label].to_numpy(float)
    dummies = {}
    for name in np.unique(labels[np.isfinite(labels)])[1:]:
        is_it = (labels == name).astype(float)
        dummies[f"{CLUSTER}{name:g}"] = np.where(np.isfinite(labels), is_it, np.nan)
    return dummies


def _followers(rows: pd.DataFrame) -> dict[str, Floats]:
    """The two upper groups by followers of Eq (1), [n]; empty without followers, or where all are of one group."""
    # Not at the top: analyze returns at once where nothing has changed.
    from twigma.analysis.likes.design import FOLLOWERS, HIGH, LOW

    if "follower_count" not in rows:
        return {}
    count = rows["follower_count"].to_numpy(float)
    groups = ((count >= LOW) & (count <= HIGH), count > HIGH)
    dummies = {}
    for name, group in zip(FOLLOWERS, groups, strict=True):
        if group.any() and not group.all():
            dummies[name] = np.where(np.isfinite(count), group.astype(float), np.nan)
    return dummies


# ------------------------------------------------------------------ described


def describe_regressions(results: Results) -> Section:
    """The rate ratio of likes by the model alone and corrected, and which months and clusters differ once corrected."""
    found = results.tables["corrected_regression"]
    sentences = []
    for column in found["column"].unique():
        own = found[found["column"] == column]
        name = clean(column)
        sentences += [_content(own, name), _likes(own, name)]
    n = number(results.figures["corrected_regression"]["n"])
    return Section(
        figure="Beyond the paper",
        title="Regressions on and with what a model says, corrected by labels",
        claim=" ".join(sentence for sentence in sentences if sentence),
        basis=f"At most {n} images; linear for the share, with month and clusters together, and Poisson for likes; 95% "
        "intervals by the jackknife over authors. No interval where fewer than 5 labels are of either kind.",
        paper="Not in the paper, which takes what the detector says as it is.",
        differs="Errors of a model that differ between months or clusters look like trends and themes; as a covariate "
        "they bring a rate ratio nearer to 1. The pseudo-outcome of the labels takes the model's place in both.",
        tables=(_content_table(found), _likes_table(found)),
    )


def _content(found: pd.DataFrame, name: str) -> str:
    """Which terms differ from 0 once corrected, and whether the model alone says so too."""
    share = found[(found["outcome"] == "share") & (found["estimator"] == CORRECTED)]
    naive = found[(found["outcome"] == "share") & (found["estimator"] == NAIVE)]
    if share.empty:
        return ""
    shown = [str(row.term) for row in records(share) if _excludes(row, 0.0)]
    unsure = [str(row.term) for row in records(share) if not np.isfinite(row.low)]
    claimed = [str(row.term) for row in records(naive) if _excludes(row, 0.0)]
    only = [term for term in claimed if term not in [*shown, *unsure]]
    sentence = f"Corrected by labels, the share by {name} is not shown to differ"
    if shown:
        sentence = (
            f"Corrected by labels, the share by {name} differs by {listed(shown)}"
        )
    if only:
        sentence += f"; only the model alone says so of {listed(only)}"
    if unsure:
        sentence += (
            f"; for {listed(unsure)} there are too few labels of either kind to tell"
        )
    return f"{sentence}."


def _likes(found: pd.DataFrame, name: str) -> str:
    """The rate ratio with the most held the same."""
    likes = found[found["outcome"] == LIKES]
    if likes.empty:
        return ""
    last = likes[likes["adjusted"] == likes["adjusted"].iloc[-1]]
    by_name = {row.estimator: row for row in records(last)}
    naive = by_name.get(NAIVE)
    corrected = by_name.get(CORRECTED)
    if naive is None or corrected is None:
        return f"Too few labels to correct the likes of {name}."
    doubt = "" if _excludes(corrected, 1.0) else " (no difference is shown)"
    return (
        f"Images that {name} flags got {interval(naive.value, naive.low, naive.high)} times the likes of others, with "
        f"{naive.adjusted} held the same; corrected by labels it is "
        f"{interval(corrected.value, corrected.low, corrected.high)}{doubt}."
    )


def _excludes(row: Any, null: float) -> bool:
    """Whether an interval is known and does not hold no effect."""
    return bool(row.low > null or row.high < null)


def _content_table(found: pd.DataFrame) -> Table:
    """Differences of the share in points, a row a term."""
    own = found[found["outcome"] == "share"]
    caption = "The share on month and cluster together: points for a month, and against the first cluster [95%]"
    return _by_estimator(own, "Term", "term", 100, caption)


def _likes_table(found: pd.DataFrame) -> Table:
    own = found[found["outcome"] == LIKES]
    caption = (
        "Rate ratio of likes of images that are what is measured, against others [95%]"
    )
    return _by_estimator(own, "Held the same", "adjusted", 1, caption)


def _by_estimator(
    own: pd.DataFrame, title: str, key: str, unit: float, caption: str
) -> Table:
    """A row a group, an estimator a column."""
    rows = []
    for (column, group), estimates in own.groupby(["column", key], sort=False):
        by_name = {row.estimator: row for row in records(estimates)}
        cells: list[object] = [clean(column), group]
        for name in (NAIVE, ALONE, CORRECTED):
            row = by_name.get(name)
            text = None
            if row is not None:
                text = interval(unit * row.value, unit * row.low, unit * row.high)
            cells.append(text)
        cells.append(max(row.labels for row in by_name.values()))
        rows.append(cells)
    header = ("Column", title, NAIVE, ALONE, CORRECTED, "Labels")
    return table(caption, header, rows)


REGRESSIONS = Figure("corrected_regression", compute_regressions, needs=("labels",))
CORRECTED_REGRESSION = Chapter(describe_regressions, (REGRESSIONS,))
