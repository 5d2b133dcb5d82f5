"""Singular values, eigenvectors and column variances of a tall matrix, in float64, a block of rows at a time.

The memory is that of one block and a square matrix, whatever the number of rows; `variation` computes with it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

BLOCK = 4096
# Least/largest eigenvalue above which the Gram matrix gives singular values to 1e-6 and 1e-11, by type of the products.
WELL_CONDITIONED: dict[type[np.float32] | type[np.float64], float] = {
    np.float32: 1e-5,
    np.float64: 1e-7,
}


def gram(
    x: Array,
    mean: Floats | None = None,
    dtype: type[np.float32] | type[np.float64] = np.float64,
) -> Floats:
    """XᵀX, float64[d, d]; of x − mean where a mean is given. Products within a block are made in `dtype`."""
    total: Floats = np.zeros((x.shape[1], x.shape[1]))
    for i in range(0, len(x), BLOCK):
        block: Array = (
            x[i : i + BLOCK] if mean is None else x[i : i + BLOCK] - mean
        ).astype(dtype, copy=False)
        total += block.T @ block
    return total


def eigenvalues(x: Array) -> Floats:
    """Eigenvalues of XᵀX, rising, from whichever of XᵀX and XXᵀ is smaller; at least 0."""
    small = gram(x) if len(x) >= x.shape[1] else x.astype(np.float64) @ x.T
    values: Floats = np.maximum(np.linalg.eigvalsh(small), 0)
    return values


def eigenvectors(x: Array) -> tuple[Floats, Floats]:
    """Eigenvalues of XᵀX, rising and at least 0, float64[d], and its eigenvectors as columns, float64[d, d]."""
    values, vectors = np.linalg.eigh(gram(x))
    return np.maximum(values, 0), vectors


def singular_values(x: Array, center: bool = False) -> Floats:
    """Singular values of `x`, or of its centred rows, falling.

    From the Gram matrix, of products in float32 where `x` has no more digits; where that is ill-conditioned, and would
    lose the small ones, in float64, and then by QR a block at a time.
    """
    mean = x.mean(axis=0, dtype=np.float64) if center else None
    for dtype, least in WELL_CONDITIONED.items():
        if len(x) <= x.shape[1] or np.promote_types(x.dtype, dtype) != dtype:
            continue
        values = np.linalg.eigvalsh(gram(x, mean, dtype))
        if values[0] > least * values[-1]:
            return np.asarray(np.sqrt(values[::-1]))
    triangle: Floats = np.empty((0, x.shape[1]))
    step = max(BLOCK, 4 * x.shape[1])
    for i in range(0, len(x), step):
        block = x[i : i + step].astype(np.float64) - (0 if mean is None else mean)
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    return np.asarray(np.linalg.svd(triangle, compute_uv=False))


def variances(x: Array) -> Floats:
    """Variance of each column, ddof=1, in two passes; exactly 0 where a column is constant."""
    mean, total = x.mean(axis=0, dtype=np.float64), np.zeros(x.shape[1])
    for i in range(0, len(x), BLOCK):
        total += ((x[i : i + BLOCK] - mean) ** 2).sum(axis=0)
    total[np.ptp(x, axis=0) == 0] = 0
    result: Floats = total / (len(x) - 1)
    return result


def unit(x: Array) -> Floats:
    """Rows over their L2 norm; ValueError for zero rows, which have no direction."""
    rows = x.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    if not norms.all():
        raise ValueError(
            f"unit: {int((norms == 0).sum())} of {len(x)} rows are zero and have no cosine; drop them"
        )
    return np.asarray(rows / norms)
