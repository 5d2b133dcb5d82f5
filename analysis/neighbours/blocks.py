"""Queries in blocks: what a search of one block gives, how blocks are cut, and how their results are joined."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array

QUERIES = 16_384  # searched for at a time: 50 MB at 768 dimensions

# Similarity float32[n, k], falling, and the rows of the reference int64[n, k] they belong to.
Neighbours = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
UnitSearch = Callable[[Array], Neighbours]  # of unit rows, in one reference
# As `search.nearest`: of queries in a reference, for so many neighbours; `ray_search.search_on` gives one on a cluster.
Search = Callable[[Array, Array, int], Neighbours]


def query_blocks(query: Array) -> Iterator[tuple[int, Array]]:
    """The queries [n, d] that are searched for at a time, each block with the number of its first row."""
    for start in range(0, max(1, len(query)), QUERIES):
        yield start, query[start : start + QUERIES]


def progress(query: Array) -> Any:
    """A bar over the queries [n, d], for searches of over a second."""
    from twigma.core.progress import progress_bar

    return progress_bar(
        total=len(query),
        desc="neighbours",
        unit="image",
        unit_scale=True,
        leave=False,
    )


def joined(results: Iterable[Neighbours]) -> Neighbours:
    """The neighbours of block after block as those of all queries: similarity float32 [n, k], row int64 [n, k]."""
    similarities, rows = zip(*results, strict=True)
    return np.concatenate(similarities), np.concatenate(rows)
