"""k-means over embeddings read in blocks: the centroids, and the nearest one of any image. Used by `twigma cluster`.

Single runs disagree, so many starts are tried, where a run costs little: on a sample, projected on its leading
principal directions (k centroids span at most k - 1). The best few continue with a larger sample, and the best of
those over every row and dimension. With more than a hundred clusters one start is enough (`many_clusters.py`).
"""

import warnings

import numpy as np
import numpy.typing as npt

from twigma.builder.clusters.lloyd import joined, move, nearest_of
from twigma.builder.clusters.many_clusters import (
    MANY,
    ROWS_PER_CLUSTER,
    start_of_many,
)
from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Half, Indices, Vectors, draw
from twigma.core.safety.failures import DataError

K = 10  # the themes of the paper, Fig 4b
RESTARTS = 30  # the more, the more often seeds agree; ten find as low an inertia as five full runs of faiss
BEST = 5  # restarts that continue
FIT_ROWS = 100_000  # with a sample of this size
START_ROWS = 20_000  # the restarts themselves
ITERATIONS = 100
TOLERANCE = 1e-4  # Lloyd's iterations over all rows stop when the inertia falls by less, relatively
TOLERANCE_OF_MANY = 4e-4  # 25 iterations of faiss at k = 1,000 end where this does
BLOCK = 8192

Floats = npt.NDArray[np.float32]
Run = tuple[float, Floats]  # inertia, and centroids float32[k, dim]


def default_k(images: int) -> int:
    """The number of clusters where nobody names one: 10, and of at most 10 distinct images one for every two.

    >>> default_k(11), default_k(10), default_k(5)
    (10, 5, 2)
    """
    if images > K:
        return K
    return max(2, images // 2)


def kmeans(
    vectors: Vectors,
    rows: Indices,
    k: int = K,
    *,
    seed: int = 0,
    restarts: int = RESTARTS,
    blocks: RowBlocks | None = None,
) -> Floats:
    """Centroids float32[k, dim] of these rows, int64[n], by falling cluster size; they depend on the rows' order.

    `blocks` are those of `vectors`, where the iterations over all rows are to be computed on a cluster. ValueError
    unless there are more rows than clusters.
    """
    if len(rows) <= k or k < 1:
        raise DataError(
            f"expected more distinct embedded images than clusters, found {len(rows)} images for {k} clusters: "
            f"name fewer, as with `twigma cluster --clusters {default_k(len(rows))}`"
        )
    if k > MANY:
        sample = draw(np.random.default_rng(seed), rows, ROWS_PER_CLUSTER * k)
        centroids = start_of_many(vectors.take(sample), k, seed)
        tolerance = TOLERANCE_OF_MANY
    else:
        centroids = _start(vectors, rows, k, seed, restarts)
        tolerance = TOLERANCE
    blocks = RowBlocks(vectors) if blocks is None else blocks
    ascending = np.sort(rows)
    inertia = np.inf
    for _ in range(ITERATIONS):
        moved, sizes, total = move(blocks, ascending, centroids)
        if inertia - total <= tolerance * total:
            break
        centroids, inertia = moved, total
    by_size = np.argsort(-sizes, kind="stable")
    return np.ascontiguousarray(centroids[by_size])


def _start(vectors: Vectors, rows: Indices, k: int, seed: int, restarts: int) -> Floats:
    """The best centroids of a sample, among its projections on 2 k principal directions."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    sample = vectors.take(draw(rng, rows, FIT_ROWS))
    some = draw(rng, np.arange(len(sample)), START_ROWS)
    # The order of sums, and with it the result, would depend on the number of threads.
    with threadpool_limits(1):
        x = sample[some].astype(np.float32)
        mean = x.mean(axis=0)
        x -= mean
        _, eigenvectors = np.linalg.eigh(x.T @ x)
        directions = eigenvectors[:, -2 * k :]
        low = _projected(sample, mean, directions)
        seeds = [int(rng.integers(2**31)) for _ in range(restarts)]
        starts = [_run(low[some], k, seed=one) for one in seeds]
        starts.sort(key=_inertia)
        finals = [_run(low, k, start) for _, start in starts[:BEST]]
    _, best = min(finals, key=_inertia)
    return np.asarray(best @ directions.T + mean, np.float32)


def _projected(sample: Half, mean: Floats, directions: Floats) -> Floats:
    """float32[n, directions]: the centred rows along these directions, block by block."""
    blocks = []
    for at in range(0, len(sample), BLOCK):
        block = sample[at : at + BLOCK].astype(np.float32)
        blocks.append((block - mean) @ directions)
    return np.concatenate(blocks)


def _run(x: Floats, k: int, start: Floats | None = None, seed: int = 0) -> Run:
    """One k-means run over float32[n, dim], from k-means++ or from initial centroids."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    init = "k-means++" if start is None else start
    model = KMeans(k, init=init, n_init=1, max_iter=ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: some stay empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x)
    return float(model.inertia_), model.cluster_centers_


def _inertia(run: Run) -> float:
    return run[0]


def nearest(
    vectors: Vectors, rows: Indices, centroids: Floats
) -> tuple[Indices, Floats]:
    """Index of the nearest centroid of each of these rows, and the distance to it.

    Parameters
    ----------
    rows : int64[n], rows of `vectors`, ascending. centroids : float32[k, dim].

    Returns
    -------
    int64[n], 0 to k - 1, and float32[n].
    """
    return nearest_in(RowBlocks(vectors), rows, centroids)


def nearest_in(
    blocks: RowBlocks, rows: Indices, centroids: Floats
) -> tuple[Indices, Floats]:
    """As `nearest`, of rows in blocks that may lie on a cluster; `rows` int64[n] are ascending."""
    return joined(blocks.map(nearest_of, rows, centroids))
