"""Which embeddings nearly repeat an earlier one that stays: their cosine reaches a threshold. Used by `twigma dedupe`.

An image repeats the first of the images that stay to which it is near; one that is near none of them stays. Chains do
not count: neighbours in a chain are near each other, its ends need not be. The chains are computed first all the same,
since images of two chains need not be compared.

Exact, without comparing every pair. Two unit rows of cosine t or more lie within r = sqrt(2 - 2 t) of each other, so
they differ by at most r along any direction (Cauchy-Schwarz). The rows are split in two, again and again, along the
leading principal direction in which they spread most; then rows of different sides can be a pair only where both lie
within r of the cut. What is left, small sets, is compared by the distance of the leading coordinates and of the lengths
of the rest, which is at most the whole distance; a pair still within r is computed in full. So no pair is missed: what
is dropped has a bound above r, with a margin for rounding.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Indices, Vectors
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar

REVISION = 2  # raise it when the same rows and threshold give other repeats
DIRECTIONS = 64  # leading coordinates of the bound
SAMPLE = 20_000  # rows from which the directions are computed
LEAF = 1_024  # rows on either side that are compared all with all
NARROW = 0.6  # sets that spread by less than this part of r in every direction are no longer split
PROBE = 512  # rows from which the spread is estimated
CHECK = 16_384  # pairs computed in full at once
PENDING = 500_000  # candidates collected before they are computed
FIRST = 512  # rows of a chain from which those that stay are chosen before the others are compared with them
SLACK = 1e-5  # float32 rounding of a squared distance, some ten times over

Floats = npt.NDArray[np.float32]
Pairs = tuple[Indices, Indices]  # int64[n] each: left and right of n pairs


def near_repeats(
    vectors: Vectors, rows: Indices, rank: Indices, threshold: float
) -> tuple[Indices, Floats]:
    """Which rows nearly repeat an earlier one that stays, and how nearly.

    Parameters
    ----------
    rows : int64[n], rows of `vectors`.
    rank : int64[n], without ties: rows are taken by rising rank, and the first of each group stays.
    threshold : cosine, above 0 and at most 1 (ValueError otherwise).

    Returns
    -------
    int64[n]: for each row the place in `rows` of the row that it repeats; its own where it stays.
    float32[n]: the cosine of the two; NaN where the row stays.
    """
    repeated = _Repeats(vectors, rows, threshold)
    groups = near_groups(vectors, rows, threshold)
    order = np.lexsort((rank, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    # Most rows are near no other: they need no array of their own.
    for chain in np.flatnonzero(sizes > 1):
        start = starts[chain]
        repeated.mark(order[start : start + sizes[chain]])
    return repeated.original, repeated.cosine


class _Repeats:
    """The row that each row repeats, itself where it stays, and their cosine: filled chain by chain."""

    def __init__(self, vectors: Vectors, rows: Indices, threshold: float) -> None:
        self.original = np.arange(len(rows))
        self.cosine = np.full(len(rows), np.nan, np.float32)
        self._vectors = vectors
        self._rows = rows
        self._threshold = threshold

    def mark(self, chain: Indices) -> None:
        """Mark the repeats among these places, int64[m], in the order in which they may stay."""
        rest = chain
        while len(rest):
            first, rest = rest[:FIRST], rest[FIRST:]
            unit = _unit(self._vectors, self._rows[first])
            stays = self._choose(first, unit)
            rest = self._compare(rest, first[stays], unit[stays])

    def _choose(self, first: Indices, unit: Floats) -> list[int]:
        """Which of these places stay, as far as they are near none before them; the others are marked."""
        products = unit @ unit.T
        stays: list[int] = []
        for place in range(len(first)):
            cosines = products[place, stays]
            near = np.flatnonzero(cosines >= self._threshold)
            if len(near):
                self.original[first[place]] = first[stays[near[0]]]
                self.cosine[first[place]] = cosines[near[0]]
            else:
                stays.append(place)
        return stays

    def _compare(self, rest: Indices, kept: Indices, unit: Floats) -> Indices:
        """Mark those of `rest` that are near one of the `kept`; returns the others."""
        others = [rest[:0]]
        for at in range(0, len(rest), CHECK):
            places = rest[at : at + CHECK]
            products = _unit(self._vectors, self._rows[places]) @ unit.T
            near = products >= self._threshold
            is_repeat = near.any(axis=1)
            chosen = near.argmax(axis=1)[is_repeat]
            repeats = places[is_repeat]
            self.original[repeats] = kept[chosen]
            self.cosine[repeats] = products[is_repeat, chosen]
            others.append(places[~is_repeat])
        return np.concatenate(others)


def near_groups(vectors: Vectors, rows: Indices, threshold: float) -> Indices:
    """Connected components of the pairs of rows with cosine >= `threshold`.

    Parameters
    ----------
    rows : int64[n], rows of `vectors`.
    threshold : cosine, above 0 and at most 1 (ValueError otherwise).

    Returns
    -------
    int64[n]: for each row the place in `rows` of the first row of its group.
    """
    if not 0 < threshold <= 1:
        raise ValueError(
            f"expected a cosine above 0 and at most 1 as the near-duplicate threshold, found {threshold}"
        )
    groups = Groups(len(rows))
    pending = list[Pairs]()
    pairs = 0
    for left, right in candidates(vectors, rows, threshold):
        pending.append((left, right))
        pairs += len(left)
        if pairs > PENDING:
            _join_near(groups, vectors, rows, pending, threshold)
            pending, pairs = [], 0
    _join_near(groups, vectors, rows, pending, threshold)
    return groups.of(np.arange(len(rows)))


class Groups:
    """A group per item, joined pair by pair: each item points towards the first of its group."""

    def __init__(self, count: int):
        """`count` items, each a group of its own."""
        self.to = np.arange(count, dtype=np.int64)

    def of(self, items: Indices) -> Indices:
        """int64[n]: the first item of the group of each of these items, int64[n]."""
        first = self.to[items]
        while True:
            further = self.to[first]
            if np.array_equal(further, first):
                return first
            first = further

    def join(self, left: Indices, right: Indices) -> None:
        """Merge the groups of each pair of items, int64[n] and int64[n]."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        # A graph of the groups that occur, with an edge a pair; its components are the new groups.
        both = np.concatenate([self.of(left), self.of(right)])
        firsts, nodes = np.unique(both, return_inverse=True)
        edges = np.split(nodes, 2)
        weights = np.ones(len(left), bool)
        size = len(firsts)
        graph = coo_array((weights, edges), shape=(size, size))
        _, component = connected_components(graph, directed=False)
        _, first_of = np.unique(component, return_index=True)
        self.to[firsts] = firsts[first_of[component]]


def _join_near(
    groups: Groups,
    vectors: Vectors,
    rows: Indices,
    pairs: list[Pairs],
    threshold: float,
) -> None:
    """Compute the cosine of these pairs of places in `rows` in full, and join those that reach the threshold."""
    if not pairs:
        return
    left = np.concatenate([one for one, _ in pairs])
    right = np.concatenate([other for _, other in pairs])
    while len(left):
        # In a large group most pairs are joined already, by others before them: those are skipped.
        apart = groups.of(left) != groups.of(right)
        left, right = left[apart], right[apart]
        one, other = left[:CHECK], right[:CHECK]
        cosine = np.einsum(
            "ij,ij->i",
            _unit(vectors, rows[one]),
            _unit(vectors, rows[other]),
        )
        near = cosine >= threshold
        groups.join(one[near], other[near])
        left, right = left[CHECK:], right[CHECK:]


def _unit(vectors: Vectors, rows: Indices) -> Floats:
    return unit_rows(vectors.take(rows))


# ------------------------------------------------------------------ candidates


def candidates(vectors: Vectors, rows: Indices, threshold: float) -> Iterator[Pairs]:
    """Pairs of rows that can have a cosine of at least the threshold: all of them, and few others.

    `rows` int64[n] are rows of `vectors`. Yields (left, right), each int64[m], places in `rows` with left < right; a
    pair may come twice.
    """
    x = _coordinates(vectors, rows)
    reach = 2 - 2 * threshold + SLACK  # squared
    coordinates = x[:, :-2]
    swapped = [*range(coordinates.shape[1]), -1, -2]
    progress = progress_bar(total=len(rows), desc="near duplicates", unit="image")
    with progress:
        for a, b in _small_sets(coordinates, float(np.sqrt(reach))):
            products = x[a][:, swapped] @ x[b].T
            near = np.flatnonzero(products >= -reach / 2)
            left, right = a[near // len(b)], b[near % len(b)]
            if a is b:  # each pair occurs in both orders
                ascending = left < right
                left, right = left[ascending], right[ascending]
                progress.update(len(a))
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
        rest = block - leading @ directions.T
        bounded = np.column_stack([leading, np.linalg.norm(rest, axis=1)])
        half_square = np.square(bounded).sum(axis=1) / 2
        result[at : at + CHECK, :-1] = np.column_stack([bounded, -half_square])
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
