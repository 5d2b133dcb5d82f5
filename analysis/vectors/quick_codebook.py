"""k-means where many fits are needed: starts tried among principal directions, the best one carried on in full.

k centroids span at most k − 1 directions, and those of the largest variance for the most part; a start among 64 of 768
costs a twelfth. For the checks of `twigma analyze` on Fig 3b and 4b; the figures themselves use `codebook`.
"""

import numpy as np
import numpy.typing as npt

from twigma.analysis.vectors.codebook import Array, codebook
from twigma.analysis.vectors.components import Components, components, moments

DIRECTIONS = 64
ROWS = 20_000  # of which the directions are found
ITERATIONS = 10  # over all dimensions, from the best start


def principal(x: Array, seed: int = 0) -> Components:
    """The 64 principal directions of the largest variance (all, if there are fewer), of at most 20,000 random rows."""
    rows = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    return components(moments(x[np.sort(rows)].astype(np.float64))).leading(DIRECTIONS)


def quick_codebook(
    x: Array, k: int, directions: Components, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Centroids float32[k, d] of `x`, n ≥ k rows: `codebook`'s robust recipe among the directions, then in full."""
    import faiss
    from threadpoolctl import threadpool_limits

    rows = np.ascontiguousarray(x, dtype=np.float32)
    start = (
        codebook(directions.project(rows), k, "robust", seed) @ directions.axes.T
        + directions.mean
    )
    full = faiss.Kmeans(
        rows.shape[1],
        k,
        niter=ITERATIONS,
        min_points_per_centroid=1,
        max_points_per_centroid=len(rows) // k + 1,
        seed=seed,
    )
    with threadpool_limits(1):  # threads cost more than they save, as in `codebook`
        full.train(rows, init_centroids=np.ascontiguousarray(start, dtype=np.float32))
    return np.asarray(full.centroids, dtype=np.float32)
