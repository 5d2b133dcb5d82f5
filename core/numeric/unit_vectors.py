"""Rows scaled to norm 1, so that a matrix product of two sets of rows gives cosines.

A row of zeros, NaN or infinity has no direction. `unit_rows` passes it on, `require_unit_rows` refuses it, and
`usable_unit_rows` marks it.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from twigma.core.safety.failures import DataError

Number = TypeVar("Number", np.float32, np.float64)

NEAR_ONE = 2e-7  # about two steps of float32 at 1: a norm this near to 1 is 1
BLOCK = 16_384  # rows scaled at a time: 50 MB at 768 dimensions


def unit_rows(
    rows: npt.NDArray[np.floating],
    dtype: type[Number] = np.float32,  # type: ignore[assignment]
) -> npt.NDArray[Number]:
    """A copy of the rows, each divided by its Euclidean norm.

    Parameters
    ----------
    rows : float[n, dim], of any precision.
    dtype : precision of the norms and of the result, np.float32 or np.float64.

    Returns
    -------
    dtype[n, dim]. A row of zeros stays a row of zeros; one with NaN is NaN.

    Examples
    --------
    >>> unit_rows(np.array([[3, 4], [0, 0]], np.float16))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    scaled = np.array(rows, dtype)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    # Not by zero: divided by the smallest normal number, a row of zeros stays one.
    scaled /= np.maximum(norms, np.finfo(dtype).tiny)
    return scaled


def require_unit_rows(
    rows: npt.ArrayLike,
    name: str,
    first: int = 0,
    dtype: type[Number] = np.float32,  # type: ignore[assignment]
) -> npt.NDArray[Number]:
    """The rows divided by their Euclidean norms; ValueError for a row that has no direction.

    Parameters
    ----------
    rows : float[n, dim], n ≥ 1, of any precision.
    name : of the matrix, for the error.
    first : number of the first row, for the error, where `rows` is a block of a longer matrix.
    dtype : of the result, np.float32 or np.float64. Norms are float64 either way.

    Returns
    -------
    dtype[n, dim]. float32 rows that have norm 1 already are not copied. ValueError for no rows, and for rows that are
    zero or not finite.
    """
    matrix = np.asarray(rows)
    if matrix.ndim != 2 or len(matrix) == 0:
        raise DataError(
            f"{name}: expected a matrix with at least one row, found shape {matrix.shape}"
        )
    typed = matrix.astype(dtype, copy=False)
    # In float64, or the rounding of the sum would hide that a row has norm 1 already.
    squares = np.einsum("ij,ij->i", typed, typed, dtype=np.float64)
    norms = np.sqrt(squares)[:, None]
    usable = has_direction(norms)
    if not usable.all():
        row = first + int(np.flatnonzero(~usable)[0])
        raise DataError(
            f"{name}: row {row} is zero or not finite and has no cosine; drop such rows first"
        )
    if dtype is np.float32 and np.abs(norms - 1).max() < NEAR_ONE:
        return typed
    return np.asarray(typed / norms.astype(dtype))


def usable_unit_rows(
    stored: npt.NDArray[np.floating], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Some rows of a matrix at norm 1, and which of them have a direction.

    Half precision stores unit rows within 1e-3 of norm 1, so they are scaled once more.

    Parameters
    ----------
    stored : float[n, dim]. rows : int64[m], rows of it.

    Returns
    -------
    (unit, usable) : float32[m, dim] and bool[m]; a row that is not usable is not scaled.
    """
    unit = np.empty((len(rows), stored.shape[1]), np.float32)
    usable = np.empty(len(rows), bool)
    # By blocks, or the memory would hold more than one copy of all rows.
    for start in range(0, len(rows), BLOCK):
        block = stored[rows[start : start + BLOCK]].astype(np.float32)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        good = has_direction(norms)
        unit[start : start + BLOCK] = np.divide(block, norms, out=block, where=good)
        usable[start : start + BLOCK] = good[:, 0]
    return unit, usable


def has_direction(norms: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Whether rows of these norms [n, 1] or [n] have one, bool of that shape: neither 0 nor infinite nor NaN."""
    return np.asarray(np.isfinite(norms) & (norms > 0))
