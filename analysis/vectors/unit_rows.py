"""Embeddings as rows of norm 1, whose products are cosines; a row of zeros, NaN or infinity has no direction."""

from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, Precision, as_matrix

NEAR_ONE = 2e-7  # a norm this near to 1 is 1 in float32
BLOCK = 16_384  # rows normalised at a time: 50 MB at 768 dimensions


def unit_rows(
    x: Any, name: str = "x", first: int = 0, dtype: Precision = np.float32
) -> npt.NDArray[Any]:
    """Rows of `x` divided by their L2 norm.

    Parameters
    ----------
    x : matrix [n, d], n ≥ 1, of any float type.
    name : of the matrix, for the error.
    first : number of the first row, for the error, where `x` is a block of a longer matrix.
    dtype : of the result. Norms are computed in float64 either way.

    Returns
    -------
    float32 or float64 [n, d]; float32 rows that have norm 1 already are not copied. ValueError for no rows, and for
    rows that are zero or not finite.
    """
    x = as_matrix(x)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"{name}: expected a matrix with at least one row, found shape {x.shape}"
        )
    rows: Array = x.astype(dtype, copy=False)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None]
    usable = np.isfinite(norms) & (norms > 0)
    if not usable.all():
        row = first + int(np.flatnonzero(~usable)[0])
        raise ValueError(
            f"{name}: row {row} is zero or not finite and has no cosine; drop such rows first"
        )
    if dtype is np.float32 and np.abs(norms - 1).max() < NEAR_ONE:
        return rows
    return np.asarray(rows / norms.astype(dtype))


def usable_unit_rows(
    stored: Array, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Some rows of a matrix at norm 1, and which of them have a norm at all.

    Half precision had left them within 1e-3 of norm 1.

    Parameters
    ----------
    stored : float [n, d]. rows : int64[m], rows of it.

    Returns
    -------
    (unit, usable) : float32[m, d] and bool[m]; a row that is not usable is left as it is.
    """
    unit = np.empty((len(rows), stored.shape[1]), np.float32)
    usable = np.empty(len(rows), bool)
    # By blocks, or the memory would hold more than one copy of all rows.
    for start in range(0, len(rows), BLOCK):
        block = stored[rows[start : start + BLOCK]].astype(np.float32)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        good = np.isfinite(norms) & (norms > 0)
        unit[start : start + BLOCK] = np.divide(block, norms, out=block, where=good)
        usable[start : start + BLOCK] = good[:, 0]
    return unit, usable
