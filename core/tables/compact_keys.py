"""Ids as numbers of 8 bytes while they are only compared: text of 19 digits takes three times as much, and to hash."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_PLAIN = "^(0|[1-9][0-9]{0,18})$"  # texts that a number gives back as they are


def compact(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts, string[n], as int64[n] where all of them are plain decimal numbers of that size; else as they are.

    >>> compact(pa.chunked_array([["7", None]])).type, compact(pa.chunked_array([["07"]])).type
    (DataType(int64), DataType(string))
    """
    if column.type != pa.string():
        return column
    is_plain = pc.all(pc.match_substring_regex(column, _PLAIN)).as_py()
    if is_plain is False:
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column  # larger than 2^63


def united(pieces: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Pieces of one column [n], each text or `compact`, as one: as numbers where all of them are."""
    kinds = {piece.type for piece in pieces}
    if len(kinds) > 1:
        pieces = [piece.cast(pa.string()) for piece in pieces]
    chunks = [chunk for piece in pieces for chunk in piece.chunks]
    return pa.chunked_array(chunks, pieces[0].type)


def find(values: pa.Array, among: pa.Array) -> pa.Array:
    """int32[n]: the place of each value (text, or `compact`) among others; null where it is not."""
    if values.type != among.type:
        values = values.cast(pa.string())
        among = among.cast(pa.string())
    return pc.index_in(values, value_set=among)


def joined_key(*parts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Post and image of each row, or other texts [n] of one length, as one text."""
    # Images added by hand are on no post: their id is null, and still they have a key.
    return pc.binary_join_element_wise(
        *parts, "/", null_handling="replace", null_replacement=""
    )
