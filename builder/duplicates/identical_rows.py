"""Which embeddings repeat another to the byte, and which row of a group is the original. Used by `twigma dedupe`.

The search is exact and reads the rows in blocks; it returns a group label per row, and rows of one group repeat one
another. `near_duplicates.py` does the same for embeddings that are nearly equal.
"""

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Half, Indices, Vectors

HASH_SEED = 0x7716_3A  # of the multipliers; the result does not depend on it, every match is checked byte by byte
HEAD = 64  # numbers of a row that are hashed first: rows that are not copies differ there already
CHECK = 16_384  # rows compared at once

Hashes = npt.NDArray[np.uint64]


def earliest(groups: Indices, rank: Indices) -> Indices:
    """For each row the index of the row of its group with the smallest rank.

    `groups` int64[n] are labels, `rank` int64[n] is without ties; int64[n].
    """
    order = np.lexsort((rank, groups))
    # Sorted by group, then rank: the first row of each group is its earliest.
    _, first, back = np.unique(groups[order], return_index=True, return_inverse=True)
    result = np.empty(len(groups), np.int64)
    result[order] = order[first][back]
    return result


def identical(vectors: Vectors) -> Indices:
    """Group label per row, int64[n]: the index of the first row with the same bytes.

    Rows are hashed by their first numbers; those of equal hash once more, in full; those of equal hash then are
    compared. Memory is a hash per row.
    """
    labels = np.arange(len(vectors))
    if not len(vectors):
        return labels
    heads = [_hashes(block[:, :HEAD]) for _, block in vectors.blocks()]
    suspects = _repeated(np.concatenate(heads))
    if not len(suspects):
        return labels
    starts = range(0, len(suspects), CHECK)
    hashes = [_hashes(vectors.take(suspects[at : at + CHECK])) for at in starts]
    _, first, group = np.unique(
        np.concatenate(hashes), return_index=True, return_inverse=True
    )
    labels[suspects] = suspects[first[group]]
    collided = _collisions(vectors, labels, suspects)
    if len(collided):
        _label_by_bytes(vectors, labels, np.unique(labels[collided]))
    return labels


def _hashes(rows: Half) -> Hashes:
    """One 64-bit hash per row, uint64[n]: a sum of its 64-bit words by random odd multipliers."""
    words = rows.shape[1] // 4  # four float16 a word
    rng = np.random.default_rng(HASH_SEED)
    multipliers = rng.integers(0, 2**64, words + 1, np.uint64)
    multipliers |= np.uint64(1)  # odd, so that no bit of a word is lost
    as_words = np.ascontiguousarray(rows[:, : words * 4]).view(np.uint64)
    hashes: Hashes = as_words @ multipliers[:words]
    for column in rows[:, words * 4 :].T:  # a length that is no multiple of four
        hashes = (hashes + column.view(np.uint16)) * multipliers[words]
    return hashes


def _repeated(hashes: Hashes) -> Indices:
    """Rows whose hash another row has too, in order."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    follows = np.flatnonzero(ordered[1:] == ordered[:-1])
    repeated = np.zeros(len(hashes), bool)
    repeated[order[follows]] = True
    repeated[order[follows + 1]] = True
    return np.flatnonzero(repeated)


def _collisions(vectors: Vectors, labels: Indices, suspects: Indices) -> Indices:
    """Rows that share the hash of their label's row but not its bytes."""
    copies = suspects[labels[suspects] != suspects]
    collided = [np.empty(0, np.int64)]
    for at in range(0, len(copies), CHECK):
        rows = copies[at : at + CHECK]
        # As integers: NaN differs from itself, and zero equals minus zero.
        ours = vectors.take(rows).view(np.uint16)
        theirs = vectors.take(labels[rows]).view(np.uint16)
        differ = (ours != theirs).any(axis=1)
        collided.append(rows[differ])
    return np.concatenate(collided)


def _label_by_bytes(vectors: Vectors, labels: Indices, collided: Indices) -> None:
    """Label again, by the bytes themselves, the groups in which a hash collided."""
    first_with: dict[bytes, int] = {}
    for row in np.flatnonzero(np.isin(labels, collided)):
        data = vectors.take(np.array([row])).tobytes()
        labels[row] = first_with.setdefault(data, int(row))
