"""Rows of a mapped matrix at norm 1, made when they are asked for: ten million embeddings take no memory.

A matrix of half precision is half as large as its unit rows; those are float32, and made of a block or of a sample.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.core.numeric.unit_vectors import BLOCK, has_direction

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class StoredRows:
    """Some rows of a stored matrix, each divided by its norm: float32 [n, d], of which slices and rows are read.

    It has the length, shape and type of the array that it stands for. `rows_of` chooses rows without reading them.

    >>> rows = StoredRows(np.array([[3, 4], [0, 2]], np.float16), np.array([1, 0]), np.array([5, 2], np.float32))
    >>> rows[np.array([1])]
    array([[0.6, 0.8]], dtype=float32)
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self, stored: npt.NDArray[np.floating], rows: Rows, norms: Floats
    ) -> None:
        """`rows` [n] of a matrix [m, d] whose rows have the norms [m]; none of these rows has norm 0."""
        self._stored = stored
        self._rows = rows
        self._norms = norms

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._rows), self._stored.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: Any) -> Floats:
        """float32 [k, d]: the rows of a slice, of row numbers [k], or where an array of bool [n] is true."""
        rows = self._rows[chosen]
        if not rows.ndim:
            raise TypeError(
                "expected a slice or an array of rows, found one row number"
            )
        block = self._read(rows)
        block /= self._norms[rows, None]
        return block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """All rows in memory."""
        return np.asarray(self[:], dtype)

    def only(self, chosen: Any) -> "StoredRows":
        """Those of these row numbers [k], or where an array of bool [n] is true; none is read."""
        return StoredRows(self._stored, self._rows[chosen], self._norms)

    def _read(self, rows: Rows) -> Floats:
        """The stored rows of these numbers as a new array float32 [k, d]."""
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and is_rising(rows):
            return self._stored[rows[0] : rows[-1] + 1].astype(np.float32)
        # Not all at once, or they would be in memory twice.
        block = np.empty((len(rows), self._stored.shape[1]), np.float32)
        for start in range(0, len(rows), BLOCK):
            block[start : start + BLOCK] = self._stored[rows[start : start + BLOCK]]
        return block


def is_rising(rows: Rows) -> bool:
    """Whether each of these numbers [k] is larger than the one before."""
    return bool((rows[1:] > rows[:-1]).all())


def stored_unit_rows(
    stored: npt.NDArray[np.floating], rows: Rows
) -> tuple[StoredRows, npt.NDArray[np.bool_]]:
    """Those of some rows [n] of a matrix [m, d] that have a direction, and which these are, bool[n]."""
    norms = np.empty(len(stored), np.float32)
    for start in range(0, len(stored), BLOCK):
        block = stored[start : start + BLOCK].astype(np.float32)
        norms[start : start + BLOCK] = np.linalg.norm(block, axis=1)
    usable = has_direction(norms)[rows]
    return StoredRows(stored, rows[usable], norms), usable


def rows_of(matrix: Any, chosen: Any) -> Any:
    """Rows [k] of a matrix [n, d] by number, or where an array of bool [n] is true; stored ones are not read."""
    if isinstance(matrix, StoredRows):
        return matrix.only(chosen)
    return matrix[chosen]
