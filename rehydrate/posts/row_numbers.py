"""Numbers of the rows of parsed pages: what each row is, when it was said and what it has. Pure.

`merge_snapshots` decides with them which rows are current; they are all of a table that stays in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Kinds of rows: an image added by hand, an author, a photo of a post, a thing left out.
LOCAL, USER, PHOTO, LEFT_OUT = range(4)
# What a statement says of the photos of its post: that there is one, of some of them, or of all.
NO_PHOTOS, SOME_PHOTOS, ALL_PHOTOS = range(3)
GONE = -1  # the post is not there any more
# What the photos of a post share, each as the last statement that has it.
FIELDS = (
    "created_at",
    "like_count",
    "quote_count",
    "reply_count",
    "retweet_count",
    "possibly_sensitive",
    "author_id",
    "text",
    "hashtags",
)
DIGITS = pa.array([str(digit) for digit in range(10)])
NO_DIGIT = len(DIGITS)  # the group of ids that do not end in a digit

# Opens a table with at least the columns of `parse_pages.PARSED`; it may be opened several times.
Part = Callable[[], pa.Table]
Rows = npt.NDArray[Any]


class Parts:
    """Rows of all parts, numbered one part after the other; one part is open at a time."""

    def __init__(self, opened: Sequence[Part]) -> None:
        self._opened = opened
        lengths = [len(part()) for part in opened]
        self._starts = np.cumsum([0, *lengths])

    def take(self, rows: Rows, names: list[str] | None = None) -> pa.Table:
        """These rows (int64[n], rising), of these columns or all; parts that have none of them are not opened."""
        bounds = np.searchsorted(rows, self._starts)
        having = np.flatnonzero(np.diff(bounds)).tolist()
        pieces: list[pa.Table] = []
        # One piece at least, which has the columns.
        for number in having or [0]:
            table = self._opened[number]()
            selected = table.select(names) if names else table
            here = rows[bounds[number] : bounds[number + 1]]
            pieces.append(selected.take(here - self._starts[number]))
        return pa.concat_tables(pieces, promote_options="default")


@dataclass(frozen=True)
class RowNumbers:
    """The numbers of every row of all parts, three arrays of one length.

    Attributes
    ----------
    kind : int8, one of LOCAL, USER, PHOTO, LEFT_OUT.
    tenth : int8, last digit of the id that the row is about; NO_DIGIT for other ids.
    moment : int64, orders statements by time, then by place; equal for all rows of a statement.
    photos : int8, what the statement says of the photos: NO_PHOTOS, SOME_PHOTOS, ALL_PHOTOS or GONE.
    fields : int16, a bit for each of FIELDS that the row has.
    """

    kind: Rows
    tenth: Rows
    moment: Rows
    photos: Rows
    fields: Rows

    def of(self, rows: Rows) -> "RowNumbers":
        """The numbers of these rows."""
        return RowNumbers(
            self.kind[rows],
            self.tenth[rows],
            self.moment[rows],
            self.photos[rows],
            self.fields[rows],
        )


def row_numbers(parts: Sequence[Part]) -> RowNumbers:
    """The numbers of every row of all parts."""
    times_of_parts = [pc.unique(_times(part())) for part in parts]
    times = np.unique(np.concatenate(times_of_parts))
    kinds: list[Rows] = []
    tenths: list[Rows] = []
    moments: list[Rows] = []
    photos: list[Rows] = []
    fields: list[Rows] = []
    statements = 0
    for part in parts:
        table = part()
        kind, tenth = _kind_and_tenth(table)
        statement = statements + np.cumsum(_mask(table["begins"]), dtype=np.int64)
        time_rank = np.searchsorted(times, np.asarray(_times(table)))
        kinds.append(kind)
        tenths.append(tenth)
        photos.append(np.asarray(table["photos_known"].fill_null(GONE)))
        fields.append(_fields(table))
        # The rank of the time in the upper bits, the number of the statement in the lower 32.
        moments.append(time_rank << 32 | statement)
        if len(table):
            statements = int(statement[-1])
    return RowNumbers(
        np.concatenate(kinds),
        np.concatenate(tenths),
        np.concatenate(moments),
        np.concatenate(photos),
        np.concatenate(fields),
    )


def _fields(part: pa.Table) -> Rows:
    """int16[n]: a bit for each of FIELDS that a row has."""
    fields: Rows = np.zeros(len(part), np.int16)
    for bit, name in enumerate(FIELDS):
        fields |= np.asarray(part[name].is_valid()).astype(np.int16) << bit
    return fields


def _times(part: pa.Table) -> pa.ChunkedArray:
    return part["received_at"].fill_null(0)


def _kind_and_tenth(part: pa.Table) -> tuple[Rows, Rows]:
    what = part["what"]
    is_user = pc.equal(what, "user")
    is_photo = pc.equal(part["reason"], "photo")
    conditions = [_mask(what.is_null()), _mask(is_user), _mask(is_photo)]
    kind = np.select(conditions, [LOCAL, USER, PHOTO], LEFT_OUT).astype(np.int8)
    name = pc.if_else(is_user, part["author_id"], part["id"])
    last_digit = pc.index_in(pc.utf8_slice_codeunits(name, -1), value_set=DIGITS)
    tenth = pc.fill_null(last_digit, NO_DIGIT)
    return kind, np.asarray(tenth).astype(np.int8)


def _mask(flags: pa.Array | pa.ChunkedArray) -> Rows:
    return np.asarray(pc.fill_null(flags, False))
