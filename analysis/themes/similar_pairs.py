"""The studied images most similar to a reference set, with p values (Fig 4e); `twigma analyze` runs it.

Pairs are "similar": closeness of embeddings shows no copying.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from twigma.analysis.convert import ARROW, Array, Floats, as_matrix
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.neighbours.blocks import Search
from twigma.analysis.neighbours.search import nearest
from twigma.analysis.themes.nearest_null import NEAR, NearestNull, nearest_null

LEVEL = 0.05  # the false discovery rate


class SimilarPairs(NamedTuple):
    """The pairs of every image with its most similar reference image."""

    top: pd.DataFrame  # the most similar ones, as `neighbour_pairs` has them
    # Every one that is near-identical or closer than reference images are to one another, most similar first
    # (row, image_name, reference_name, similarity, near, p, p_adjusted).
    listed: pd.DataFrame
    n: int  # images in all
    tested: int  # of them in the shortlist
    null: NearestNull

    def counts(self, authors: Any = None) -> dict[str, dict[str, Any]]:
        """How many images are near-identical to a reference image, how many closer than chance, and what chance is.

        Parameters
        ----------
        authors : label or None for each image, [n]; with them, by how many authors the closer ones are.

        Returns
        -------
        `near`, `closer` and `null`, each with `value`, `n` and what belongs to it. The value of `closer` is None where
        nothing could be tested; that of `null` is the threshold of its tail.
        """
        near = {
            "value": int(self.listed["near"].sum()),
            "n": self.n,
            "similarity": NEAR,
        }
        is_closer = self.listed["p_adjusted"] < LEVEL
        rows = self.listed.loc[is_closer, "row"].to_numpy()
        closer: dict[str, Any] = {
            "value": len(rows),
            "n": self.n,
            "tested": self.tested,
        }
        if authors is not None:
            closer["authors"] = pd.Series(authors[rows]).nunique()
        null: dict[str, Any] = {"n": self.null.m, "near": self.null.near}
        tail = self.null.tail
        if tail is None:
            closer["value"] = None
            null |= {"value": None, "why": self.null.why}
        else:
            fitted = {"pairs": tail.pairs, "scale": tail.scale, "fit_p": tail.fit}
            null |= {"value": tail.threshold, **fitted}
        return {"near": near, "closer": closer, "null": null}


def neighbour_pairs(
    query: Any,
    reference: Any,
    query_names: Sequence[str],
    reference_names: Sequence[str],
    *,
    n: int = 20,
    weights: Any = None,
    neighbours: tuple[Array, npt.NDArray[np.int64]] | None = None,
) -> pd.DataFrame:
    """The `n` queries most similar to any reference image, with that image (Fig 4e).

    The null is how similar reference images are to their nearest other one, all of them but those with a near-identical
    one (`nearest_null`). Tested is a shortlist that is chosen without looking at the queries: those above the threshold
    of the null's tail. `p` is the chance that two reference images above it are as similar or more, and is adjusted
    over the shortlist (Benjamini-Hochberg): a small `p_adjusted` says closer than reference images are to one another,
    not that one was copied.

    Parameters
    ----------
    query, reference : matrices [N, d] and [M, d], M >= 2.
    query_names, reference_names : one name per row.
    weights : how many queries each represents in a weighted sample, float [N]; the rate is then among those.
    neighbours : where they are known, (similarity, row) of each query's nearest reference row, [N] each.

    Returns
    -------
    DataFrame (rank, row, image_name, reference_name, similarity, near, mutual, hub, p, p_adjusted): `row` of the query,
    `near` when the similarity is `NEAR` or more, `mutual` when the query is also the reference image's nearest, `hub`
    the number of queries whose nearest it is. `p` is NaN outside the shortlist, and everywhere when the null has no
    tail that can be fitted.
    """
    return similar_pairs(
        query,
        reference,
        query_names,
        reference_names,
        n=n,
        weights=weights,
        neighbours=neighbours,
    ).top


def similar_pairs(
    query: Any,
    reference: Any,
    query_names: Any,
    reference_names: Any,
    *,
    n: int = 20,
    weights: Any = None,
    neighbours: tuple[Array, npt.NDArray[np.int64]] | None = None,
    search: Search = nearest,
) -> SimilarPairs:
    """As `neighbour_pairs`, of matrices [N, d] and [M, d], with every pair that stands out and what the null is.

    Names are sequences or Arrow columns; `search` is that of the nearest neighbours: here, or on a cluster.
    """
    query, reference = as_matrix(query), as_matrix(reference)
    if neighbours is None:
        similarities, rows = search(query, reference, 1)
        neighbours = similarities[:, 0], rows[:, 0]
    similarity, index = neighbours
    null = nearest_null(reference, search)
    p, adjusted = _tested(similarity, null, weights)

    def pairs(rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "row": rows,
                "image_name": names_of(query_names, rows),
                "reference_name": names_of(reference_names, index[rows]),
                "similarity": similarity[rows],
                "near": similarity[rows] >= NEAR,
                "p": p[rows],
                "p_adjusted": adjusted[rows],
            }
        )

    order = np.argsort(-similarity, kind="stable")
    stands_out = (similarity >= NEAR) | (adjusted < LEVEL)
    top = pairs(order[:n])
    chosen = index[order[:n]]
    back = search(reference[chosen], query, 1)[1][:, 0]
    occurrences = np.bincount(index, minlength=len(reference))
    top.insert(0, "rank", np.arange(1, len(top) + 1))
    top.insert(6, "mutual", back == order[:n])
    top.insert(7, "hub", occurrences[chosen])
    tested = int(np.isfinite(p).sum())
    listed = pairs(order[stands_out[order]])
    return SimilarPairs(top, listed, len(query), tested, null)


def names_of(names: Any, rows: Any) -> list[Any]:
    """The names, a sequence or an Arrow column [n], of rows int [k]; the others do not become Python objects."""
    if isinstance(names, ARROW):
        return list(names.take(pa.array(np.asarray(rows))).to_pylist())
    return [names[row] for row in rows]


def _tested(
    similarity: Array, null: NearestNull, weights: Any
) -> tuple[Floats, Floats]:
    """p and adjusted p of each query [N]; NaN outside the shortlist."""
    if null.tail is None:
        nothing = np.full(len(similarity), np.nan)
        return nothing, nothing
    p = null.tail.p(similarity)
    return p, benjamini_hochberg(p, weights)
