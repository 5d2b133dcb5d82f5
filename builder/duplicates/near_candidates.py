"""Pairs of rows that can have a cosine of at least a threshold: all of them, and few others. Used by `twigma dedupe`.

Two unit rows of cosine t or more lie within r = sqrt(2 - 2 t) of each other, and so do their leading coordinates and
the lengths of what is left: the distance of these is at most the whole one. The rows are cut into buckets by their
coordinates (`near_sets.py`), and the buckets are compared (`near_pairs.py`), by a thread a core or by the tasks of a
Ray cluster, to which the coordinates of two buckets are sent. No pair is missed: what is dropped has a bound above r,
with a margin for rounding.

Where rows crowd, so that no direction parts them, the work grows faster than their number
(`benchmarks/builder/columns_scale.py` measures it).
"""

from collections.abc import Iterable, Iterator

import numpy as np

from twigma.builder.duplicates.near_pairs import pairs_within
from twigma.builder.duplicates.near_sets import Floats, Pairs, Sets, small_sets
from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Half, Indices, Vectors
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar

DIRECTIONS = 64  # leading coordinates of the bound
SAMPLE = 20_000  # rows from which the directions are computed
BUCKET = 16_384  # rows on either side that are compared by one thread or task: 4 MB of coordinates
BLOCK = 4_096  # rows of which the coordinates are computed at once
SLACK = 1e-5  # float32 rounding of a squared distance, some ten times over


def unit_of(vectors: Vectors, rows: Indices) -> Floats:
    """These rows, int64[n], as float32[n, dim] of norm 1."""
    return unit_rows(vectors.take(rows))


def candidates(blocks: RowBlocks, rows: Indices, threshold: float) -> Iterator[Pairs]:
    """Pairs of rows that can have a cosine of at least the threshold: all of them, and few others.

    `rows` int64[n] are rows of `blocks.vectors`. Yields (left, right), each int64[m], places in `rows` with
    left < right; a pair may come twice.
    """
    x = _coordinates(blocks, rows)
    reach = float(np.sqrt(2 - 2 * threshold + SLACK))

    def load(sets: Sets) -> tuple[Floats, Floats | None, float]:
        one, other = sets
        if one is other:
            return x[one], None, reach
        return x[one], x[other], reach

    buckets = _buckets(x, reach)
    progress = progress_bar(total=len(rows), desc="near duplicates", unit="image")
    with progress:
        while buckets:
            undone: list[Sets] = []
            for (one, other), found in blocks.each(pairs_within, buckets, load):
                left, right = one[found.left], other[found.right]
                yield np.minimum(left, right), np.maximum(left, right)
                undone += _places((one, other), found.undone)
                if one is other:
                    progress.update(len(one))
            buckets = undone


def _buckets(x: Floats, reach: float) -> Iterable[Sets]:
    """Sets of rows to compare, without rows that have no direction: they are near none."""
    usable = np.isfinite(x[:, -1])
    if usable.all():
        return small_sets(x, x, BUCKET, reach)
    rows = np.flatnonzero(usable)
    some = x[rows]
    return _places((rows, rows), small_sets(some, some, BUCKET, reach))


def _places(bucket: Sets, undone: Iterable[Sets]) -> Iterator[Sets]:
    """Sets of rows of two buckets as sets of all rows."""
    one, other = bucket
    for a, b in undone:
        rows = one[a]
        yield rows, rows if a is b else other[b]


def _coordinates(blocks: RowBlocks, rows: Indices) -> Floats:
    """float32[n, m + 1]: leading coordinates and the length of the rest; no farther apart than the unit rows."""
    vectors = blocks.vectors
    sample = unit_of(vectors, rows[:: max(1, len(rows) // SAMPLE)])
    sample = sample[np.isfinite(sample).all(axis=1)]
    mean = sample.mean(axis=0)
    sample -= mean
    directions = np.linalg.eigh(sample.T @ sample)[1][:, -DIRECTIONS:]
    result = np.empty((len(rows), directions.shape[1] + 1), np.float32)

    def load(at: int) -> tuple[Half, Floats, Floats]:
        return vectors.take(rows[at : at + BLOCK]), mean, directions

    starts = range(0, len(rows), BLOCK)
    for at, block in blocks.each(_coordinates_of, starts, load):
        result[at : at + BLOCK] = block
    return result


def _coordinates_of(rows: Half, mean: Floats, directions: Floats) -> Floats:
    """The coordinates of these rows, float16[n, dim]."""
    block = unit_rows(rows) - mean
    leading = block @ directions
    rest = block - leading @ directions.T
    return np.column_stack([leading, np.linalg.norm(rest, axis=1)])
