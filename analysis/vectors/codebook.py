"""k-means codebooks that sets are quantised with, once in full and often in short; for `twigma analyze`.

FAISS trains on at most 256 points a centroid from a random start, and two seeds then agree poorly. The robust
recipe starts with k-means++, restarts and uses all points (up to a stated sample).

Where many fits are needed (the checks on Fig 3b and 4b), `quick_codebook` looks for its start among 64 principal
directions: k centroids span at most k − 1 directions, and those of the largest variance for the most part, so that a
start costs a twelfth of one among 768. The figures themselves use `codebook`.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array
from twigma.analysis.vectors.spectra import Components, components, moments

Recipe = Literal["paper", "mauve", "robust"]

RESTARTS = 10  # of the robust recipe
FEW_RESTARTS = 3  # with many centroids: one start is then much like another
MANY = 20  # clusters from which few restarts do
TRAINED = 256  # rows a centroid that FAISS trains on by default
TRAINING = 1_000_000  # rows times clusters the robust recipe trains on at most, but 256 rows a cluster
CONVERGED = 1e-5  # relative gain of an iteration below which a restart of the robust recipe ends

DIRECTIONS = 64  # of the quick recipe
DIRECTION_ROWS = 20_000  # from which the directions are computed
ITERATIONS = 10  # over all dimensions, from the best start

SAMPLED = 5_000  # rows that the starts of the refined recipe are of, at least 256 a cluster
REFINED = 20  # starts of that recipe, and iterations in full


def codebook(
    x: Array, k: int, recipe: Recipe = "robust", seed: int = 0
) -> npt.NDArray[np.float32]:
    """Centroids of a k-means clustering, float32[k, d].

    Parameters
    ----------
    x : array [n, d], n ≥ k, finite.
    k : clusters.
    recipe : "robust", k-means++ start, 10 restarts (3 above 20 clusters) of at most 100 iterations, all rows up to
        1,000,000/k (100,000 for k=10) or 256 k; "paper", FAISS defaults; "mauve", FAISS defaults but 500 iterations
        and 5 restarts.
    seed : of FAISS's generator.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    _check(x, k)
    options = _options(recipe, k)
    clustering = faiss.Kmeans(
        x.shape[1], k, seed=seed, min_points_per_centroid=1, **options
    )
    # An iteration is so short that threads cost more than they save, threefold.
    with threadpool_limits(1):
        clustering.train(np.ascontiguousarray(x, dtype=np.float32))
    return np.asarray(clustering.centroids, dtype=np.float32)


def _check(x: Array, k: int) -> None:
    """ValueError where `x` cannot be divided into k clusters."""
    if not 1 <= k <= len(x):
        raise ValueError(
            f"codebook: expected 1 <= k <= {len(x)}, the rows to cluster, found k={k}"
        )
    if not np.isfinite(x).all():
        raise ValueError(
            "codebook: expected finite rows, found NaN or infinity; drop rows without an embedding"
        )


def _options(recipe: Recipe, k: int) -> dict[str, Any]:
    """Of `faiss.Kmeans`."""
    import faiss

    if recipe == "robust":
        return {
            "niter": 100,
            "nredo": RESTARTS if k <= MANY else FEW_RESTARTS,
            "init_method": faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
            "max_points_per_centroid": max(TRAINED, TRAINING // k**2),
            "early_stop_threshold": CONVERGED,
        }
    if recipe == "mauve":
        return {"niter": 500, "nredo": 5}
    return {}


def training_rows(
    n: int, k: int, recipe: Recipe, seed: int = 0
) -> npt.NDArray[np.int64]:
    """The rows of `n` that `codebook` trains on, int64 [m], m ≤ n.

    Of these alone, in this order, it computes the same centroids: faiss takes the first ones of its permutation too.
    """
    import faiss

    most = k * _options(recipe, k).get("max_points_per_centroid", TRAINED)
    if n <= most:
        return np.arange(n)
    order = np.empty(n, dtype=np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), n, seed)  # type: ignore[attr-defined]  # missing in its stubs
    return order[:most].astype(np.int64)


def assign(x: Array, centroids: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Index of the nearest of the centroids [k, d] (L2) of each row of `x` [n, d], int64[n]."""
    import faiss

    rows = np.ascontiguousarray(x, dtype=np.float32)
    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    labels: npt.NDArray[np.int64] = index.search(rows, 1)[1].ravel()
    return labels


def principal(x: Array, seed: int = 0) -> Components:
    """The 64 directions of the largest variance of `x` [n, d] (all, if there are fewer), of at most 20,000 rows."""
    rows = np.random.default_rng(seed).permutation(len(x))[:DIRECTION_ROWS]
    sample = x[np.sort(rows)].astype(np.float64)
    return components(moments(sample)).leading(DIRECTIONS)


def refined_codebook(
    x: npt.NDArray[np.float32], k: int, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Centroids float32[k, d] of principal coordinates `x` [n, d], n ≥ k, by falling variance.

    Twenty starts (three above 20 clusters) are made among the leading coordinates of a sample of the rows, and the best
    is refined over all rows. Its inertia is that of the robust recipe, in a quarter of the time.
    """
    _check(x, k)
    leading = min(k, DIRECTIONS)  # k centroids span k - 1 directions
    rows = np.random.default_rng(seed).permutation(len(x))
    sample = np.sort(rows[: max(SAMPLED, TRAINED * k)])
    starts = REFINED if k <= MANY else FEW_RESTARTS
    among = _trained(x[sample, :leading], k, seed, starts=starts, iterations=100)
    start = np.zeros((k, x.shape[1]), np.float32)
    start[:, : among.shape[1]] = among
    return _trained(x, k, seed, start=start, iterations=REFINED)


def _trained(
    x: Array,
    k: int,
    seed: int,
    *,
    iterations: int,
    starts: int = 1,
    start: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Centroids of all rows of `x`, from k-means++ starts or from given ones."""
    import faiss
    from threadpoolctl import threadpool_limits

    clustering = faiss.Kmeans(
        x.shape[1],
        k,
        seed=seed,
        niter=iterations,
        nredo=starts,
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x) // k + 1,
        early_stop_threshold=CONVERGED,
    )
    with threadpool_limits(1):  # as in `codebook`
        clustering.train(
            np.ascontiguousarray(x, dtype=np.float32), init_centroids=start
        )
    return np.asarray(clustering.centroids, dtype=np.float32)


def quick_codebook(
    x: Array, k: int, directions: Components, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Centroids float32[k, d] of `x` [n, d], n ≥ k: the robust recipe among the directions, then 10 iterations in full.

    Parameters
    ----------
    directions : of `principal`, computed once for many fits.
    """
    rows = np.ascontiguousarray(x, dtype=np.float32)
    among = codebook(directions.project(rows), k, "robust", seed)
    start = among @ directions.axes.T + directions.mean
    return _trained(
        rows, k, seed, start=start.astype(np.float32), iterations=ITERATIONS
    )
