"""Exact nearest neighbours by cosine (Fig 2d, 4e); for `twigma analyze`.

Matrices of any size, in blocks; `core/neighbours` does the search of one block.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, as_matrix
from twigma.analysis.neighbours.blocks import (
    REFERENCES,
    by_parts,
    joined,
    progress,
    query_blocks,
)
from twigma.core.neighbours.pairs import Neighbours
from twigma.core.neighbours.searcher import searcher
from twigma.core.numeric.unit_vectors import require_unit_rows
from twigma.core.safety.failures import DataError

TOP_K = 5  # paper, Fig 2d: the mean of the five largest similarities


def nearest(
    query: Any, reference: Any, k: int = TOP_K, *, device: str | None = None
) -> Neighbours:
    """The `k` reference rows most similar to each query row, by exact cosine similarity (Fig 2d, 4e).

    Parameters
    ----------
    query, reference : matrices [n, d] and [m, d], any float type; rows are normalised.
    k : neighbours, at most m.
    device : "cpu" or "cuda"; None takes a GPU where there is one, for more than a moment's work.

    Returns
    -------
    (similarity, index) : float32[n, k], falling, and int64[n, k], rows of `reference`. ValueError for matrices of
    different widths, for `k` out of range, and for rows that are zero or not finite.
    """
    query, reference = as_matrix(query), as_matrix(reference)
    check(query, reference, k)
    if len(reference) > REFERENCES:
        return by_parts(partial(nearest, device=device), query, reference, k)
    search = block_search(reference, k, len(query), device)
    results = []
    with progress(query) as bar:
        for first, block in query_blocks(query):
            results.append(search(block, first))
            bar.update(len(block))
    return joined(results)


def check(query: Array, reference: Array, k: int) -> None:
    """ValueError unless the matrices [n, d] and [m, d] have one width, and the reference `k` rows."""
    if not 1 <= k <= len(reference):
        raise DataError(
            f"nearest: expected 1 <= k <= {len(reference)}, the rows of the reference, found k={k}"
        )
    if query.ndim != 2 or reference.ndim != 2 or query.shape[1] != reference.shape[1]:
        raise DataError(
            f"nearest: expected matrices of one width, found {query.shape} and {reference.shape}"
        )


def block_search(
    reference: Array, k: int, queries: int, device: str | None = None
) -> Callable[[Array, int], Neighbours]:
    """The search in one reference [m, d]: a function of a block of queries [n, d] and the number of its first row.

    `queries` is how many there will be in all.
    """
    rows = require_unit_rows(reference, "reference")
    search = searcher(rows, k, queries, device)
    return lambda query, first: search(require_unit_rows(query, "query", first))


def mean_top_k(query: Any, reference: Any, k: int = TOP_K) -> npt.NDArray[np.float32]:
    """Mean cosine similarity of each query row to its `k` nearest reference rows, float32[n] (paper, Fig 2d).

    `query` [n, d] and `reference` [m, d] as for `nearest`. A larger reference raises the mean: compare levels only
    between references of one size.
    """
    return row_means(nearest(query, reference, k)[0])


def row_means(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of each row of [n, k], float32[n], summed in float64."""
    means = similarity.mean(axis=1, dtype=np.float64)
    return np.asarray(means, dtype=np.float32)
