"""Author, post, followers and time of the rows of an images table, as arrays."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def author_keys(table: pa.Table) -> NDArray[np.str_]:
    """The author of every image; where it is unknown, a name that no other image has."""
    own_name = pc.binary_join_element_wise(
        "post ", table["id"].fill_null(""), table["image_name"], ""
    )
    if "author_id" not in table.column_names:
        return _strings(own_name)
    return _strings(pc.coalesce(table["author_id"], own_name))


def post_keys(table: pa.Table) -> NDArray[np.str_]:
    """The post of every image; an image on no post is one of its own."""
    return _strings(pc.coalesce(table["id"], table["image_name"]))


def follower_counts(table: pa.Table) -> NDArray[np.float64]:
    """How many follow the author of every image, NaN where unknown; float64[n]."""
    if "follower_count" not in table.column_names:
        return np.full(len(table), np.nan)
    return _floats(table["follower_count"])


def post_times(table: pa.Table) -> NDArray[np.float64]:
    """When every image was posted, in milliseconds since 1970, NaN where unknown; float64[n]."""
    return _floats(table["created_at"].cast(pa.int64()))


def tie_breakers(table: pa.Table, seed: int) -> NDArray[np.uint64]:
    """A number of every image that depends on its name and the seed alone; uint64[n]."""
    numbers = []
    for image_name in table["image_name"].to_pylist():
        digest = hashlib.sha256(f"{seed}/{image_name}".encode()).digest()
        numbers.append(int.from_bytes(digest[:8], "big"))
    return np.array(numbers, np.uint64)


def included_rows(reasons: pa.ChunkedArray) -> NDArray[np.int64]:
    """The rows that no reason excludes: int64[n]."""
    included = reasons.is_null().to_numpy()
    return np.flatnonzero(included)


def exclude(
    reasons: pa.ChunkedArray, rows: NDArray[np.int64], reason: str
) -> pa.ChunkedArray:
    """The reasons with this one for these rows."""
    result = np.array(reasons.to_pylist(), object)
    result[rows] = reason
    return pa.chunked_array([pa.array(result, pa.string())])


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return values


def _strings(values: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), str)
