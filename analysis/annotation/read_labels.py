"""What annotators answered, with the probability that each image was labelled, and the images of a release with it.

Images are shown in random order, so that those labelled when somebody stops are a sample of those drawn: within each
stratum the probability is that of being drawn times the share of the drawn that was labelled. An image that nobody
could tell counts as not labelled. Where annotators differ, an image's label is their mean.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from twigma.analysis.annotation.sheet_files import (
    NO,
    UNSURE,
    YES,
    About,
    Hashes,
    Item,
    SheetLabels,
    name_hashes,
    read_frame,
    read_key,
    read_labels,
)
from twigma.analysis.inference.blocks import dense_blocks
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.annotators import (
    annotator_names,
    refuse_copies,
    remarks,
)
from twigma.analysis.measurement.estimates import Labelled
from twigma.core import columns
from twigma.core.lists.sheets import saved_sheets
from twigma.core.safety.failures import DataError

USED = (
    "all_captions",
    "author_id",
    "created_at",
    "like_count",
    "follower_count",
    columns.LABELS,
)
# What is measured of a column that is no score from 0 to 1: whether it is a value (a theme), or is above one.
EXPRESSION = re.compile(r"(?P<name>[^=<>]+)(?P<sign>[=>])(?P<value>[^=<>]+)")
SENSITIVITY = ("nsfw_score", "possibly_sensitive")
VALUES = {YES: 1.0, NO: 0.0}


class Answers(NamedTuple):
    """Answers of a folder: `images` (image_name, stratum, label, probability), a row an image that has a label; and

    `labels`, a row an image that was drawn and a column an annotator: 1, 0, or NaN where there is no answer.
    """

    about: About
    images: pd.DataFrame
    labels: pd.DataFrame
    unsure: int  # answers "cannot tell"
    drawn: int
    remarks: tuple[str, ...] = ()  # on the annotators
    frame: Hashes | None = None  # of all images that could have been drawn

    def drawable(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those of the images of a release (`rows`, a row an image) that could have been drawn.

        Of the others labels say nothing.
        """
        if self.frame is None:
            return rows
        is_known = np.isin(name_hashes(rows["image_name"]), self.frame)
        return rows[is_known].reset_index(drop=True)


def read_answers(folder: Path) -> Answers:
    """The labels of a folder of label sheets.

    Returns
    -------
    Answers, a row per image. ValueError naming file and line where a sheet was changed beyond its labels, where one is
    a copy of another, where nothing is labelled, and where a stratum has no label: its images could have been anything.
    """
    about = About.read(folder)
    items = read_key(folder)
    labels = pd.DataFrame(index=pd.Index(list(items), name="item"))
    unsure = 0
    answered: dict[str, dict[str, str]] = {}
    rows: dict[str, int] = {}
    for name in annotator_names(folder):
        answers, rows[name] = _answers(folder, name, items)
        if answers:
            answered[name] = answers
            column = pd.Series(answers).map(VALUES).astype(float)
            labels[name.removeprefix("annotator-")] = column.reindex(labels.index)
            unsure += sum(answer == UNSURE for answer in answers.values())
    refuse_copies(folder, answered)
    if labels.empty or labels.isna().all(axis=None):
        raise DataError(
            f"no image in {folder} is labelled: `twigma label {folder} --work WORK` shows them"
        )
    key = pd.DataFrame(items.values()).set_index("item")
    key["label"] = labels.mean(axis=1)
    labelled = key["label"].notna()
    rate = labelled.groupby(key["stratum"]).mean()
    missing = rate.index[rate == 0].tolist()
    if missing:
        raise DataError(
            f"{folder}: expected labels of every stratum, found none of {', '.join(missing)}: label more images"
        )
    key["probability"] *= key["stratum"].map(rate)
    kept = key.loc[labelled, ["image_name", "stratum", "label", "probability"]]
    return Answers(
        about,
        kept.reset_index(drop=True),
        labels,
        unsure,
        drawn=len(items),
        remarks=remarks(answered, rows, len(items)),
        frame=read_frame(folder),
    )


def _answers(folder: Path, name: str, items: Mapping[str, Item]) -> SheetLabels:
    """The answers of one annotator by item, from the one file of theirs that has any."""
    sheets = {}
    for path in saved_sheets(folder / f"{name}.csv"):
        sheets[path] = read_labels(path, items)
    filled = [path for path, sheet in sheets.items() if sheet.labels]
    if len(filled) > 1:
        one, other = filled[:2]
        raise DataError(
            f"{one} and {other.name} are both filled in: delete the one that does not count"
        )
    if filled:
        return sheets[filled[0]]
    return SheetLabels({}, 0)


def distinct_images(table: pa.Table, column: str) -> pd.DataFrame:
    """The images that have a value of this column, each once, with what is needed to label and to estimate.

    Parameters
    ----------
    table : a row an image and post.
    column : a score from 0 to 1 or a flag; or COLUMN=VALUE and COLUMN>VALUE, which are 1 or 0: in a theme or not
        (`label_10_cluster=4`), above a value or not.

    Returns
    -------
    DataFrame, with what is measured under the name of `column`. ValueError where the table lacks the column, no image
    has a value, or it holds no numbers.
    """
    table = _with_measured(table, column)
    wanted = dict.fromkeys(("image_name", "id", column, *USED, *SENSITIVITY))
    called = columns.present(wanted, table.column_names)
    present = [name for name in called if name in table.column_names]
    weights = sample_weights(table)
    rows: pd.DataFrame = table.select(present).to_pandas()
    rows["weight"] = 1.0 if weights is None else weights
    rows = rows.dropna(subset=[column, "image_name"]).drop_duplicates("image_name")
    return rows.reset_index(drop=True).astype({column: float})


def _with_measured(table: pa.Table, column: str) -> pa.Table:
    """The table with what is measured as a column of its own, null where it is not known."""
    measured = EXPRESSION.fullmatch(column)
    name = measured["name"].strip() if measured else column
    if name not in table.column_names or not pc.any(table[name].is_valid()).as_py():
        raise DataError(
            f"sheets: expected the column {name}, found none with values in {table.column_names}"
        )
    if not _is_number(table[name].type):
        raise DataError(
            f"sheets: expected a score from 0 to 1 or a flag, found {name}, a {table[name].type}"
        )
    if measured is None:
        return table
    try:
        value = float(measured["value"])
    except ValueError:
        raise DataError(
            f"sheets: expected a number after {measured['sign']!r}, found {column!r}"
        ) from None
    compare = pc.equal if measured["sign"] == "=" else pc.greater
    is_it = compare(table[name].cast(pa.float64()), value)
    if not pc.any(is_it).as_py() or pc.all(is_it).as_py():
        raise DataError(
            f"sheets: expected some images with {column} and some without, found all alike: "
            f"{name} goes from {pc.min(table[name])} to {pc.max(table[name])}"
        )
    return table.append_column(column, is_it.cast(pa.float64()))


def _is_number(kind: pa.DataType) -> bool:
    numeric = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    return bool(numeric or pa.types.is_boolean(kind))


def labelled_images(answers: Answers, rows: pd.DataFrame) -> Labelled:
    """The images of `distinct_images` (a row an image) with their labels, ready to be estimated from.

    The correction uses the model's verdict and its score. ValueError where none of the labelled images is there.
    """
    score = rows[answers.about.column].to_numpy(float)
    flag = (score > answers.about.threshold).astype(float)
    known = answers.images.set_index("image_name")
    label = known["label"].reindex(rows["image_name"]).to_numpy(float)
    if np.isnan(label).all():
        raise DataError(
            f"none of the {len(known):,} labelled images is in this release: were the sheets drawn from another?"
        )
    probability = known["probability"].reindex(rows["image_name"]).to_numpy(float)
    authors = rows["author_id"] if "author_id" in rows else rows["id"]
    weight = rows["weight"].to_numpy(float)
    return Labelled(
        flag=flag,
        label=label,
        probability=probability,
        # An image without an author is by one of its own.
        authors=dense_blocks(authors, len(rows)),
        weights=weight if np.ptp(weight) else None,
        model=np.column_stack([flag, score]),
    )
