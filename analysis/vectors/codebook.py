"""Equal samples of several sets, and the k-means codebook they are quantised with; for `twigma analyze`.

FAISS trains on at most 256 points a centroid from a random start, and two seeds then agree poorly. The robust
recipe starts with k-means++, restarts and uses all points (up to a stated sample).
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Recipe = Literal["paper", "mauve", "robust"]

SAMPLE = 10_000  # rows per set where sets are compared
RESTARTS, FEW = (
    10,
    3,
)  # of the robust recipe; with many centroids one start is much like another
MANY = 20  # clusters from which few restarts do
TRAINED = 256  # rows a centroid that FAISS trains on by default
TRAINING = 1_000_000  # rows times clusters the robust recipe trains on at most, but 256 rows a cluster
CONVERGED = 1e-5  # relative gain of an iteration below which a restart of the robust recipe ends


def size_matched(
    sets: Mapping[str, Array], n: int = SAMPLE, seed: int = 0
) -> dict[str, Array]:
    """The same number of rows of every set: min(n, the smallest set), drawn without replacement.

    Copies, of a set of just that size too, whole and in order; float16 becomes float32. ValueError unless there are
    sets, matrices of one width, with at least two rows, all finite and none zero.
    """
    if not sets:
        raise ValueError(
            "size_matched: expected at least one set of embeddings, found none"
        )
    widths = {name: x.shape for name, x in sets.items()}
    if (
        any(len(shape) != 2 or shape[0] < 2 for shape in widths.values())
        or len({s[1] for s in widths.values()}) > 1
    ):
        raise ValueError(
            f"size_matched: expected matrices of one width with at least 2 rows, found {widths}"
        )
    size = (
        min(n, *(len(x) for x in sets.values()))
        if len(sets) > 1
        else min(n, len(next(iter(sets.values()))))
    )
    return {
        name: _checked(x[sampled_rows(len(x), size, seed)], name)
        for name, x in sets.items()
    }


def unit_samples(
    sets: Mapping[str, Array], n: int = SAMPLE, seed: int = 0
) -> dict[str, Array]:
    """The samples of `size_matched`, each row scaled to norm 1."""
    from sklearn.preprocessing import normalize

    return {
        name: normalize(x, copy=False)
        for name, x in size_matched(sets, n, seed).items()
    }


def sampled_rows(total: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """The rows, rising, that `size_matched` takes of a set of `total` rows."""
    if size == total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, size, replace=False))


def _checked(x: Array, name: str) -> Array:
    x = np.asarray(x, dtype=np.float64 if x.dtype == np.float64 else np.float32)
    squares = np.einsum("ij,ij->i", x, x)
    bad = np.flatnonzero(~(np.isfinite(squares) & (squares > 0)))
    if len(bad):
        raise ValueError(
            f"set {name!r}: {len(bad)} of {len(x)} sampled rows are zero or not finite; drop them first"
        )
    return x


def codebook(
    x: Array, k: int, recipe: Recipe = "robust", seed: int = 0
) -> npt.NDArray[np.float32]:
    """Centroids of a k-means clustering, float32[k, d].

    Parameters
    ----------
    x : array [n, d], n ≥ k.
    k : clusters.
    recipe : "robust", k-means++ start, 10 restarts (3 above 20 clusters) of at most 100 iterations, all rows up to
        1,000,000/k (100,000 for k=10) or 256 k; "paper", FAISS defaults; "mauve", FAISS defaults but 500 iterations
        and 5 restarts.
    seed : of FAISS's generator.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    if not 1 <= k <= len(x):
        raise ValueError(
            f"codebook: expected 1 <= k <= {len(x)}, the rows to cluster, found k={k}"
        )
    if not np.isfinite(x).all():
        raise ValueError(
            "codebook: expected finite rows, found NaN or infinity; drop rows without an embedding"
        )
    clustering = faiss.Kmeans(
        x.shape[1], k, seed=seed, min_points_per_centroid=1, **_options(recipe, k)
    )
    with threadpool_limits(
        1
    ):  # an iteration is so short that threads cost more than they save, threefold
        clustering.train(np.ascontiguousarray(x, dtype=np.float32))
    return np.asarray(clustering.centroids, dtype=np.float32)


def _options(recipe: Recipe, k: int) -> dict[str, Any]:
    """Of `faiss.Kmeans`."""
    import faiss

    if recipe == "robust":
        return {
            "niter": 100,
            "nredo": RESTARTS if k <= MANY else FEW,
            "init_method": faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
            "max_points_per_centroid": max(TRAINED, TRAINING // k**2),
            "early_stop_threshold": CONVERGED,
        }
    return {"niter": 500, "nredo": 5} if recipe == "mauve" else {}


def training_rows(
    n: int, k: int, recipe: Recipe, seed: int = 0
) -> npt.NDArray[np.int64]:
    """The rows of `n` that `codebook` trains on; given these alone, in this order, it finds the same centroids."""
    import faiss

    most = k * _options(recipe, k).get("max_points_per_centroid", TRAINED)
    if n <= most:
        return np.arange(n)
    order = np.empty(n, dtype=np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), n, seed)  # type: ignore[attr-defined]  # missing in its stubs
    return order[:most].astype(np.int64)


def assign(x: Array, centroids: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Index of the nearest centroid (L2) of each row, int64[n]."""
    import faiss

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    labels: npt.NDArray[np.int64] = index.search(
        np.ascontiguousarray(x, dtype=np.float32), 1
    )[1].ravel()
    return labels
