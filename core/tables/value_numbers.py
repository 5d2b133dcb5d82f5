"""Equal values of a column as equal numbers: authors and posts are compared many times, and text is slow to compare."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.core.tables.compact_keys import compact
from twigma.core.tables.long_texts import whole

NONE = -1  # the number of a row without a value


def value_numbers(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """A number for each row of a column [n], int32[n]: from 0, in the order of the values, and `NONE` where it is null.

    >>> value_numbers(pa.chunked_array([["bo", None, "ada", "bo"]])).tolist()
    [1, -1, 0, 1]
    """
    encoded = whole(compact(column)).dictionary_encode()
    # Ids are numbers only while equal ones are found: in order they are texts.
    distinct = encoded.dictionary.cast(column.type)
    order = pc.sort_indices(distinct).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    codes = pc.fill_null(encoded.indices, NONE).to_numpy()
    if not len(rank):
        return np.full(len(codes), NONE, np.int32)
    return np.where(codes == NONE, NONE, rank[codes]).astype(np.int32, copy=False)
