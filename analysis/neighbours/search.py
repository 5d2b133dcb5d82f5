"""Exact nearest neighbours by cosine (Fig 2d, 4e); for `twigma analyze`.

The search is exact: an approximate index changes the quintiles of similarity (an IVF index with 8 probes agrees on
half of them). On a processor, `screening` spares it most of the work where bounds are close enough, and faiss does it
all where they are not; a GPU computes every product.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, as_matrix
from twigma.analysis.neighbours.blocks import (
    REFERENCES,
    Neighbours,
    UnitSearch,
    by_parts,
    joined,
    progress,
    query_blocks,
)
from twigma.core.numeric.unit_vectors import require_unit_rows

TOP_K = 5  # paper, Fig 2d: the mean of the five largest similarities
MOST_SCREENED = 100  # neighbours up to which a bound can spare work
FEW_QUERIES = (
    512  # up to which one matrix product a block is several times as fast as faiss
)
WORTH_A_PRODUCT = 10**7  # products from which that matters
WORTH_A_GPU = 10**8  # products from which a GPU is worth its start
WORTH_A_TRIAL = (
    10**9
)  # products from which a processor's faster way is worth a few trials


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
    search = searcher(reference, k, len(query), device)
    results = []
    with progress(query) as bar:
        for first, block in query_blocks(query):
            results.append(search(block, first))
            bar.update(len(block))
    return joined(results)


def check(query: Array, reference: Array, k: int) -> None:
    """ValueError unless the matrices [n, d] and [m, d] have one width, and the reference `k` rows."""
    if not 1 <= k <= len(reference):
        raise ValueError(
            f"nearest: expected 1 <= k <= {len(reference)}, the rows of the reference, found k={k}"
        )
    if query.ndim != 2 or reference.ndim != 2 or query.shape[1] != reference.shape[1]:
        raise ValueError(
            f"nearest: expected matrices of one width, found {query.shape} and {reference.shape}"
        )


def searcher(
    reference: Array, k: int, queries: int, device: str | None = None
) -> Callable[[Array, int], Neighbours]:
    """The search in one reference [m, d]: a function of a block of queries [n, d] and the number of its first row.

    `queries` is how many there will be in all, which decides what is worth the effort.
    """
    rows = require_unit_rows(reference, "reference")
    products = queries * len(rows)
    if device is None:
        device = "cuda" if products > WORTH_A_GPU and _has_gpu() else "cpu"
    if device != "cpu":
        search = _on_gpu(rows, k, device)
    elif queries <= FEW_QUERIES and products > WORTH_A_PRODUCT:
        search = _of_few(rows, k)
    elif products > WORTH_A_TRIAL and k <= MOST_SCREENED:
        search = _screened(rows, k)
    else:
        search = _by_faiss(rows, k)
    return lambda query, first: search(require_unit_rows(query, "query", first))


def _by_faiss(rows: Array, k: int) -> UnitSearch:
    """Every product, on a processor."""
    import faiss

    return lambda q: faiss.knn(q, rows, k, faiss.METRIC_INNER_PRODUCT)


def _of_few(rows: Array, k: int) -> UnitSearch:
    """Every product of few queries, on a processor."""
    import torch

    from twigma.analysis.neighbours.screening import (
        IN_FULL,
        by_blocks,
        in_float64,
        in_full,
    )

    reference = torch.from_numpy(rows)

    def search(q: Array) -> Neighbours:
        found = by_blocks(lambda block: in_full(block, reference, k), q, "cpu", IN_FULL)
        return in_float64(q, rows, found[1])

    return search


def _screened(rows: Array, k: int) -> UnitSearch:
    """The way that the first queries show to be the fastest; the similarities do not depend on it."""
    from twigma.analysis.neighbours.screening import fastest, in_float64

    chosen: list[UnitSearch] = []

    def search(q: Array) -> Neighbours:
        if not chosen:
            chosen.append(fastest(rows, q, k, _by_faiss))
        index = chosen[0](q)[1]
        return in_float64(q, rows, index)

    return search


def _on_gpu(rows: Array, k: int, device: str) -> UnitSearch:
    """Every product, on a GPU."""
    import torch

    from twigma.analysis.neighbours.screening import IN_FULL, by_blocks, in_full

    reference = torch.tensor(rows, device=device)

    def search(q: Array) -> Neighbours:
        return by_blocks(lambda block: in_full(block, reference, k), q, device, IN_FULL)

    return search


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


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
