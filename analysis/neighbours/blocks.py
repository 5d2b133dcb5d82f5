"""Queries in blocks: what a search of one block gives, how blocks are cut, and how their results are joined."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from twigma.analysis.convert import Array
from twigma.core.neighbours.pairs import Neighbours

QUERIES = 16_384  # searched for at a time: 50 MB at 768 dimensions
REFERENCES = (
    1 << 18
)  # rows of a reference in memory at a time: 0.8 GB at 768 dimensions

# As `search.nearest`: of queries in a reference, for so many neighbours; `ray_search.search_on` gives one on a cluster.
Search = Callable[[Array, Array, int], Neighbours]


def query_starts(query: Array) -> Iterable[int]:
    """The first row of each block of queries [n, d] that are searched for at a time."""
    return range(0, max(1, len(query)), QUERIES)


def query_blocks(query: Array) -> Iterator[tuple[int, Array]]:
    """The queries [n, d] that are searched for at a time, each block with the number of its first row."""
    for start in query_starts(query):
        yield start, query_block(query, start)


def query_block(query: Array, start: int) -> Array:
    """The block of queries [n, d] that begins with a row, [m, d]."""
    return query[start : start + QUERIES]


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


def by_parts(search: Search, query: Array, reference: Array, k: int) -> Neighbours:
    """The `k` nearest rows of a reference [m, d] that is searched a part at a time; similarity and row, both [n, k]."""
    best: Neighbours | None = None
    for start in range(0, len(reference), REFERENCES):
        part = reference[start : start + REFERENCES]
        similarity, row = search(query, part, min(k, len(part)))
        found = similarity, row + start
        best = found if best is None else _better(best, found, k)
    assert best is not None  # a reference has at least one row
    return best


def _better(one: Neighbours, other: Neighbours, k: int) -> Neighbours:
    """The `k` most similar of both; of equal ones those of the first."""
    similarity = np.concatenate([one[0], other[0]], axis=1)
    row = np.concatenate([one[1], other[1]], axis=1)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarity, order, 1), np.take_along_axis(row, order, 1)


def joined(results: Iterable[Neighbours]) -> Neighbours:
    """The neighbours of block after block as those of all queries: similarity float32 [n, k], row int64 [n, k]."""
    similarities, rows = zip(*results, strict=True)
    return np.concatenate(similarities), np.concatenate(rows)
