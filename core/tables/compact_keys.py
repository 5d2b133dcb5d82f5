"""Ids as numbers of 8 bytes while they are only compared: text of 19 digits takes three times as much, and to hash.

Numbers are sorted, not hashed: Arrow's table of ten million takes 0.8 GB, their order 80 MB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SEARCHED = 1 << 20  # numbers that are looked for at a time
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


class Numbered(NamedTuple):
    """`codes`, int32[n], of n values: the place of each among the `distinct` ones, which are in no particular order."""

    codes: npt.NDArray[np.int32]
    distinct: pa.Array


def number(values: pa.Array) -> Numbered:
    """Equal values (text, or `compact`) have one code, and null is a value.

    >>> number(pa.array([9, 7, 9])).codes
    array([1, 0, 1], dtype=int32)
    """
    if not _are_numbers(values):
        encoded = values.dictionary_encode(null_encoding="encode")
        return Numbered(encoded.indices.to_numpy(), encoded.dictionary)
    numbers = values.to_numpy()
    order = np.argsort(numbers, kind="stable")
    ascending = numbers[order]
    is_first = np.ones(len(numbers), bool)
    is_first[1:] = ascending[1:] != ascending[:-1]
    codes = np.empty(len(numbers), np.int32)
    codes[order] = np.cumsum(is_first, dtype=np.int32) - 1
    return Numbered(codes, pa.array(ascending[is_first]))


def find(values: pa.Array, among: pa.Array) -> pa.Array:
    """int32[n]: the place of each value (text, or `compact`) among others; null where it is not.

    Of equal others it is the first.
    """
    if values.type != among.type:
        values = values.cast(pa.string())
        among = among.cast(pa.string())
    if not len(among) or not _are_numbers(values) or not _are_numbers(among):
        return pc.index_in(values, value_set=among)
    numbers = among.to_numpy()
    order = np.argsort(numbers, kind="stable").astype(np.int32)
    ascending = numbers[order]
    places = np.empty(len(values), np.int32)
    is_found = np.empty(len(values), bool)
    for start in range(0, len(values), SEARCHED):
        block = slice(start, start + SEARCHED)
        at, is_found[block] = _search(ascending, values[block].to_numpy())
        places[block] = order[at]
    return pa.array(places, mask=~is_found)


def _search(
    ascending: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where each wanted number is, int64[n], and whether it is there, bool[n]."""
    # One after the other in order they are found in the cache.
    order = np.argsort(wanted)
    at = np.empty(len(wanted), np.int64)
    at[order] = np.searchsorted(ascending, wanted[order])
    at = np.minimum(at, len(ascending) - 1)
    return at, ascending[at] == wanted


def _are_numbers(values: pa.Array) -> bool:
    return bool(values.type == pa.int64() and not values.null_count)


def joined_key(*parts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Post and image of each row, or other texts [n] of one length, as one text."""
    # Images added by hand are on no post: their id is null, and still they have a key.
    return pc.binary_join_element_wise(
        *parts, "/", null_handling="replace", null_replacement=""
    )
