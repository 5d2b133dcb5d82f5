"""Which rows may be trained on, and the one reason why each of the others may not: rights, content, caption, shape."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.builder.finetuning.row_keys import READ
from twigma.builder.finetuning.settings import CAPTION_COLUMNS, Settings
from twigma.core import columns
from twigma.core.workspace import Workspace

FROM_X = "from X, whose terms were not acknowledged"
# Columns of the images table that can bar a row.
GATED = ("possibly_sensitive", "source")


def read_images(work: Workspace, settings: Settings) -> pa.Table:
    """The images table, with what decides whether an image is chosen, and no other text than it is trained with."""
    wanted = (*READ, *GATED, CAPTION_COLUMNS[settings.captions])
    return work.image_rows(*columns.those_of(wanted, work.image_schema().names))


def training_text(table: pa.Table, settings: Settings) -> pa.ChunkedArray:
    """What an image is trained with, on one line: its caption after the trigger word; null without one (string[n]).

    Raises ValueError when the working folder has no such texts at all.
    """
    column = CAPTION_COLUMNS[settings.captions]
    if column not in table.column_names or table[column].null_count == len(table):
        raise ValueError(
            f"--captions {settings.captions}: no image of this working folder has a {settings.captions}; "
            f"expected one of {', '.join(CAPTION_COLUMNS)} that it has"
        )
    words = pc.utf8_trim_whitespace(table[column])
    one_line = pc.replace_substring_regex(words, r"\s+", " ")
    empty = pc.equal(one_line, "")
    text = pc.if_else(empty, pa.scalar(None, pa.string()), one_line)
    if settings.trigger:
        text = pc.binary_join_element_wise(settings.trigger, text, ", ")
    return text


def training_reasons(
    table: pa.Table,
    reasons: pa.ChunkedArray,
    settings: Settings,
    acknowledge_x_terms: bool,
) -> pa.ChunkedArray:
    """The first reason why a row may not be trained on (string[n]): those of the release, then rights and content.

    `table` has the columns of `join_stages` and `training_text`.
    """
    gates = {
        "marked as possibly sensitive": _is_true(table["possibly_sensitive"]),
        "no NSFW score": _is_missing(table["nsfw_score"]),
        f"no {settings.captions}": _is_missing(table["training_text"]),
    }
    if not acknowledge_x_terms:
        # Of a row whose source is unknown, too: most rows are from X.
        is_own = pc.not_equal(table["source"], "x")
        gates = {FROM_X: ~_is_true(is_own), **gates}
    if settings.min_side:
        short = pc.min_element_wise(table["width"], table["height"])
        name = f"a side under {settings.min_side} px"
        gates[name] = _is_true(pc.less(short, settings.min_side))
    if settings.max_aspect:
        name = f"sides further apart than {settings.max_aspect:g} to 1"
        gates[name] = _is_true(pc.greater(_aspect(table), settings.max_aspect))
    if not settings.everything:
        gates["likes not known"] = _is_missing(table["like_count"])
    first = reasons.to_numpy(zero_copy_only=False)
    for reason, applies in gates.items():
        free = first == None  # noqa: E711 - element by element
        first = np.where(applies & free, reason, first)
    return pa.chunked_array([pa.array(first, pa.string())])


def _aspect(table: pa.Table) -> pa.ChunkedArray:
    """The longer side by the shorter one."""
    longer = pc.max_element_wise(table["width"], table["height"])
    shorter = pc.min_element_wise(table["width"], table["height"])
    return pc.divide(longer.cast(pa.float64()), shorter)


def _is_true(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """True where the value is true, False where it is false or null."""
    return np.asarray(pc.fill_null(column, False).to_numpy(), bool)


def _is_missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(), bool)
