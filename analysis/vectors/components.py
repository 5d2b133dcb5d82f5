"""Principal components of rows that come in several sets, from each set's sums; codebooks are made among them.

The sums of a set are made once, whatever other sets it is put together with.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.vectors.spectra import Array, Floats, gram


class Moments(NamedTuple):
    """Sums over the rows of a set."""

    rows: int
    total: Floats  # [d]
    squares: Floats  # XᵀX, [d, d]


class Components(NamedTuple):
    """The mean of some rows, and orthonormal directions as columns, by falling variance."""

    mean: Floats  # [d]
    axes: Floats  # [d, r]
    variances: Floats  # [r]

    def leading(self, count: int) -> "Components":
        """The first `count` of them, or all there are."""
        return Components(self.mean, self.axes[:, :count], self.variances[:count])

    def reaching(self, share: float) -> "Components":
        """The first ones, up to that which reaches a share of the variance."""
        return self.leading(
            int(np.argmax(np.cumsum(self.variances) >= share * self.variances.sum()))
            + 1
        )

    def project(self, x: Array) -> npt.NDArray[np.float32]:
        """Coordinates of each row along the directions, float32[n, r]; products in the type of `x`."""
        axes, offset = (
            a.astype(x.dtype, copy=False) for a in (self.axes, self.mean @ self.axes)
        )
        return np.asarray(x @ axes - offset, dtype=np.float32)


def moments(x: Array) -> Moments:
    """The sums over rows [n, d]; products in float32 where `x` has no more digits."""
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    return Moments(len(x), x.sum(axis=0, dtype=np.float64), gram(x, dtype=dtype))


def components(*sets: Moments) -> Components:
    """The principal components of the rows of all sets together."""
    rows = sum(one.rows for one in sets)
    mean = np.sum([one.total for one in sets], axis=0) / rows
    squares = np.sum([one.squares for one in sets], axis=0) - rows * np.outer(
        mean, mean
    )
    variances, axes = np.linalg.eigh(squares / (rows - 1))
    return Components(mean, axes[:, ::-1], variances[::-1])
