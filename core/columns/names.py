"""Columns by their names: labels of any number of clusters, and what several models make side by side."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

import pyarrow as pa

from twigma.core.columns.declared import (
    COLUMNS,
    METADATA,
    PAPER_K,
    Column,
    label_column,
)
from twigma.core.names import OF_MODELS, captions_of_names, named_column

# Stands for the label column where one is declared or required, whatever its number of clusters.
LABELS = "label_K_cluster"
_LABEL_COLUMN = re.compile(r"label_[1-9][0-9]*_cluster")


def find_label_column(names: Iterable[str]) -> str | None:
    """The label column among these names, None where there is none; ValueError where labels of two clusterings are.

    >>> find_label_column(["image_name", "label_8_cluster"])
    'label_8_cluster'
    """
    found = [name for name in names if _LABEL_COLUMN.fullmatch(name)]
    if len(found) > 1:
        raise ValueError(
            f"expected the labels of one clustering, found {' and '.join(found)}: drop all but one of these columns"
        )
    return found[0] if found else None


def present(names: Iterable[str], of: Iterable[str]) -> list[str]:
    """`names` as a table with the columns `of` has them: LABELS is the label column that is there, if any is.

    >>> present(["image_name", LABELS], ["image_name", "label_8_cluster"])
    ['image_name', 'label_8_cluster']
    """
    label = find_label_column(of) or LABELS
    return [label if name == LABELS else name for name in names]


def those_of(names: Iterable[str], of: Collection[str]) -> list[str]:
    """`present`, without what is not among the columns `of`.

    >>> those_of(["image_name", "source", LABELS], ["image_name", "label_8_cluster"])
    ['image_name', 'label_8_cluster']
    """
    return [name for name in present(names, of) if name in of]


def metadata(of: Collection[str]) -> list[str]:
    """The public columns in their order, for a table with the columns `of`: its labels and captions by their names."""
    label = find_label_column(of) or label_column(PAPER_K)
    listed = []
    for name in METADATA:
        if name == label_column(PAPER_K):
            listed.append(label)
        else:
            listed.append(name)
        if name == "all_captions":
            listed += captions_of_names(of)
    return listed


def named(part: pa.Table, name: str) -> pa.Table:
    """A part, one row per image, with the columns of models called by a name; as it is by the default one, ""."""
    if not name:
        return part
    return part.rename_columns([named_column(c, name) for c in part.column_names])


def declared(name: str) -> Column:
    """The declaration of a column; KeyError where there is none.

    Labels of any number of clusters have one, and so has what several models make, whatever it is called.
    """
    if name == LABELS or _LABEL_COLUMN.fullmatch(name):
        return replace(COLUMNS[label_column(PAPER_K)], name=name)
    for base in OF_MODELS:
        if name.startswith(f"{base}_"):
            doc = f"{COLUMNS[base].doc} By the model of that name."
            return replace(COLUMNS[base], name=name, doc=doc)
    return COLUMNS[name]
