"""Which embeddings repeat one another: equal bytes, or a cosine above a threshold. Used by `twigma dedupe`.

Both searches are exact, read the rows in blocks, and give a group label per row: rows of one group repeat one
another. `earliest` picks the row of each group that stands for it.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from twigma.builder.vectors import Indices, Vectors

HASH_SEED = 0x7716_3A  # of the multipliers; the result does not depend on it, every match is checked byte by byte
DIRECTIONS = 64  # principal directions of the bound that spares most full products
SAMPLE = 20_000  # rows the directions are found from
TILE = (1024, 8192)
CHECK = 16_384  # pairs checked at once by their full product
EDGES = 4_000_000  # pairs held before they are merged into groups
SLACK = 1e-5  # float32 rounding of the bound

Floats = npt.NDArray[np.float32]


def earliest(groups: Indices, rank: Indices) -> Indices:
    """For each row the index of the row of its group with the smallest rank."""
    order = np.lexsort((rank, groups))
    _, first, back = np.unique(groups[order], return_index=True, return_inverse=True)
    result = np.empty(len(groups), np.int64)
    result[order] = order[first][back]
    return result


# ------------------------------------------------------------------ identical bytes


def identical(vectors: Vectors) -> Indices:
    """Group label per row: the index of the first row with the same bytes.

    Row hashes are sorted and only rows of equal hash compared, so time is one pass over the data and memory a
    hash per row.
    """
    hashes = _row_hashes(vectors)
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    opens = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(order) else np.empty(0, bool)
    labels = np.empty(len(order), np.int64)
    labels[order] = order[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    suspects = np.flatnonzero(labels != np.arange(len(labels)))
    differ = np.concatenate([np.empty(0, np.int64), *_differing(vectors, suspects, labels)])
    return _split(vectors, labels, np.unique(labels[differ])) if len(differ) else labels


def _row_hashes(vectors: Vectors) -> npt.NDArray[np.uint64]:
    """One 64-bit hash per row: a sum of its 64-bit words by random odd multipliers."""
    hashes = np.empty(len(vectors), np.uint64)
    words = vectors.dim * 2 // 8
    multipliers = np.random.default_rng(HASH_SEED).integers(0, 2**64, words + 1, np.uint64) | np.uint64(1)
    for start, block in vectors.blocks():
        head = block[:, : words * 4]
        value = np.ascontiguousarray(head).view(np.uint64) @ multipliers[:words]
        for column in block[:, words * 4 :].T:  # a length that is no multiple of four
            value = (value + column.view(np.uint16)) * multipliers[words]
        hashes[start : start + len(block)] = value
    return hashes


def _differing(vectors: Vectors, suspects: Indices, labels: Indices) -> Iterator[Indices]:
    """Rows that share the hash of their label's row but not its bytes."""
    for at in range(0, len(suspects), CHECK):
        rows = suspects[at : at + CHECK]
        one, other = (vectors.take(indices).view(np.uint16) for indices in (rows, labels[rows]))
        yield rows[(one != other).any(axis=1)]


def _split(vectors: Vectors, labels: Indices, damaged: Indices) -> Indices:
    """Label again, by the bytes themselves, the groups in which a hash collided."""
    seen: dict[bytes, int] = {}
    for row in np.flatnonzero(np.isin(labels, damaged)):
        labels[row] = seen.setdefault(vectors.take(np.array([row])).tobytes(), int(row))
    return labels


# ------------------------------------------------------------------ nearly identical


def near_groups(vectors: Vectors, rows: Indices, threshold: float) -> Indices:
    """Group label per row of `rows`: connected components of the pairs with cosine >= `threshold`.

    A pair's product is split over the leading principal directions and the rest; the rest is at most the product of
    the two remaining lengths (Cauchy-Schwarz). Only pairs whose bound reaches the threshold are computed in full.
    """
    groups = np.arange(len(rows), dtype=np.int64)
    if not 0 < threshold <= 1:
        raise ValueError(f"expected a cosine above 0 and at most 1 as the near-duplicate threshold, found {threshold}")
    bounds = _bounds(vectors, rows)
    held: list[tuple[Indices, Indices]] = []
    with tqdm(total=len(rows), desc="near duplicates", unit="image", mininterval=0.5) as bar:
        for start in range(0, len(rows), TILE[0]):
            held += _pairs(vectors, rows, bounds, start, threshold)
            if sum(len(left) for left, _ in held) > EDGES:
                groups, held = _merge(groups, held), []
            bar.update(min(TILE[0], len(rows) - start))
    return _merge(groups, held)


def _unit(vectors: Vectors, rows: Indices) -> Floats:
    x: Floats = vectors.take(rows).astype(np.float32)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return x


def _bounds(vectors: Vectors, rows: Indices) -> Floats:
    """float32[n, m + 1] whose products are at least the cosines: leading coordinates, then the remaining length."""
    sample = _unit(vectors, rows[:: max(1, len(rows) // SAMPLE)])
    _, directions = np.linalg.eigh(sample.T @ sample)
    leading = directions[:, -DIRECTIONS:]
    result = np.empty((len(rows), leading.shape[1] + 1), np.float32)
    for at in range(0, len(rows), CHECK):
        coordinates = _unit(vectors, rows[at : at + CHECK]) @ leading
        rest = np.sqrt(np.maximum(0, 1 - np.square(coordinates).sum(axis=1)))
        result[at : at + CHECK] = np.column_stack([coordinates, rest])
    return result


def _pairs(
    vectors: Vectors, rows: Indices, bounds: Floats, start: int, threshold: float
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs (left < right) of `rows` with a cosine of at least the threshold, left in one tile."""
    for other in range(start, len(rows), TILE[1]):
        bound = bounds[start : start + TILE[0]] @ bounds[other : other + TILE[1]].T
        left, right = divmod(np.flatnonzero(bound >= threshold - SLACK), bound.shape[1])
        left, right = left + start, right + other
        ahead = left < right
        left, right = left[ahead], right[ahead]
        for at in range(0, len(left), CHECK):
            one, two = left[at : at + CHECK], right[at : at + CHECK]
            exact = np.einsum("ij,ij->i", _unit(vectors, rows[one]), _unit(vectors, rows[two]))
            yield one[exact >= threshold], two[exact >= threshold]


def _merge(groups: Indices, pairs: list[tuple[Indices, Indices]]) -> Indices:
    """Join the groups that these pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = np.concatenate([groups[:0], *(groups[one] for one, _ in pairs)])
    right = np.concatenate([groups[:0], *(groups[two] for _, two in pairs)])
    n = len(groups)
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(n, n))
    components: Indices = connected_components(graph, directed=False)[1].astype(np.int64)
    return components[groups]
