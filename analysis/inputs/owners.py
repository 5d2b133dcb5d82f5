"""Whose images are whose: the author of ours, the artist or prompt of a reference set; and what a figure says of it.

Images of one owner are not independent, so intervals and tests take owners as blocks (`inference.blocks`).
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks_of,
    few_note,
    unknown_note,
)
from twigma.analysis.inputs.images import Images

if TYPE_CHECKING:
    from twigma.analysis.inputs.load import Inputs
    from twigma.analysis.inputs.requirements import Entry, Result

COLUMNS = ("author_id", "group")  # of ours; of a reference set
# Columns of results that name a set.
OF_SETS = ("set", "set_a", "set_b", "row", "column", "reference")


def owner_column(images: Images) -> str | None:
    """The column that says whose an image is; None where no image has a value in one."""
    for column in COLUMNS:
        if images.has(column):
            return column
    return None


def owners_of_rows(images: Images) -> NDArray[Any] | None:
    """The owner of every row of the table as a number, float64 [rows], nan where a row has none (`Images.numbered`).

    None where owners are not known.
    """
    column = owner_column(images)
    return None if column is None else images.numbered(column)


def owners(data: "Inputs") -> dict[str, NDArray[Any]]:
    """By set, the owner of each image of `Inputs.sets` as a number, float64 [n], nan where an image has none.

    Sets whose owners are not known are left out.
    """
    by_set = {}
    for images in _all_sets(data):
        labels = owners_of_rows(images)
        if labels is not None and len(images.rows):
            by_set[images.name] = images.thinned(labels[images.rows])
    return by_set


def owners_for_intervals(data: "Inputs") -> dict[str, NDArray[Any]]:
    """`owners` [n] by set, without the sets whose images are all by one owner: these have no interval over owners.

    Their intervals take images as independent; `interval_notes` says so.
    """
    by_set = {}
    for name, labels in owners(data).items():
        if not is_of_one_owner(labels):
            by_set[name] = labels
    return by_set


def is_of_one_owner(labels: NDArray[Any]) -> bool:
    """Whether all images, of these owners [n], are by one; an image without an owner is on its own."""
    return int(dense_blocks(labels, len(labels)).max(initial=-1)) == 0


def owners_of_images(images: Images, names: Any) -> NDArray[Any] | None:
    """The owner of the images of these names [m], None where one is not known; None where all are not."""
    column = owner_column(images)
    if column is None:
        return None
    known = images.table.select(["image_name", column]).to_pandas()
    by_name = known.drop_duplicates("image_name").set_index("image_name")[column]
    found = by_name.reindex(pd.Index(names))
    if found.isna().all():
        return None
    labels = found.astype(object)
    result: NDArray[Any] = labels.where(found.notna(), None).to_numpy()
    return result


def owner_notes(data: "Inputs", names: Iterable[str] | None = None) -> tuple[str, ...]:
    """That the owners of some of the sets are not known, for a figure that takes owners as blocks; empty otherwise.

    `names` are the sets it is of; all by default.
    """
    unknown = []
    for images in _all_sets(data):
        if names is not None and images.name not in names:
            continue
        if owner_column(images) is None:
            unknown.append(images.name)
    note = unknown_note(unknown)
    return (note,) if note else ()


def interval_notes(data: "Inputs", names: Iterable[str]) -> tuple[str, ...]:
    """For a figure of these sets with `owners_for_intervals`: whose owners are not known, and which have one alone."""
    notes = list(owner_notes(data, names))
    single = []
    for name, labels in owners(data).items():
        if name in names and is_of_one_owner(labels):
            single.append(name)
    if single:
        notes.append(
            f"All images are by one author, artist or prompt in {', '.join(single)}: intervals take images as "
            "independent, and are too narrow if they are not."
        )
    return tuple(notes)


def few_owner_notes(data: "Inputs", result: "Result") -> tuple[str, ...]:
    """A warning for any figure that has an interval of sets with few owners, fewer than 30 effective ones.

    `twigma analyze` passes the result of every figure through it. The sets are those that a column of a table names, or
    else the studied images.
    """
    if not _has_interval(result):
        return ()
    named = _names_in(result.tables)
    sets = [images for images in _all_sets(data) if images.name in named]
    blocks = {}
    for images in sets or [data.images]:
        labels = owners_of_rows(images)
        if labels is not None:
            blocks[images.name] = effective_blocks_of(labels, len(labels))
    note = few_note(blocks)
    return (note,) if note else ()


def _all_sets(data: "Inputs") -> tuple[Images, ...]:
    return (data.images, *data.references.values())


def _has_interval(result: "Result") -> bool:
    """Whether any number or any table has the limits of an interval that is known."""
    if any(_is_interval(entry) for entry in result.values.values()):
        return True
    for table in result.tables.values():
        named = [str(name) for name in table]
        limits = [name for name in named if name == "high" or name.endswith("_high")]
        if table[limits].notna().any(axis=None):
            return True
    return False


def _is_interval(entry: "Entry") -> bool:
    return entry.get("high") is not None


def _names_in(tables: Mapping[str, pd.DataFrame]) -> set[str]:
    """The sets that the tables name, and perhaps other labels."""
    names: set[str] = set()
    for table in tables.values():
        for column in table.columns.intersection(list(OF_SETS)):
            names.update(str(name) for name in table[column].unique())
    return names
