"""Which embeddings nearly repeat one another: groups of rows whose cosine reaches a threshold. Used by `twigma dedupe`.

Exact, without comparing every pair. Two unit rows of cosine t or more lie within r = sqrt(2 - 2 t) of each other, so
they differ by at most r along any direction (Cauchy-Schwarz). The rows are split in two, again and again, along the
leading principal direction in which they spread most; then rows of different sides can be a pair only where both lie
within r of the cut. What is left, small sets, is compared by the distance of the leading coordinates and of the lengths
of the rest, which is at most the whole distance; a pair still within r is computed in full. So no pair is missed: what
is dropped has a bound above r, with a margin for rounding.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Indices, Vectors
from twigma.core.progress import progress_bar

DIRECTIONS = 64  # leading coordinates of the bound
SAMPLE = 20_000  # rows the directions are found from
LEAF = 1_024  # rows on either side that are compared all with all
NARROW = 0.6  # sets that spread by less than this part of r in every direction are no longer split
PROBE = 512  # rows from which the spread is told
CHECK = 16_384  # pairs computed in full at once
HELD = 500_000  # pairs held before they are computed
SLACK = 1e-5  # float32 rounding of a squared distance, some ten times over

Floats = npt.NDArray[np.float32]
Pairs = tuple[Indices, Indices]


def near_groups(vectors: Vectors, rows: Indices, threshold: float) -> Indices:
    """Group label per row of `rows`: connected components of the pairs with cosine >= `threshold`."""
    if not 0 < threshold <= 1:
        raise ValueError(
            f"expected a cosine above 0 and at most 1 as the near-duplicate threshold, found {threshold}"
        )
    groups = Groups(len(rows))
    left, right = list[Indices](), list[Indices]()
    for one, other in candidates(vectors, rows, threshold):
        left.append(one)
        right.append(other)
        if sum(map(len, left)) > HELD:
            _settle(
                groups,
                left,
                right,
                lambda places: _unit(vectors, rows[places]),
                threshold,
            )
    _settle(groups, left, right, lambda places: _unit(vectors, rows[places]), threshold)
    return groups.of(np.arange(len(rows)))


class Groups:
    """A group per item, joined pair by pair: each item points towards the first of its group."""

    def __init__(self, count: int):
        self.to = np.arange(count, dtype=np.int64)

    def of(self, items: Indices) -> Indices:
        """The first item of the group of each of these."""
        found = self.to[items]
        while not np.array_equal(further := self.to[found], found):
            found = further
        return found

    def join(self, left: Indices, right: Indices) -> None:
        """Make one group of the groups of each pair."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        firsts, places = np.unique(
            np.concatenate([self.of(left), self.of(right)]), return_inverse=True
        )
        one, other = np.split(places, 2)
        graph = coo_array(
            (np.ones(len(one), bool), (one, other)), shape=(len(firsts), len(firsts))
        )
        parts = connected_components(graph, directed=False)[1]
        _, first = np.unique(parts, return_index=True)
        self.to[firsts] = firsts[first[parts]]


def _settle(
    groups: Groups,
    left: list[Indices],
    right: list[Indices],
    unit: Callable[[Indices], Floats],
    threshold: float,
) -> None:
    """Compute the pairs held in full, join those that reach the threshold, and hold none. Joined ones are skipped."""
    one, other = (
        np.concatenate([np.empty(0, np.int64), *side]) for side in (left, right)
    )
    left.clear()
    right.clear()
    while len(one):
        apart = groups.of(one) != groups.of(other)
        one, other = one[apart], other[apart]
        exact = np.einsum("ij,ij->i", unit(one[:CHECK]), unit(other[:CHECK]))
        groups.join(one[:CHECK][exact >= threshold], other[:CHECK][exact >= threshold])
        one, other = one[CHECK:], other[CHECK:]


def _unit(vectors: Vectors, rows: Indices) -> Floats:
    x: Floats = vectors.take(rows).astype(np.float32)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return x


# ------------------------------------------------------------------ candidates


def candidates(vectors: Vectors, rows: Indices, threshold: float) -> Iterator[Pairs]:
    """Pairs left < right of places in `rows`: all that can have a cosine of at least the threshold, and few others."""
    x = _coordinates(vectors, rows)
    reach = 2 - 2 * threshold + SLACK  # squared
    swapped = [*range(x.shape[1] - 2), -1, -2]
    with progress_bar(total=len(rows), desc="near duplicates", unit="image") as bar:
        for a, b in _small_sets(x[:, :-2], float(np.sqrt(reach))):
            near = np.flatnonzero(x[a][:, swapped] @ x[b].T >= -reach / 2)
            left, right = a[near // len(b)], b[near % len(b)]
            if a is b:
                left, right = left[left < right], right[left < right]
                bar.update(len(a))
            yield np.minimum(left, right), np.maximum(left, right)


def _coordinates(vectors: Vectors, rows: Indices) -> Floats:
    """float32[n, m + 3]: leading coordinates and the length of the rest, minus half their square, and 1.

    The first m + 1 are no farther apart than the unit rows. The product of two rows, the last two numbers of one of
    them swapped, is minus half the square of that distance.
    """
    sample = _unit(vectors, rows[:: max(1, len(rows) // SAMPLE)])
    mean = sample.mean(axis=0)
    sample -= mean
    directions = np.linalg.eigh(sample.T @ sample)[1][:, -DIRECTIONS:]
    result = np.ones((len(rows), directions.shape[1] + 3), np.float32)
    for at in range(0, len(rows), CHECK):
        block = _unit(vectors, rows[at : at + CHECK]) - mean
        leading = block @ directions
        block -= leading @ directions.T
        near = np.column_stack([leading, np.linalg.norm(block, axis=1)])
        result[at : at + CHECK, :-1] = np.column_stack(
            [near, -np.square(near).sum(axis=1) / 2]
        )
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
        axis, cut, spread = _widest(x, a if len(a) >= len(b) else b)
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
    """The two sides of a cut, and across it the rows within reach of it."""
    low_a, high_a, under_a, over_a = _sides(heights[a] - cut, a, reach)
    if a is b:
        return [(low_a, low_a), (high_a, high_a), (under_a, over_a)]
    low_b, high_b, under_b, over_b = _sides(heights[b] - cut, b, reach)
    return [(low_a, low_b), (high_a, high_b), (under_a, over_b), (over_a, under_b)]


def _sides(
    height: Floats, rows: Indices, reach: float
) -> tuple[Indices, Indices, Indices, Indices]:
    low, close = height < 0, np.abs(height) <= reach
    return rows[low], rows[~low], rows[low & close], rows[~low & close]


def _halves(a: Indices, b: Indices) -> list[Pairs]:
    """The larger set in two, for rows too close for a cut to part them."""
    if a is b:
        one, two = np.array_split(a, 2)
        return [(one, one), (two, two), (one, two)]
    if len(a) < len(b):
        a, b = b, a
    return [(half, b) for half in np.array_split(a, 2)]
