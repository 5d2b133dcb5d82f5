"""Images that stand for many on the map: the one nearest to the centroid of each cluster, then of each part of the map.

Nearest in the space of the embeddings where there are some, else on the map. Only images whose picture is stored can
stand for others. The page draws as many of them as fit, the first ones first.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from twigma.analysis.explorer.points import SIDE, Points

CELLS = 20  # parts of the map along its longer side
BLOCK = 4_096  # rows that are widened at once

Rows = NDArray[np.int64]
# float[m, d] of points int64[m].
Take = Callable[[Rows], NDArray[np.floating]]


def representatives(
    points: Points,
    eligible: NDArray[np.bool_],
    vectors: Take | None = None,
    known: NDArray[np.bool_] | None = None,
) -> Rows:
    """The points that stand for others, int64[m]: of clusters by falling size, then of parts by falling size.

    Parameters
    ----------
    eligible : bool[n], the points that may stand for others.
    vectors : gives the unit rows of some points. None: places on the map are compared.
    known : bool[n], the points that have a vector. None: all.
    """
    if vectors is None:
        vectors, known = _places(points), None
    usable = np.ones(len(points), bool) if known is None else known
    clusters = _largest_first(_clusters(points), usable)
    cells = _largest_first(_cells(points), usable)
    found = [
        nearest_to_centroids(each, vectors, eligible) for each in (clusters, cells)
    ]
    chosen = np.concatenate(found)
    # One that stands for its cluster stands for its part of the map, too.
    _, first = np.unique(chosen, return_index=True)
    return np.asarray(chosen[np.sort(first)], np.int64)


def nearest_to_centroids(
    groups: Rows, vectors: Take, eligible: NDArray[np.bool_]
) -> Rows:
    """Of each group the eligible point whose vector is nearest to the mean of all vectors of the group, int64[m].

    Parameters
    ----------
    groups : int64[n], 0 to k - 1, or -1 for a point of no group. Groups without an eligible point have no nearest.
    """
    members = np.flatnonzero(groups >= 0)
    if not len(members):
        return np.zeros(0, np.int64)
    count = int(groups.max()) + 1
    sums = np.zeros((count, vectors(members[:1]).shape[1]))
    for rows, block in _blocks(members, vectors):
        ones = np.ones(len(rows), np.float32)
        member = (groups[rows], np.arange(len(rows)))
        sums += csr_array((ones, member), shape=(count, len(rows))) @ block
    sizes = np.bincount(groups[members], minlength=count)
    means = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    best = np.full(count, -1, np.int64)
    score = np.full(count, -np.inf)
    candidates = members[eligible[members]]
    for rows, block in _blocks(candidates, vectors):
        # The nearest to m is where x·m − ‖x‖²/2 is largest.
        products = np.einsum("nd,nd->n", block, means[groups[rows]])
        scores = products - np.einsum("nd,nd->n", block, block) / 2
        # In a block, and of equal scores, the first one counts.
        order = np.lexsort((rows, -scores, groups[rows]))
        _, first = np.unique(groups[rows][order], return_index=True)
        top = order[first]
        better = top[scores[top] > score[groups[rows[top]]]]
        best[groups[rows[better]]] = rows[better]
        score[groups[rows[better]]] = scores[better]
    return best[best >= 0]


def _blocks(rows: Rows, vectors: Take) -> Iterator[tuple[Rows, NDArray[np.float32]]]:
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        yield some, vectors(some).astype(np.float32)


def _clusters(points: Points) -> Rows:
    for channel in points.channels:
        if channel.name == "cluster":
            values = channel.values.astype(np.int64)
            return np.where(values == channel.missing, -1, values)
    return np.full(len(points), -1, np.int64)


def _cells(points: Points) -> Rows:
    across = points.x.astype(np.int64) * CELLS // (SIDE + 1)
    up = points.y.astype(np.int64) * CELLS // (SIDE + 1)
    return up * CELLS + across


def _largest_first(groups: Rows, usable: NDArray[np.bool_]) -> Rows:
    """The groups numbered by falling size; -1 for points that are not usable."""
    groups = np.where(usable, groups, -1)
    if (groups < 0).all():
        return groups
    sizes = np.bincount(groups[groups >= 0])
    number = np.empty(len(sizes), np.int64)
    number[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(groups >= 0, number[groups], -1)


def _places(points: Points) -> Take:
    both = np.stack([points.x, points.y], axis=1).astype(np.float32) / SIDE
    return lambda rows: both[rows]
