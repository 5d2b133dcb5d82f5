"""Pairs of rows that can have a cosine of at least a threshold: all of them, and few others. Used by `twigma dedupe`.

Two unit rows of cosine t or more lie within r = sqrt(2 - 2 t) of each other, so they differ by at most r along any
direction (Cauchy-Schwarz). The rows are split in two, again and again, along the leading principal direction in which
they spread most; then rows of different sides can be a pair only where both lie within r of the cut. What is left,
small sets, is compared by the distance of the leading coordinates and of the lengths of the rest, which is at most the
whole distance; a pair still within r is a candidate. So no pair is missed: what is dropped has a bound above r, with a
margin for rounding.

The sets are compared by a thread a core. Where rows crowd, so that no direction parts them, the work grows faster than
their number (`benchmarks/builder/columns_scale.py` measures it).
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Indices, Vectors
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar

DIRECTIONS = 64  # leading coordinates of the bound
SAMPLE = 20_000  # rows from which the directions are computed
LEAF = 1_024  # rows on either side that are compared all with all
NARROW = 0.6  # sets that spread by less than this part of r in every direction are no longer split
PROBE = 512  # rows from which the spread is estimated
BLOCK = 4_096  # rows of which the coordinates are computed at once
SLACK = 1e-5  # float32 rounding of a squared distance, some ten times over

Floats = npt.NDArray[np.float32]
Pairs = tuple[Indices, Indices]  # int64[n] each: left and right of n pairs
T = TypeVar("T")
R = TypeVar("R")


def unit_of(vectors: Vectors, rows: Indices) -> Floats:
    """These rows, int64[n], as float32[n, dim] of norm 1."""
    return unit_rows(vectors.take(rows))


def candidates(vectors: Vectors, rows: Indices, threshold: float) -> Iterator[Pairs]:
    """Pairs of rows that can have a cosine of at least the threshold: all of them, and few others.

    `rows` int64[n] are rows of `vectors`. Yields (left, right), each int64[m], places in `rows` with left < right; a
    pair may come twice.
    """
    x = _coordinates(vectors, rows)
    reach = 2 - 2 * threshold + SLACK  # squared
    coordinates = x[:, :-2]
    swapped = [*range(coordinates.shape[1]), -1, -2]

    def compare(sets: Pairs) -> tuple[int, Pairs]:
        """How many rows these sets are done with, and their pairs within reach."""
        a, b = sets
        products = x[a][:, swapped] @ x[b].T
        near = np.flatnonzero(products >= -reach / 2)
        left, right = a[near // len(b)], b[near % len(b)]
        done = 0
        if a is b:  # each pair occurs in both orders
            ascending = left < right
            left, right = left[ascending], right[ascending]
            done = len(a)
        return done, (np.minimum(left, right), np.maximum(left, right))

    sets = _small_sets(coordinates, float(np.sqrt(reach)))
    progress = progress_bar(total=len(rows), desc="near duplicates", unit="image")
    with progress:
        for done, pairs in _in_threads(compare, sets):
            progress.update(done)
            yield pairs


def _in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The function of each item, in order, computed by a thread a core."""
    from threadpoolctl import threadpool_limits

    workers = os.cpu_count() or 1
    waiting: deque[Future[R]] = deque()
    # The products are small: several at a time are faster than each by several threads.
    with ThreadPoolExecutor(workers) as pool, threadpool_limits(1, user_api="blas"):
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _coordinates(vectors: Vectors, rows: Indices) -> Floats:
    """float32[n, m + 3]: leading coordinates and the length of the rest, minus half their square, and 1.

    The first m + 1 are no farther apart than the unit rows. The product of two rows, the last two numbers of one of
    them swapped, is minus half the square of that distance.
    """
    sample = unit_of(vectors, rows[:: max(1, len(rows) // SAMPLE)])
    mean = sample.mean(axis=0)
    sample -= mean
    directions = np.linalg.eigh(sample.T @ sample)[1][:, -DIRECTIONS:]
    result = np.ones((len(rows), directions.shape[1] + 3), np.float32)

    def fill(at: int) -> None:
        block = unit_of(vectors, rows[at : at + BLOCK]) - mean
        leading = block @ directions
        rest = block - leading @ directions.T
        bounded = np.column_stack([leading, np.linalg.norm(rest, axis=1)])
        half_square = np.square(bounded).sum(axis=1) / 2
        result[at : at + BLOCK, :-1] = np.column_stack([bounded, -half_square])

    for _ in _in_threads(fill, range(0, len(rows), BLOCK)):
        pass
    return result


def _small_sets(x: Floats, reach: float) -> Iterator[Pairs]:
    """Sets of rows to compare with one another, or with themselves (twice the same array): every pair within reach."""
    every = np.arange(len(x))
    todo = [(every, every)]
    while todo:
        a, b = todo.pop()
        if len(a) * len(b) <= LEAF**2:
            if len(a) and len(b):
                yield a, b
            continue
        larger = a if len(a) >= len(b) else b
        axis, cut, spread = _widest(x, larger)
        if spread > NARROW * reach:
            todo += _cut(x[:, axis], cut, a, b, reach)
        else:
            todo += _halves(a, b)


def _widest(x: Floats, rows: Indices) -> tuple[int, np.float32, float]:
    """The axis along which these rows spread most, their mean there, and their standard deviation."""
    some = x[rows[:: max(1, len(rows) // PROBE)]]
    deviation = some.std(axis=0)
    axis = int(deviation.argmax())
    return axis, some[:, axis].mean(), float(deviation[axis])


def _cut(
    heights: Floats, cut: np.float32, a: Indices, b: Indices, reach: float
) -> list[Pairs]:
    """The two sides of a cut at this height, and across it the rows within reach of it."""
    low_a, high_a, under_a, over_a = _sides(heights[a] - cut, a, reach)
    if a is b:
        return [(low_a, low_a), (high_a, high_a), (under_a, over_a)]
    low_b, high_b, under_b, over_b = _sides(heights[b] - cut, b, reach)
    return [(low_a, low_b), (high_a, high_b), (under_a, over_b), (over_a, under_b)]


def _sides(
    height: Floats, rows: Indices, reach: float
) -> tuple[Indices, Indices, Indices, Indices]:
    """Rows below the cut and above it, and of each side those within reach of it."""
    is_low = height < 0
    is_close = np.abs(height) <= reach
    low, high = rows[is_low], rows[~is_low]
    return low, high, rows[is_low & is_close], rows[~is_low & is_close]


def _halves(a: Indices, b: Indices) -> list[Pairs]:
    """The larger set in two, for rows too close for a cut to part them."""
    if a is b:
        one, two = np.array_split(a, 2)
        return [(one, one), (two, two), (one, two)]
    if len(a) < len(b):
        a, b = b, a
    return [(half, b) for half in np.array_split(a, 2)]
