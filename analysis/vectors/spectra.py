"""Spectra of tall matrices in float64, a block of rows at a time: singular values, variances, principal components.

The memory is that of one block and a square matrix, whatever the number of rows. Principal components of several sets
together come from each set's sums, which are made once, whatever other sets it is put together with.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Array, Floats, Precision
from twigma.core.machine import usable_cpus

BLOCK = 4096
CACHED = 1024  # rows of which a few passes stay in a core's cache
ADDED = 32  # rows that are added up without more digits
# Least/largest eigenvalue above which the Gram matrix gives singular values to 1e-6 and 1e-11, by type of the products.
WELL_CONDITIONED: dict[Precision, float] = {np.float32: 1e-5, np.float64: 1e-7}


def gram(x: Array, mean: Floats | None = None, dtype: Precision = np.float64) -> Floats:
    """XᵀX of `x` [n, d], float64[d, d]; of x − mean where a mean [d] is passed. Products are made in `dtype`."""
    total: Floats = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        if mean is not None:
            block = block - mean
        block = block.astype(dtype, copy=False)
        total += block.T @ block
    return total


def eigenvalues(x: Array) -> Floats:
    """Eigenvalues of XᵀX of `x` [n, d], rising, from whichever of XᵀX and XXᵀ is smaller; at least 0."""
    small = gram(x) if len(x) >= x.shape[1] else x.astype(np.float64) @ x.T
    values: Floats = np.maximum(np.linalg.eigvalsh(small), 0)
    return values


def eigenvectors(x: Array) -> tuple[Floats, Floats]:
    """Eigenvalues of XᵀX, rising and at least 0, float64[d], and its eigenvectors as columns, float64[d, d]."""
    values, vectors = np.linalg.eigh(gram(x))
    return np.maximum(values, 0), vectors


def singular_values(x: Array, center: bool = False) -> Floats:
    """Singular values of `x` [n, d], or of its centred rows, falling, float64[min(n, d)].

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
    return _by_triangles(x, mean)


def _by_triangles(x: Array, mean: Floats | None) -> Floats:
    """Singular values from the triangle R of X = QR, which loses no digits; R is that of block after block."""
    triangle: Floats = np.empty((0, x.shape[1]))
    step = max(BLOCK, 4 * x.shape[1])
    for start in range(0, len(x), step):
        block = x[start : start + step].astype(np.float64)
        if mean is not None:
            block = block - mean
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    return np.asarray(np.linalg.svd(triangle, compute_uv=False))


def variances(x: Array) -> Floats:
    """Variance of each column of `x` [n, d], ddof=1, [d], in one pass; exactly 0 where a column is constant.

    Each block has its own mean, and blocks are put together by Chan, Golub & LeVeque (1983), which loses no digits.
    Of float32 a few rows at a time are added up in float32: the relative error stays below 1e-6.
    """
    # Differences from a row: those of a constant column are 0, whatever the rounding of its mean.
    origin = x[0].astype(np.promote_types(x.dtype, np.float32))

    def of_block(start: int) -> tuple[int, Floats, Floats]:
        block = x[start : start + CACHED] - origin
        mean = _sum_of_rows(block) / len(block)
        block -= mean.astype(block.dtype)
        np.square(block, out=block)
        return len(block), mean, _sum_of_rows(block)

    starts = range(0, len(x), CACHED)
    if len(starts) == 1:  # as of the many small groups: a thread would cost more
        blocks = [of_block(0)]
    else:
        with ThreadPoolExecutor(usable_cpus()) as pool:
            blocks = list(pool.map(of_block, starts))
    counts = np.array([[count] for count, _, _ in blocks])
    means = np.array([mean for _, mean, _ in blocks])
    within = np.sum([squares for _, _, squares in blocks], axis=0)
    mean = (counts * means).sum(axis=0) / len(x)
    between = (counts * (means - mean) ** 2).sum(axis=0)
    result: Floats = (within + between) / (len(x) - 1)
    return result


def _sum_of_rows(block: Array) -> Floats:
    """The sum of the rows of a block [m, d], float64[d], of the sums of ADDED rows each in the block's own type."""
    whole = len(block) - len(block) % ADDED
    groups = block[:whole].reshape(-1, ADDED, block.shape[1])
    total: Floats = groups.sum(axis=1).sum(axis=0, dtype=np.float64)
    total += block[whole:].sum(axis=0, dtype=np.float64)
    return total


# ------------------------------------------------------------------ principal components


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
        enough = np.cumsum(self.variances) >= share * self.variances.sum()
        return self.leading(int(np.argmax(enough)) + 1)

    def project(self, x: Array) -> npt.NDArray[np.float32]:
        """Coordinates of each row of `x` [n, d] along the directions, float32[n, r]; products in the type of `x`."""
        axes = self.axes.astype(x.dtype, copy=False)
        offset = (self.mean @ self.axes).astype(x.dtype, copy=False)
        return np.asarray(x @ axes - offset, dtype=np.float32)


def moments(x: Array) -> Moments:
    """The sums over rows [n, d]; products in float32 where `x` has no more digits."""
    dtype: Precision = np.float64 if x.dtype == np.float64 else np.float32
    return Moments(len(x), x.sum(axis=0, dtype=np.float64), gram(x, dtype=dtype))


def components(*sets: Moments) -> Components:
    """The principal components of the rows of all sets together."""
    rows = sum(one.rows for one in sets)
    mean = np.sum([one.total for one in sets], axis=0) / rows
    squares = np.sum([one.squares for one in sets], axis=0)
    covariance = (squares - rows * np.outer(mean, mean)) / (rows - 1)
    variances, axes = np.linalg.eigh(covariance)
    return Components(mean, axes[:, ::-1], variances[::-1])
