"""Which embeddings nearly repeat an earlier one that stays: their cosine reaches a threshold. Used by `twigma dedupe`.

An image repeats the first of the images that stay to which it is near; one that is near none of them stays. Chains do
not count: neighbours in a chain are near each other, its ends need not be. The chains are computed first all the same,
since images of two chains need not be compared.

Exact, without comparing every pair: `near_candidates.py` finds the pairs that can be near, and they are computed in
full here.
"""

import numpy as np

from twigma.builder.duplicates.near_candidates import candidates, unit_of
from twigma.builder.duplicates.near_sets import Floats, Pairs
from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Indices, Vectors

REVISION = 2  # raise it when the same rows and threshold give other repeats
CHECK = 16_384  # pairs computed in full at once
PENDING = 500_000  # candidates collected before they are computed
FIRST = 512  # rows of a chain from which those that stay are chosen before the others are compared with them


def near_repeats(
    vectors: Vectors,
    rows: Indices,
    rank: Indices,
    threshold: float,
    *,
    blocks: RowBlocks | None = None,
) -> tuple[Indices, Floats]:
    """Which rows nearly repeat an earlier one that stays, and how nearly.

    Parameters
    ----------
    rows : int64[n], rows of `vectors`.
    rank : int64[n], without ties: rows are taken by rising rank, and the first of each group stays.
    threshold : cosine, above 0 and at most 1 (ValueError otherwise).
    blocks : of `vectors`, where candidates are searched for: in this process by default.

    Returns
    -------
    int64[n]: for each row the place in `rows` of the row that it repeats; its own where it stays.
    float32[n]: the cosine of the two; NaN where the row stays.
    """
    repeated = _Repeats(vectors, rows, threshold)
    groups = near_groups(vectors, rows, threshold, blocks=blocks)
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
            unit = unit_of(self._vectors, self._rows[first])
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
            products = unit_of(self._vectors, self._rows[places]) @ unit.T
            near = products >= self._threshold
            is_repeat = near.any(axis=1)
            chosen = near.argmax(axis=1)[is_repeat]
            repeats = places[is_repeat]
            self.original[repeats] = kept[chosen]
            self.cosine[repeats] = products[is_repeat, chosen]
            others.append(places[~is_repeat])
        return np.concatenate(others)


def near_groups(
    vectors: Vectors,
    rows: Indices,
    threshold: float,
    *,
    blocks: RowBlocks | None = None,
) -> Indices:
    """Connected components of the pairs of rows with cosine >= `threshold`.

    Parameters
    ----------
    rows : int64[n], rows of `vectors`.
    threshold : cosine, above 0 and at most 1 (ValueError otherwise).
    blocks : of `vectors`, where candidates are searched for: in this process by default.

    Returns
    -------
    int64[n]: for each row the place in `rows` of the first row of its group.
    """
    if not 0 < threshold <= 1:
        raise ValueError(
            f"expected a cosine above 0 and at most 1 as the near-duplicate threshold, found {threshold}"
        )
    if blocks is None:
        blocks = RowBlocks(vectors)
    groups = Groups(len(rows))
    pending = list[Pairs]()
    pairs = 0
    for left, right in candidates(blocks, rows, threshold):
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
            unit_of(vectors, rows[one]),
            unit_of(vectors, rows[other]),
        )
        near = cosine >= threshold
        groups.join(one[near], other[near])
        left, right = left[CHECK:], right[CHECK:]
