"""Columns of text of any length: one Arrow array of strings holds 2 GiB, which ten million posts exceed.

Arrow raises ArrowInvalid where it would have to put more into one array: when chunks are combined, and when rows are
taken. Here such a column is widened to 64-bit offsets for the operation, and the result has chunks of the type that the
column had.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

MOST_BYTES = 2**31 - 1  # of one array of strings: its offsets are 32 bits
ROWS_A_SLICE = 1 << 20  # rows of a long column that are taken at once
_WIDE = {
    pa.string(): pa.large_string(),
    pa.binary(): pa.large_binary(),
}


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column of n rows as one array [n], with 64-bit offsets where its text needs them.

    >>> whole(pa.chunked_array([["a"], ["b"]])).type
    DataType(string)
    """
    if column.type in _WIDE and column.nbytes > MOST_BYTES:
        column = column.cast(_WIDE[column.type])
    return column.combine_chunks()


def take_rows(column: pa.ChunkedArray, rows: pa.Array) -> pa.ChunkedArray:
    """The rows of a column at these places (int[m], null where there is none), as [m] of the same type.

    >>> take_rows(pa.chunked_array([["a"], ["b"]]), pa.array([1, None, 0])).to_pylist()
    ['b', None, 'a']
    """
    values = whole(column)
    if column.type not in _WIDE or not _is_long(column, len(rows)):
        return pa.chunked_array([values.take(rows)], column.type)
    slices = []
    for start in range(0, len(rows), ROWS_A_SLICE):
        taken = values.take(rows.slice(start, ROWS_A_SLICE))
        slices.append(taken.cast(column.type))
    return pa.chunked_array(slices, column.type)


def _is_long(column: pa.ChunkedArray, rows: int) -> bool:
    """Whether the column, or this many rows of its mean length, may hold too much for one array."""
    mean = column.nbytes / max(1, len(column))
    return bool(max(column.nbytes, 2 * mean * rows) > MOST_BYTES)


def whole_table(table: pa.Table) -> pa.Table:
    """A table [n] with each column in one chunk, of `whole`, from which slices of rows are taken without a copy.

    It has the same rows; `cast` gives the slices the schema of the table.
    """
    return pa.table([whole(column) for column in table.columns], table.column_names)


def take_table(table: pa.Table, rows: pa.Array) -> pa.Table:
    """The rows of a table at these places (int[m]), one row per place."""
    columns = [take_rows(column, rows) for column in table.columns]
    return pa.table(columns, schema=table.schema)


def sort_table(table: pa.Table, keys: Sequence[tuple[str, str]]) -> pa.Table:
    """A table with its rows in the order of (column, `ascending` or `descending`); equal rows keep theirs."""
    return take_table(table, pc.sort_indices(table, sort_keys=list(keys)))
