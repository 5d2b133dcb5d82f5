"""k-means over embeddings read in blocks: the centroids, and the nearest one of any image. Used by `twigma cluster`.

Single runs disagree, so many starts are tried, where a run costs little: on a sample, projected on its leading
principal directions (k centroids span at most k - 1). The best few go on with a larger sample, and the best of those
over every row and dimension.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Indices, Vectors

K = 10  # section 4
RESTARTS = 30  # the more, the more often seeds agree; ten find as low an inertia as five full runs of faiss
BEST = 5  # of the restarts go on
FIT_ROWS = 100_000  # with a sample of this size
START_ROWS = 20_000  # the restarts themselves
ITERATIONS = 100
TOLERANCE = 1e-4  # Lloyd's iterations over all rows stop when the inertia falls by less, relatively
BLOCK = 8192

Floats = npt.NDArray[np.float32]


def kmeans(
    vectors: Vectors,
    rows: Indices,
    k: int = K,
    *,
    seed: int = 0,
    restarts: int = RESTARTS,
) -> Floats:
    """Centroids float32[k, dim] of these rows, by falling cluster size.

    ValueError unless there are more rows than clusters.
    """
    if len(rows) <= k or k < 1:
        raise ValueError(
            f"expected more distinct embedded images than clusters, found {len(rows)} images for k={k}"
        )
    centroids, inertia = _start(vectors, rows, k, seed, restarts), np.inf
    for _ in range(ITERATIONS):
        moved, sizes, total = _lloyd(vectors, rows, centroids)
        if inertia - total <= TOLERANCE * total:
            break
        centroids, inertia = moved, total
    return np.ascontiguousarray(centroids[np.argsort(-sizes, kind="stable")])


def _start(vectors: Vectors, rows: Indices, k: int, seed: int, restarts: int) -> Floats:
    """The best centroids of a sample, found among its projections on 2 k principal directions."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    sample = vectors.take(
        np.sort(rng.choice(rows, min(FIT_ROWS, len(rows)), replace=False))
    )
    some = np.sort(rng.choice(len(sample), min(START_ROWS, len(sample)), replace=False))
    with threadpool_limits(
        1
    ):  # the order of sums, and with it the result, would depend on the number of threads
        x = sample[some].astype(np.float32)
        mean = x.mean(axis=0)
        x -= mean
        directions = np.linalg.eigh(x.T @ x)[1][:, -2 * k :]
        low = np.concatenate(
            [
                (sample[at : at + BLOCK].astype(np.float32) - mean) @ directions
                for at in range(0, len(sample), BLOCK)
            ]
        )
        starts = sorted(
            (
                _run(low[some], k, seed=int(rng.integers(2**31)))
                for _ in range(restarts)
            ),
            key=_inertia,
        )
        best = min((_run(low, k, start) for _, start in starts[:BEST]), key=_inertia)
    return np.asarray(best[1] @ directions.T + mean, np.float32)


def _run(
    x: Floats, k: int, start: Floats | None = None, seed: int = 0
) -> tuple[float, Floats]:
    """Inertia and centroids of one k-means run, from k-means++ or a given start."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer distinct rows than clusters: some stay empty
        init = "k-means++" if start is None else start
        fit = KMeans(
            k, init=init, n_init=1, max_iter=ITERATIONS, random_state=seed
        ).fit(x)
    return float(fit.inertia_), fit.cluster_centers_


def _inertia(run: tuple[float, Floats]) -> float:
    return run[0]


def _lloyd(
    vectors: Vectors, rows: Indices, centroids: Floats
) -> tuple[Floats, Indices, float]:
    """One iteration: the mean of the rows nearest to each centroid (an empty one stays), their number; the inertia."""
    sums = np.zeros(centroids.shape, np.float64)
    sizes, inertia = np.zeros(len(centroids), np.int64), 0.0
    for block, labels, square in _assigned(vectors, rows, centroids):
        member = (labels == np.arange(len(centroids))[:, None]).astype(np.float32)
        sums += member @ block
        sizes += np.bincount(labels, minlength=len(centroids))
        inertia += float(square.sum(dtype=np.float64))
    moved = np.where(
        sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids
    )
    return moved.astype(np.float32), sizes, inertia


def _assigned(
    vectors: Vectors, rows: Indices, centroids: Floats
) -> Iterator[tuple[Floats, Indices, Floats]]:
    """Blocks of these rows as float32, the nearest centroid of each, and the squared distance to it."""
    half = np.square(centroids).sum(axis=1) / 2
    for at in range(0, len(rows), BLOCK):
        block = vectors.take(rows[at : at + BLOCK]).astype(np.float32)
        score = block @ centroids.T - half
        labels = score.argmax(axis=1)
        near = np.take_along_axis(score, labels[:, None], axis=1)[:, 0]
        yield (
            block,
            labels,
            np.maximum(0, np.einsum("ij,ij->i", block, block) - 2 * near),
        )


def nearest(
    vectors: Vectors, rows: Indices, centroids: Floats
) -> tuple[Indices, Floats]:
    """Index of the nearest centroid of each of these rows, and the distance to it."""
    found = [
        (labels, np.sqrt(square))
        for _, labels, square in _assigned(vectors, rows, centroids)
    ]
    labels, distances = zip(*found, strict=True) if found else ((), ())
    return np.concatenate([np.empty(0, np.int64), *labels]), np.concatenate(
        [np.empty(0, np.float32), *distances]
    )
