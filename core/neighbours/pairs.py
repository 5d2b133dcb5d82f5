"""What a search gives: for each query its nearest rows, and how similar they are to the last digit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Similarity float32[n, k], falling, and the rows of the reference int64[n, k] they belong to.
Neighbours = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
UnitSearch = Callable[[Array], Neighbours]  # of unit rows [n, d], in one reference

BLOCK = 2048  # queries whose pairs are multiplied at a time


def in_float64(q: Array, rows: Array, index: Array) -> Neighbours:
    """The similarities of pairs to the last digit, falling, and their rows.

    They do not depend on the search that gave the pairs.

    Parameters
    ----------
    q, rows : unit rows [n, d] and [m, d]. index : int64[n, k], rows of `rows`.
    """
    products = []
    for start in range(0, len(q), BLOCK):
        block = slice(start, start + BLOCK)
        near = rows[index[block]]
        products.append(np.einsum("nd,nkd->nk", q[block], near, dtype=np.float64))
    similarity = np.concatenate(products).astype(np.float32)
    order = np.argsort(-similarity, axis=1, kind="stable")
    return np.take_along_axis(similarity, order, 1), np.take_along_axis(index, order, 1)
