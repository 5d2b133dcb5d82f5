"""`twigma sheets RELEASE --for COLUMN`: draws images with known probabilities and writes the sheets to label them.

How many labels a wanted width needs is said before anybody labels: from an assumed accuracy of the model, or from a
pilot, an earlier folder of labels.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from twigma.analysis.annotation.read_labels import (
    distinct_images,
    labelled_images,
    read_answers,
)
from twigma.analysis.annotation.sheet_files import (
    ABOUT,
    KEY,
    KEY_COLUMNS,
    SHEET_COLUMNS,
    About,
    sheet_path,
    write_frame,
)
from twigma.analysis.inference.blocks import FEW, effective_blocks_of
from twigma.analysis.inference.blocks import FEWEST as AUTHORS
from twigma.analysis.inputs import load
from twigma.analysis.inputs.annotation_sheets import require_free
from twigma.analysis.measurement.estimates import CORRECTED, FEWEST, share
from twigma.analysis.measurement.planning import (
    expected_width,
    labels_needed,
    residual_variance,
    variance_of,
)
from twigma.analysis.measurement.sampling import (
    draw_sample,
    fewest_labels,
    score_strata,
)
from twigma.analysis.page.gallery import sensitive
from twigma.core.files import write_json
from twigma.core.progress import notice
from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace

THRESHOLD = 0.5
# What a detector is assumed to do before a label is there: it finds 80 %, and flags 5 % of the rest.
ASSUMED_TPR, ASSUMED_FPR = 0.8, 0.05
LEAST = (
    2 * FEWEST
)  # labels of which `analyze` can give an interval: FEWEST of yes, as many of no
SENSITIVE = "Is this picture sexual, violent or otherwise not safe for work?"
QUESTIONS = {"nsfw_score": SENSITIVE, "possibly_sensitive": SENSITIVE}


class Drawn(NamedTuple):
    """How many images were drawn, of how many, and the width of the 95% interval that is expected of their labels.

    `width` is None where `analyze` will give no interval, whatever the labels are.
    """

    drawn: int
    images: int
    width: float | None
    authors: str  # the column that says whose images belong together
    basis: str  # what the width is expected from


def draw_sheets(
    release: Path,
    out: Path,
    *,
    column: str,
    n: int = 500,
    width: float | None = None,
    pilot: Path | None = None,
    work: AnyWorkspace | None = None,
    question: str | None = None,
    annotators: int = 4,
    seed: int = 0,
) -> Drawn:
    """Draw images of a release to be labelled, and write the key and a blank sheet for each annotator.

    Parameters
    ----------
    column : a score from 0 to 1, or a flag; above one half it says yes. COLUMN=VALUE is whether an image is in a theme
        (`label_10_cluster=4`), COLUMN>VALUE whether a score of another scale is above a value.
    n : images to draw, unless `width` says how many.
    width : wanted width of the 95% interval of the share (high less low).
    pilot : an earlier folder of labels for this column; without it `width` goes by an assumed accuracy.
    work : working folder with author_id, along which images are spread; without it along posts.
    question : what annotators are asked; NSFW columns have one.

    Returns
    -------
    Drawn. FileExistsError where `out` has sheets; ValueError for a column that cannot be measured so.
    """
    require_free(out)
    question = _question(column, question)
    rows = distinct_images(load.read_rows(release, work), column)
    if len(rows) < 2:
        raise ValueError(
            f"sheets: expected at least 2 images to label, found {len(rows)}: `twigma analyze` makes nothing of fewer"
        )
    score = rows[column].to_numpy(float)
    _check_range(column, score)
    authors = "author_id" if "author_id" in rows else "id"
    strata = score_strata(score, THRESHOLD)
    plan = _assumed(score) if pilot is None else _by_pilot(pilot, rows, column)
    if width is not None:
        _require_interval(len(rows))
        n = max(plan.labels(width), LEAST, fewest_labels(strata))
        if n > len(rows):
            raise ValueError(
                f"sheets: a width of {width:g} needs about {n:,} labels, {plan.basis}, and there are {len(rows):,} "
                "images: name a larger --width"
            )
    if n > len(rows):
        notice(
            f"sheets: {out} has all {len(rows):,} images, fewer than the {n:,} labels that were asked for"
        )
        n = len(rows)
    draw = draw_sample(strata, n, rows[authors], seed=seed)
    drawn = rows.iloc[draw.rows].assign(
        stratum=strata[draw.rows] + 1, probability=draw.probability[draw.rows]
    )
    about = About(column, THRESHOLD, question, len(rows), column in QUESTIONS)
    write_frame(out, rows["image_name"])
    _write(out, drawn, about, annotators, seed)
    _warn_of_few(rows[authors])
    expected: float | None = plan.width(n)
    # The labels of one author vary together.
    if n < LEAST or drawn[authors].nunique() < AUTHORS:
        expected = None
    return Drawn(n, len(rows), expected, authors, plan.basis)


def _warn_of_few(authors: "pd.Series[Any]") -> None:
    """Say that the plan takes images as independent, where a few authors have most of them."""
    worth = effective_blocks_of(authors, len(authors))
    if worth < FEW:
        notice(
            f"sheets: few authors have most of the images, and count as {worth:.1f} of one size: the interval may come "
            "out much wider than expected, or narrower"
        )


def _question(column: str, question: str | None) -> str:
    question = question or QUESTIONS.get(column)
    if not question:
        raise ValueError(
            f"sheets: expected a question that can be answered with yes or no for {column}: name it with --question"
        )
    return question


def _check_range(column: str, score: Any) -> None:
    if score.min() < 0 or score.max() > 1:
        raise ValueError(
            f"sheets: expected a score from 0 to 1 or a flag, found {column} from {score.min():g} to {score.max():g}; "
            f"'{column}=4' measures whether it is 4, '{column}>4' whether it is above"
        )


def _require_interval(images: int) -> None:
    if images < LEAST:
        raise ValueError(
            f"sheets: an interval needs at least {LEAST} labels, {FEWEST} yes and {FEWEST} no, and there are {images} "
            "images: leave --width out to label all of them"
        )


class _Plan(NamedTuple):
    """What is expected of the labels: their variance beside the model, and where that is known from."""

    variance: float
    basis: str

    def labels(self, width: float) -> int:
        return labels_needed(width, self.variance)

    def width(self, labels: int) -> float:
        return expected_width(labels, self.variance)


def _assumed(score: Any) -> _Plan:
    """If the model is as good as assumed, its flags tell the prevalence."""
    flagged = float((score > THRESHOLD).mean())
    prevalence = (flagged - ASSUMED_FPR) / (ASSUMED_TPR - ASSUMED_FPR)
    plausible = float(np.clip(prevalence, 0.01, 0.99))
    return _Plan(
        residual_variance(plausible, ASSUMED_TPR, ASSUMED_FPR),
        f"if the model finds {ASSUMED_TPR:.0%} and flags {ASSUMED_FPR:.0%} of the rest",
    )


def _by_pilot(pilot: Path, rows: pd.DataFrame, column: str) -> _Plan:
    """As earlier labels of this column have it."""
    answers = read_answers(pilot)
    if answers.about.column != column:
        raise ValueError(
            f"sheets: expected a pilot for {column}, found {pilot} for {answers.about.column}"
        )
    table = share(labelled_images(answers, answers.drawable(rows)))
    found = table[table["estimator"] == CORRECTED]
    width = float((found["high"] - found["low"]).sum(skipna=False))
    if not width > 0:
        raise ValueError(
            f"sheets: {pilot} has too few labels of either kind to plan by: label more, or leave --pilot out"
        )
    labels = int(found["labels"].sum())
    return _Plan(
        variance_of(labels, width), f"as the {labels:,} labels of {pilot} have it"
    )


def _write(
    out: Path, drawn: pd.DataFrame, about: About, annotators: int, seed: int
) -> None:
    """The sheets, the key, and last what they are for: a folder without it is not finished."""
    rng = np.random.default_rng(seed)
    key = drawn.iloc[rng.permutation(len(drawn))].reset_index(drop=True)
    key["item"] = np.arange(1, len(key) + 1)
    key["sensitive"] = np.where(_may_be_sensitive(key), "yes", "no")
    captions = key.get("all_captions", pd.Series("", key.index))
    key["caption"] = captions.fillna("").astype(str)
    for number in range(1, annotators + 1):
        blank = key.assign(label="")[list(SHEET_COLUMNS)]
        blank = blank.iloc[rng.permutation(len(blank))]
        spreadsheet.write_frame(sheet_path(out, str(number)), blank)
    spreadsheet.write_frame(out / KEY, key[list(KEY_COLUMNS)])
    write_json(out / ABOUT, about._asdict())


def _may_be_sensitive(key: pd.DataFrame) -> Any:
    known = [name for name in QUESTIONS if name in key]
    columns = {name: key[name].astype(float) for name in known}
    return sensitive(pa.table(columns or {"item": key["item"]}))
