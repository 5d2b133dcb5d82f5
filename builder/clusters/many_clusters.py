"""Where k-means with many clusters begins: seeds spread over a sample, moved by iterations over that sample alone.

Thirty restarts, as few clusters have them, would cost hours at k = 1,000, and gain nothing: where there are many
clusters, one start is much like another. What counts is that seeds are spread (k-means++), and that most iterations
are over few rows. Used by `kmeans.py`.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Half, Indices

MANY = 100  # clusters above which a fit begins here
ROWS_PER_CLUSTER = 32  # of the sample
DIRECTIONS = 64  # principal ones, among which seeds are spread
DIRECTION_ROWS = 20_000  # at most, from which these are computed
GAIN = 3e-3  # of the inertia: iterations over the sample end below it
ITERATIONS = 25  # or after so many
BLOCK = 4096

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class _Part(NamedTuple):
    """Of a block of rows: sums and numbers of the members of each cluster, and the inertia."""

    sums: Floats
    sizes: Indices
    inertia: float


def start_of_many(sample: Half, k: int, seed: int) -> Floats:
    """Centroids float32[k, dim], near those of the rows float16[n, dim] of a sample, which are at random.

    They do not depend on how many threads there are: each block of rows is one thread's.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        centroids = sample[_spread(sample, k, seed)].astype(np.float32)
        inertia = np.inf
        for _ in range(ITERATIONS):
            centroids, total = _moved(sample, centroids, pool)
            if inertia - total <= GAIN * total:
                break
            inertia = total
    return centroids


def _spread(sample: Half, k: int, seed: int) -> Indices:
    """Numbers of k rows that k-means++ draws, among the leading directions."""
    from sklearn.cluster import kmeans_plusplus
    from sklearn.decomposition import PCA

    width = min(DIRECTIONS, *sample.shape)
    principal = PCA(width, svd_solver="covariance_eigh")
    step = len(sample) // DIRECTION_ROWS + 1  # from all over: rows may be by date
    principal.fit(sample[::step].astype(np.float32))
    starts = range(0, len(sample), BLOCK)
    blocks = [sample[at : at + BLOCK].astype(np.float32) for at in starts]
    low = np.concatenate([principal.transform(block) for block in blocks])
    _, numbers = kmeans_plusplus(low, k, random_state=seed)
    return np.asarray(numbers, np.int64)


def _moved(
    sample: Half, centroids: Floats, pool: ThreadPoolExecutor
) -> tuple[Floats, float]:
    """The mean of the rows nearest to each centroid (an empty one stays), and the inertia before."""
    k = len(centroids)
    half = np.square(centroids).sum(axis=1) / 2

    def of_block(at: int) -> _Part:
        block = sample[at : at + BLOCK].astype(np.float32)
        scores = block @ centroids.T
        scores -= half
        labels = scores.argmax(axis=1)
        best = np.take_along_axis(scores, labels[:, None], axis=1)
        square = np.square(block).sum(dtype=np.float64)
        inertia = float(square - 2 * best.sum(dtype=np.float64))
        sizes = np.bincount(labels, minlength=k)
        return _Part(member_sums(block, labels, k), sizes, inertia)

    sums: Doubles = np.zeros(centroids.shape)
    sizes = np.zeros(k, np.int64)
    inertia = 0.0
    for part in pool.map(of_block, range(0, len(sample), BLOCK)):
        sums += part.sums
        sizes += part.sizes
        inertia += part.inertia
    means = sums / np.maximum(sizes, 1)[:, None]
    moved = np.where(sizes[:, None] > 0, means, centroids)
    return moved.astype(np.float32), inertia


def member_sums(block: Floats, labels: Indices, k: int) -> Floats:
    """Sum of the rows float32[n, dim] of each of k clusters, float32[k, dim], by their labels int64[n].

    A product with a dense matrix of members costs as much as the search for the nearest; this one sees each row once.
    """
    from scipy.sparse import csr_array

    ones = np.ones(len(labels), np.float32)
    ends = np.arange(len(labels) + 1)
    members = csr_array((ones, labels, ends), (len(labels), k))
    return np.asarray(members.T @ block, np.float32)
