"""One iteration of k-means, and the nearest centroid of each row: of any block of rows, put together afterwards.

No result depends on the order of the rows, on the blocks they are in, or on which machine computes a block. Sums of
float16 numbers up to 1 are exact in float64, up to half a billion of them; and rows are compared with the centroids in
products of one shape, since the last bits of a product depend on its shape.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Half, Indices

SHAPE = 1_024  # rows of one product: they stay in the cache of a core

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Nearest = tuple[Indices, Floats]  # centroid int64[n] and distance float32[n]


@dataclass(frozen=True)
class Sums:
    """What a block adds to an iteration.

    `sums` float64[k, dim] of the rows nearest to each centroid, `sizes` int64[k] their number, and the `inertia`.
    """

    sums: Doubles
    sizes: Indices
    inertia: float


def move(
    blocks: RowBlocks, rows: Indices, centroids: Floats
) -> tuple[Floats, Indices, float]:
    """One iteration: the mean of the rows nearest to each centroid (an empty one stays), their number; the inertia."""
    return moved(blocks.map(sums_of, rows, centroids), centroids)


def moved(parts: Iterable[Sums], centroids: Floats) -> tuple[Floats, Indices, float]:
    """As `move`, from what all blocks of the rows add."""
    sums = np.zeros(centroids.shape, np.float64)
    sizes = np.zeros(len(centroids), np.int64)
    inertias = []
    for one in parts:
        sums += one.sums
        sizes += one.sizes
        inertias.append(one.inertia)
    means = sums / np.maximum(sizes, 1)[:, None]
    result = np.where(sizes[:, None] > 0, means, centroids)
    return result.astype(np.float32), sizes, math.fsum(inertias)


def sums_of(rows: Half, centroids: Floats) -> Sums:
    """The sums of these rows, float16[n, dim], by their nearest centroid, float32[k, dim]."""
    from scipy.sparse import csr_array

    k = len(centroids)
    sums = np.zeros(centroids.shape, np.float64)
    sizes = np.zeros(k, np.int64)
    inertia = 0.0
    for block, labels, square in _compared(rows, centroids):
        count = len(labels)
        member = (np.ones(count), (labels, np.arange(count)))
        # In float64, as the ones are.
        sums += csr_array(member, shape=(k, count)) @ block
        sizes += np.bincount(labels, minlength=k)
        inertia += float(square.sum(dtype=np.float64))
    return Sums(sums, sizes, inertia)


def nearest_of(rows: Half, centroids: Floats) -> Nearest:
    """Index of the nearest centroid of each of these rows, int64[n], and the distance to it, float32[n]."""
    compared = _compared(rows, centroids)
    return joined((labels, np.sqrt(square)) for _, labels, square in compared)


def joined(blocks: Iterable[Nearest]) -> Nearest:
    """The labels and distances of block after block as those of all rows; there may be none."""
    labels = [np.empty(0, np.int64)]
    distances = [np.empty(0, np.float32)]
    for of_block, far in blocks:
        labels.append(of_block)
        distances.append(far)
    return np.concatenate(labels), np.concatenate(distances)


def _compared(
    rows: Half, centroids: Floats
) -> Iterator[tuple[Floats, Indices, Floats]]:
    """Blocks of these rows as float32, the nearest centroid of each, and the squared distance to it."""
    half = np.square(centroids).sum(axis=1) / 2
    padded = np.zeros((SHAPE, rows.shape[1]), np.float32)
    for at in range(0, len(rows), SHAPE):
        some = rows[at : at + SHAPE]
        padded[: len(some)] = some
        block = padded[: len(some)]
        # |x - c|² = |x|² - 2 (x·c - |c|²/2): the largest score is the nearest centroid.
        scores = (padded @ centroids.T)[: len(some)] - half
        labels = scores.argmax(axis=1)
        best = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
        square = np.einsum("ij,ij->i", block, block) - 2 * best
        yield block, labels, np.maximum(0, square)
