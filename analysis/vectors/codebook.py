"""k-means codebooks that sets are quantised with; for `twigma analyze`.

FAISS trains on at most 256 points a centroid from a random start, and two seeds then agree poorly. The robust recipe
makes many k-means++ starts among the leading principal directions of a sample, refines the best over all dimensions and
rows, and takes the better of two such fits: among as many directions as clusters, and among 64. In worlds of grouped,
flat and decaying spectra its inertia was at or below that of ten starts over everything, at a fifth of the time.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array
from twigma.analysis.vectors.spectra import Components, components, moments
from twigma.core.safety.failures import DataError

Recipe = Literal["paper", "mauve", "robust"]

STARTS = 10  # of the robust recipe, among few directions and among many
FEW_STARTS = 3  # with many centroids: one start is then much like another
MANY = 20  # clusters from which few starts do
SAMPLED = 5_000  # rows that starts are made among, at least 256 a cluster
ITERATIONS = 10  # over all dimensions, from the best start
TRAINED = 256  # rows a centroid that FAISS trains on by default
TRAINING = 1_000_000  # rows times clusters the robust recipe trains on at most, but 256 rows a cluster
CONVERGED = 1e-5  # relative gain of an iteration below which the robust recipe ends

ASSIGNED = 65_536  # rows that are assigned at a time: 200 MB at 768 dimensions
DIRECTIONS = 64  # at most, among which starts are made
DIRECTION_ROWS = 20_000  # from which the directions are computed


class _Fit(NamedTuple):
    """Centroids float32 [k, d], and the sum of squared distances from them."""

    centroids: npt.NDArray[np.float32]
    inertia: float


def codebook(
    x: Array,
    k: int,
    recipe: Recipe = "robust",
    seed: int = 0,
    directions: Components | None = None,
) -> npt.NDArray[np.float32]:
    """Centroids of a k-means clustering, float32[k, d].

    Parameters
    ----------
    x : array [n, d], n ≥ k, finite.
    k : clusters.
    recipe : "robust", the better of two fits, each the best of 10 k-means++ starts (3 above 20 clusters) among the
        leading k, or 64, directions of 5,000 rows or 256 k, refined over all rows up to 1,000,000/k (100,000 for k=10)
        or 256 k; "paper", FAISS defaults; "mauve", FAISS defaults but 500 iterations and 5 restarts.
    seed : of FAISS's generator.
    directions : of `principal`, computed once where many fits are made.
    """
    from threadpoolctl import threadpool_limits

    _check(x, k)
    rows = x[training_rows(len(x), k, recipe, seed)]
    if recipe == "robust" and directions is None:
        directions = principal(rows, seed)
    # An iteration is so short that threads cost more than they save, threefold.
    with threadpool_limits(1):
        if recipe == "mauve":
            return _trained(rows, k, seed, starts=5, iterations=500).centroids
        if recipe == "paper" or directions is None:
            return _trained(rows, k, seed).centroids
        return _robust(rows, k, directions, seed).centroids


def _robust(rows: Array, k: int, directions: Components, seed: int) -> _Fit:
    """The better of two fits, from the best starts among few directions and among many."""
    order = np.random.default_rng(seed).permutation(len(rows))
    sample = rows[np.sort(order[: max(SAMPLED, TRAINED * k)])]
    fits = []
    # Among few directions starts end lower, but what varies most need not be what groups the rows.
    for width in sorted({min(k, DIRECTIONS), DIRECTIONS}):
        start = _start(sample, k, directions.leading(width), seed)
        fits.append(
            _trained(rows, k, seed, iterations=ITERATIONS, start=start, spread=True)
        )
    return min(fits, key=lambda fit: fit.inertia)


def _start(sample: Array, k: int, among: Components, seed: int) -> Array:
    """The best centroids [k, d] of many starts among some directions."""
    starts = STARTS if k <= MANY else FEW_STARTS
    fit = _trained(
        among.project(sample), k, seed, starts=starts, iterations=100, spread=True
    )
    return fit.centroids @ among.axes.T + among.mean


def _check(x: Array, k: int) -> None:
    """ValueError where `x` cannot be divided into k clusters."""
    if not 1 <= k <= len(x):
        raise DataError(
            f"codebook: expected at least as many images as clusters, found {len(x)} images for {k} clusters: add "
            "images"
        )
    if not np.isfinite(x).all():
        raise DataError(
            "codebook: expected finite rows, found NaN or infinity; drop rows without an embedding"
        )


def _trained(
    x: Array,
    k: int,
    seed: int,
    *,
    starts: int = 1,
    iterations: int = 25,
    start: Array | None = None,
    spread: bool = False,
) -> _Fit:
    """Clusters of all rows of `x`, from starts of FAISS or from a given one; `spread`: k-means++, and an early end."""
    import faiss

    options: dict[str, Any] = {}
    if spread:
        options["init_method"] = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
        options["early_stop_threshold"] = CONVERGED
    clustering = faiss.Kmeans(
        x.shape[1],
        k,
        seed=seed,
        niter=iterations,
        nredo=starts,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x) // k + 1,
        **options,
    )
    if start is not None:
        start = np.ascontiguousarray(start, dtype=np.float32)
    rows = np.ascontiguousarray(x, dtype=np.float32)
    clustering.train(rows, init_centroids=start)
    centroids = np.asarray(clustering.centroids, dtype=np.float32)
    return _Fit(centroids, float(np.asarray(clustering.obj)[-1]))


def training_rows(
    n: int, k: int, recipe: Recipe, seed: int = 0
) -> npt.NDArray[np.int64]:
    """The rows of `n` that `codebook` trains on, int64 [m], m ≤ n, in the order in which FAISS would take them."""
    import faiss

    most = TRAINED * k
    if recipe == "robust":
        most = max(most, TRAINING // k)
    if n <= most:
        return np.arange(n)
    order = np.empty(n, dtype=np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), n, seed)  # type: ignore[attr-defined]  # missing in its stubs
    return order[:most].astype(np.int64)


def assign(x: Array, centroids: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Index of the nearest of the centroids [k, d] (L2) of each row of `x` [n, d], int64[n]."""
    import faiss

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    labels = np.empty(len(x), np.int64)
    for start in range(0, len(x), ASSIGNED):
        rows = np.ascontiguousarray(x[start : start + ASSIGNED], dtype=np.float32)
        labels[start : start + ASSIGNED] = index.search(rows, 1)[1].ravel()
    return labels


def principal(x: Array, seed: int = 0) -> Components:
    """The 64 directions of the largest variance of `x` [n, d] (all, if there are fewer), of at most 20,000 rows."""
    rows = np.random.default_rng(seed).permutation(len(x))[:DIRECTION_ROWS]
    sample = x[np.sort(rows)].astype(np.float64)
    return components(moments(sample)).leading(DIRECTIONS)
