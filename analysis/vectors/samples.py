"""Equal samples of several sets of embeddings: what depends on the number of images is compared at one number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, as_matrices, as_matrix
from twigma.core.safety.failures import DataError

SAMPLE = 10_000  # rows per set where sets are compared
BLOCK = 2048  # rows checked at a time


def finite_matrix(x: Any, name: str, rows: int = 2) -> Array:
    """`x` as a finite matrix [n, d], n ≥ `rows`, float32 or float64; ValueError when it is none.

    float16 and integers become float32. `name` is the caller's, for the error.
    """
    matrix = as_matrix(x)
    if matrix.ndim != 2 or len(matrix) < rows or matrix.shape[1] == 0:
        raise DataError(
            f"{name}: expected at least {rows} rows (images with an embedding), found shape {matrix.shape}"
        )
    for start in range(0, len(matrix), BLOCK):
        if not np.isfinite(matrix[start : start + BLOCK]).all():
            raise DataError(
                f"{name}: expected finite values, found NaN or infinity; drop rows without an embedding"
            )
    if matrix.dtype in (np.float32, np.float64):
        return matrix
    return matrix.astype(np.float32)


def size_matched(
    sets: Mapping[str, Any], n: int = SAMPLE, seed: int = 0
) -> dict[str, Array]:
    """The same number of rows of every set: min(n, the smallest set), drawn without replacement.

    Parameters
    ----------
    sets : by name, matrices [n_i, d] of one width with at least two rows, all finite and none zero.
    n : rows of each at most. seed : of the draw, the same for every set.

    Returns
    -------
    Copies float32 or float64 [size, d], of a set of just that size too, all rows in order. ValueError for what is not
    as described.
    """
    sets = as_matrices(sets)
    if not sets:
        raise DataError(
            "size_matched: expected at least one set of embeddings, found none"
        )
    shapes = {name: x.shape for name, x in sets.items()}
    matrices = all(len(shape) == 2 and shape[0] >= 2 for shape in shapes.values())
    if not matrices or len({shape[1] for shape in shapes.values()}) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(
            "expected at least 2 images with an embedding in every set, and embeddings of one length, found (images, "
            f"length) {listed}: add images to the set that has fewer"
        )
    size = sample_size(sets, n)
    drawn = {}
    for name, x in sets.items():
        rows = sampled_rows(len(x), size, seed)
        drawn[name] = _checked(x[rows], name)
    return drawn


def sample_size(sets: Mapping[str, Array], n: int) -> int:
    """Rows of each set [n_i, d] in equal samples: as many as the smallest has, at most `n`."""
    return min([n, *(len(x) for x in sets.values())])


def unit_samples(
    sets: Mapping[str, Any], n: int = SAMPLE, seed: int = 0
) -> dict[str, Array]:
    """The samples [m, d] of `size_matched`, each row scaled to norm 1.

    By scikit-learn's function, as in MAUVE: another rounding would give other clusters than the paper's recipe.
    """
    from sklearn.preprocessing import normalize

    drawn = size_matched(sets, n, seed)
    return {name: normalize(x, copy=False) for name, x in drawn.items()}


def sampled_rows(total: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """The rows, rising, that `size_matched` takes of a set of `total` rows, int64 [size]."""
    if size == total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, size, replace=False))


def sampled_labels(
    labels: Mapping[str, Any] | None,
    name: str,
    total: int,
    size: int,
    seed: int,
) -> Array | None:
    """The labels (artist, prompt, author) of the rows that `size_matched` takes of a set, [size]; None without any."""
    if labels is None or name not in labels:
        return None
    return np.asarray(labels[name])[sampled_rows(total, size, seed)]


def _checked(x: Array, name: str) -> Array:
    precision = np.float64 if x.dtype == np.float64 else np.float32
    x = np.asarray(x, dtype=precision)
    squares = np.einsum("ij,ij->i", x, x)
    bad = np.flatnonzero(~(np.isfinite(squares) & (squares > 0)))
    if len(bad):
        raise DataError(
            f"set {name!r}: {len(bad)} of {len(x)} sampled rows are zero or not finite; drop them first"
        )
    return x
