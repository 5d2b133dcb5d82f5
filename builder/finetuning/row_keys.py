"""Author, post, followers and time of the rows of an images table, as arrays."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.core.tables import take_table
from twigma.core.tables.value_numbers import value_numbers

# What `select_liked` and `split` read of an image, where a folder has it.
READ = (
    *("id", "image_name", "created_at"),
    *("author_id", "like_count", "follower_count"),
)


def images_at(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """The READ columns of these rows: texts of millions of images would not fit into one array."""
    names = [name for name in READ if name in table.column_names]
    return take_table(table.select(names), pa.array(rows))


def author_numbers(table: pa.Table) -> NDArray[np.int64]:
    """The author of every image as a number from 0, int64[n]; where it is unknown, one that no other image has."""
    authors = pc.binary_join_element_wise(
        "post ", table["id"].fill_null(""), table["image_name"], ""
    )
    if "author_id" in table.column_names:
        authors = pc.coalesce(table["author_id"], authors)
    return value_numbers(authors).astype(np.int64)


def first_of_posts(table: pa.Table) -> NDArray[np.int64]:
    """The first row of every post, int64[posts]; an image on no post is one of its own."""
    posts = value_numbers(pc.coalesce(table["id"], table["image_name"]))
    _, first = np.unique(posts, return_index=True)
    return first


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
    excluded = np.zeros(len(reasons), bool)
    excluded[rows] = True
    result = pc.if_else(pa.array(excluded), reason, reasons)
    return pa.chunked_array(result.chunks, pa.string())


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return values
