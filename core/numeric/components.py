"""Principal components of rows."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.float32, np.float64)


def first_components(rows: npt.NDArray[Number]) -> npt.NDArray[np.float64]:
    """The first two principal components of rows [n, dim], float64[n, 2].

    Each is turned so that its largest loading is positive.
    """
    centred = rows - rows.mean(axis=0)
    vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))[1]
    axes = vectors[:, :-3:-1]  # eigenvalues rise
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.sign(axes[largest, [0, 1]])
    return np.asarray(centred @ axes)
