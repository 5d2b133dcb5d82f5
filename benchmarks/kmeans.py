"""k-means with ten restarts: `twigma cluster`'s against two full runs of faiss.Kmeans.

Goal: at most the time of two faiss runs of 25 iterations over all rows, and an inertia no larger than the better one's.
Run: `python benchmarks/kmeans.py`.
"""

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from versus import mixture, versus

from twigma.builder.cluster import kmeans
from twigma.builder.vectors import Vectors, as_column

ROWS, DIM, K = 100_000, 768, 10
RUNS, ITERATIONS = 2, 25  # of faiss
ROUNDS = 1  # ours runs ten restarts, long enough that one round tells

Floats = npt.NDArray[np.float32]


def faiss_full(vectors: Vectors) -> Floats:
    """Centroids of the better of two faiss runs that train on every row."""
    x = vectors.take(np.arange(len(vectors))).astype(np.float32)
    best, least = np.empty((K, DIM), np.float32), np.inf
    for seed in range(RUNS):
        fit = faiss.Kmeans(DIM, K, niter=ITERATIONS, seed=seed, max_points_per_centroid=len(x))
        if (found := fit.train(x)) < least:
            best, least = np.array(fit.centroids), found
    return best


def inertia(x: Floats, centroids: Floats) -> float:
    """Mean squared distance to the nearest centroid."""
    index = faiss.IndexFlatL2(DIM)
    index.add(centroids)
    return float(index.search(x, 1)[0].mean())


def main() -> None:
    """Print the row."""
    x = mixture(ROWS, DIM).astype(np.float16)
    vectors, rows = Vectors([as_column(x)], pa.nulls(ROWS, pa.string())), np.arange(ROWS)
    x32 = x.astype(np.float32)

    def quality(ours: Floats, theirs: Floats) -> str:
        mine, peer = inertia(x32, ours), inertia(x32, theirs)
        return f"inertia {mine:.5f}, peer {peer:.5f}, ratio {mine / peer:.5f}"

    name = f"k-means, k={K}, {ROWS:,} rows | {RUNS} faiss runs"
    versus(name, lambda: kmeans(vectors, rows, K), lambda: faiss_full(vectors), rounds=ROUNDS, quality=quality)


if __name__ == "__main__":
    main()
