"""k-means over embeddings read in blocks: the centroids, and the nearest one of any image. Used by `twigma cluster`.

Single runs disagree, so the best of ten is taken, fitted on a sample; Lloyd's iterations then use every row.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.vectors import Indices, Vectors

K = 10  # section 4
RESTARTS = 10  # single k-means runs disagree (ARI .36 to .56); the best of ten is stable
ITERATIONS = 100
FIT_ROWS = 100_000  # restarts run on a sample of this size; Lloyd's iterations then use every row
TOLERANCE = 1e-6  # largest squared shift of a centroid at which Lloyd's iterations stop
BLOCK = 8192

Floats = npt.NDArray[np.float32]


def kmeans(vectors: Vectors, rows: Indices, k: int = K, *, seed: int = 0, restarts: int = RESTARTS) -> Floats:
    """Centroids float32[k, dim] of these rows, by falling cluster size.

    The best of `restarts` k-means++ runs on a sample, then Lloyd's iterations over all rows until they stand still.
    """
    import faiss

    if len(rows) <= k or k < 1:
        raise ValueError(f"expected more distinct embedded images than clusters, found {len(rows)} images for k={k}")
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(rows, FIT_ROWS, replace=False)) if len(rows) > FIT_ROWS else rows
    fit = faiss.Kmeans(
        vectors.dim,
        k,
        niter=ITERATIONS,
        nredo=restarts,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    )
    fit.train(vectors.take(sample).astype(np.float32))
    centroids: Floats = np.array(fit.centroids, np.float32)
    for _ in range(ITERATIONS):
        moved, sizes = _lloyd(vectors, rows, centroids)
        shift = np.square(moved - centroids).sum(axis=1).max()
        centroids = moved
        if shift <= TOLERANCE:
            break
    return np.ascontiguousarray(centroids[np.argsort(-sizes, kind="stable")])


def _lloyd(vectors: Vectors, rows: Indices, centroids: Floats) -> tuple[Floats, Indices]:
    """One iteration: the mean of the rows nearest to each centroid (an empty one stays), and their number."""
    sums = np.zeros(centroids.shape, np.float64)
    sizes = np.zeros(len(centroids), np.int64)
    for block, labels, _ in _assigned(vectors, rows, centroids):
        member = (labels == np.arange(len(centroids))[:, None]).astype(np.float32)
        sums += member @ block
        sizes += np.bincount(labels, minlength=len(centroids))
    moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids)
    return moved.astype(np.float32), sizes


def _assigned(vectors: Vectors, rows: Indices, centroids: Floats) -> Iterator[tuple[Floats, Indices, Floats]]:
    """Blocks of these rows as float32, the nearest centroid of each, and the squared distance to it."""
    half = np.square(centroids).sum(axis=1) / 2
    for at in range(0, len(rows), BLOCK):
        block = vectors.take(rows[at : at + BLOCK]).astype(np.float32)
        score = block @ centroids.T - half
        labels = score.argmax(axis=1)
        near = np.take_along_axis(score, labels[:, None], axis=1)[:, 0]
        yield block, labels, np.maximum(0, np.einsum("ij,ij->i", block, block) - 2 * near)


def nearest(vectors: Vectors, rows: Indices, centroids: Floats) -> tuple[Indices, Floats]:
    """Index of the nearest centroid of each of these rows, and the distance to it."""
    found = [(labels, np.sqrt(square)) for _, labels, square in _assigned(vectors, rows, centroids)]
    labels, distances = zip(*found, strict=True) if found else ((), ())
    return np.concatenate([np.empty(0, np.int64), *labels]), np.concatenate([np.empty(0, np.float32), *distances])
