"""Where k-means with many clusters begins: seeds spread over a sample, moved by iterations over that sample alone.

Thirty restarts, as few clusters have them, would cost hours at k = 1,000, and gain nothing: where there are many
clusters, one start is much like another. What counts is that seeds are spread (k-means++), and that most iterations
are over few rows. Used by `kmeans.py`.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import numpy.typing as npt

from twigma.builder.clusters.lloyd import moved, sums_of
from twigma.builder.engine.vectors import Half, Indices
from twigma.core.machine import usable_cpus

MANY = 100  # clusters above which a fit begins here
ROWS_PER_CLUSTER = 32  # of the sample
DIRECTIONS = 64  # principal ones, among which seeds are spread
DIRECTION_ROWS = 20_000  # at most, from which these are computed
GAIN = 3e-3  # of the inertia: iterations over the sample end below it
ITERATIONS = 25  # or after so many
BLOCK = 4096

Floats = npt.NDArray[np.float32]


def start_of_many(sample: Half, k: int, seed: int) -> Floats:
    """Centroids float32[k, dim], near those of the rows float16[n, dim] of a sample, which are at random.

    They do not depend on how many threads there are: each block of rows is one thread's.
    """
    from threadpoolctl import threadpool_limits

    starts = range(0, len(sample), BLOCK)
    blocks = [sample[at : at + BLOCK] for at in starts]
    with threadpool_limits(1), ThreadPoolExecutor(usable_cpus()) as pool:
        centroids = sample[_spread(sample, k, seed)].astype(np.float32)
        inertia = np.inf
        for _ in range(ITERATIONS):
            parts = pool.map(sums_of, blocks, repeat(centroids))
            centroids, _, total = moved(parts, centroids)
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
