"""What a search gives: for each query its nearest rows, and how similar they are to the last digit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Similarity float32[n, k], falling, and the rows of the reference int64[n, k] they belong to.
Neighbours = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
UnitSearch = Callable[[Array], Neighbours]  # of unit rows [n, d], in one reference

PAIRS = 40_960  # multiplied at a time: 126 MB at 768 dimensions


def in_float64(q: Array, rows: Array, candidates: Array, k: int) -> Neighbours:
    """The `k` best of some candidates by their similarity to the last digit; of equal ones the earlier row.

    Whichever search gave the candidates, these are the same if it gave a few more than `k`.

    Parameters
    ----------
    q, rows : unit rows [n, d] and [m, d]. candidates : int64[n, k or more], rows of `rows`.
    """
    index = np.sort(candidates, axis=1)
    products = []
    size = max(1, PAIRS // index.shape[1])
    for start in range(0, len(q), size):
        block = slice(start, start + size)
        near = rows[index[block]]
        products.append(np.einsum("nd,nkd->nk", q[block], near, dtype=np.float64))
    similarity = np.concatenate(products)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(similarity, order, 1).astype(np.float32)
    return best, np.take_along_axis(index, order, 1)
