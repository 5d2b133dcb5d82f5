"""The studied images most similar to a reference set, with p values (Fig 4e); `twigma analyze` runs it.

Pairs are "similar": closeness of embeddings shows no copying.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_matrix
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.neighbours.search import nearest

NULL = 5000  # reference images whose own nearest neighbour is the null of Fig 4e


def neighbour_pairs(
    query: Any,
    reference: Any,
    query_names: Sequence[str],
    reference_names: Sequence[str],
    *,
    n: int = 20,
    seed: int = 0,
    weights: Any = None,
    neighbours: tuple[Array, npt.NDArray[np.int64]] | None = None,
) -> pd.DataFrame:
    """The `n` queries most similar to any reference image, with that image (Fig 4e).

    The null of `p` is how similar reference images are to their own nearest neighbour in the reference set (at most
    `NULL` of them): p = (1 + those as similar or more) / (1 + all). It is adjusted over all queries
    (Benjamini-Hochberg): a small `p_adjusted` says closer than two reference images ever are, not that one was copied.

    Parameters
    ----------
    query, reference : matrices [N, d] and [M, d], M >= 2.
    query_names, reference_names : one name per row.
    weights : how many queries each represents in a weighted sample, float [N]; the rate is then among those.
    neighbours : where they are known, (similarity, row) of each query's nearest reference row, [N] each.

    Returns
    -------
    DataFrame (rank, row, image_name, reference_name, similarity, mutual, hub, p, p_adjusted): `row` of the query,
    `mutual` when the query is also the reference image's nearest, `hub` the number of queries whose nearest it is.
    """
    query, reference = as_matrix(query), as_matrix(reference)
    if neighbours is None:
        similarities, rows = nearest(query, reference, 1)
        neighbours = similarities[:, 0], rows[:, 0]
    similarity, index = neighbours
    order = np.argsort(-similarity, kind="stable")[:n]
    p = _as_close(similarity, _own_neighbours(reference, seed))
    chosen = index[order]
    back = nearest(reference[chosen], query, 1)[1][:, 0]
    occurrences = np.bincount(index, minlength=len(reference))
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "row": order,
            "image_name": [query_names[row] for row in order],
            "reference_name": [reference_names[row] for row in chosen],
            "similarity": similarity[order],
            "mutual": back == order,
            "hub": occurrences[chosen],
            "p": p[order],
            "p_adjusted": benjamini_hochberg(p, weights)[order],
        }
    )


def _own_neighbours(reference: Array, seed: int) -> npt.NDArray[np.float32]:
    """Similarity of reference images to their nearest other one, sorted, [min(M, NULL)]."""
    rows = np.random.default_rng(seed).permutation(len(reference))[:NULL]
    similarity = nearest(reference[rows], reference, 2)[0]
    return np.sort(similarity[:, 1])  # the first neighbour is the image itself


def _as_close(similarity: Array, null: Array) -> Floats:
    """Permutation p value of each similarity [N] against a sorted null."""
    above = len(null) - np.searchsorted(null, similarity, side="left")
    return np.asarray((1 + above) / (1 + len(null)))
