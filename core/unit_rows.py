"""Rows scaled to length 1, so that a matrix product of two sets of rows gives cosines."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.float32, np.float64)


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
    # Not by zero: the smallest normal number keeps a row of zeros as it is.
    scaled /= np.maximum(norms, np.finfo(dtype).tiny)
    return scaled
