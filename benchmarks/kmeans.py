"""k-means with ten restarts: `twigma cluster`'s against two full runs of faiss.Kmeans.

Goal: at most the time of two faiss runs of 25 iterations over all rows, and an inertia no larger than the better one's.
A scaled copy of the real work: a sixteenth of the 805,650 rows, and of the sample that restarts are fitted on.
Run: `python benchmarks/kmeans.py`.
"""

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from mixture import mixture
from versus import versus

from twigma.builder import cluster
from twigma.builder.vectors import Vectors, as_column

ROWS, SAMPLE, DIM, K = 50_000, 6_250, 768, 10
RUNS, ITERATIONS = 2, 25  # of faiss
ROUNDS = 3

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


def compare(name: str, x: Floats) -> None:
    """Print the row of one data set."""
    vectors, rows = Vectors([as_column(x.astype(np.float16))], pa.nulls(ROWS, pa.string())), np.arange(ROWS)

    def quality(ours: Floats, theirs: Floats) -> str:
        mine, peer = inertia(x, ours), inertia(x, theirs)
        return f"inertia {mine:.5f}, peer {peer:.5f}, ratio {mine / peer:.5f}"

    name = f"k-means, {ROWS:,} {name} rows | {RUNS} faiss runs"
    versus(name, lambda: cluster.kmeans(vectors, rows, K), lambda: faiss_full(vectors), rounds=ROUNDS, quality=quality)


def main() -> None:
    """Print the rows."""
    cluster.FIT_ROWS = SAMPLE
    compare("grouped", mixture(ROWS, DIM))
    compare("diffuse", mixture(ROWS, DIM, diffuse=True))


if __name__ == "__main__":
    main()
