"""Which embeddings repeat another to the byte, and which row of a group stands for it. Used by `twigma dedupe`.

The search is exact and reads the rows in blocks; it gives a group label per row, and rows of one group repeat one
another. `near.py` does the same for embeddings that are nearly equal.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.vectors import Half, Indices, Vectors

HASH_SEED = 0x7716_3A  # of the multipliers; the result does not depend on it, every match is checked byte by byte
HEAD = 64  # numbers of a row that are looked at first: rows that are not copies differ there already
CHECK = 16_384  # rows compared at once


def earliest(groups: Indices, rank: Indices) -> Indices:
    """For each row the index of the row of its group with the smallest rank."""
    order = np.lexsort((rank, groups))
    _, first, back = np.unique(groups[order], return_index=True, return_inverse=True)
    result = np.empty(len(groups), np.int64)
    result[order] = order[first][back]
    return result


def identical(vectors: Vectors) -> Indices:
    """Group label per row: the index of the first row with the same bytes.

    Rows are hashed by their first numbers; those of equal hash once more, as a whole; those of equal hash then are
    compared. Memory is a hash per row.
    """
    labels = np.arange(len(vectors))
    heads = [_hashes(block[:, :HEAD]) for _, block in vectors.blocks()]
    suspects = _repeated(np.concatenate([np.empty(0, np.uint64), *heads]))
    whole = [
        _hashes(vectors.take(suspects[at : at + CHECK]))
        for at in range(0, len(suspects), CHECK)
    ]
    _, first, group = np.unique(
        np.concatenate([heads[0][:0], *whole]) if heads else suspects, True, True
    )
    labels[suspects] = suspects[first[group]]
    copies = suspects[labels[suspects] != suspects]
    differ = np.concatenate(
        [np.empty(0, np.int64), *_differing(vectors, copies, labels)]
    )
    return _split(vectors, labels, np.unique(labels[differ])) if len(differ) else labels


def _hashes(rows: Half) -> npt.NDArray[np.uint64]:
    """One 64-bit hash per row: a sum of its 64-bit words by random odd multipliers."""
    words = rows.shape[1] * 2 // 8
    multipliers = np.random.default_rng(HASH_SEED).integers(
        0, 2**64, words + 1, np.uint64
    ) | np.uint64(1)
    hashes: npt.NDArray[np.uint64] = (
        np.ascontiguousarray(rows[:, : words * 4]).view(np.uint64) @ multipliers[:words]
    )
    for column in rows[:, words * 4 :].T:  # a length that is no multiple of four
        hashes = (hashes + column.view(np.uint16)) * multipliers[words]
    return hashes


def _repeated(hashes: npt.NDArray[np.uint64]) -> Indices:
    """Rows whose hash another row has too, in order."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    follows = np.flatnonzero(ordered[1:] == ordered[:-1])
    found = np.zeros(len(hashes), bool)
    found[order[follows]] = found[order[follows + 1]] = True
    return np.flatnonzero(found)


def _differing(
    vectors: Vectors, suspects: Indices, labels: Indices
) -> Iterator[Indices]:
    """Rows that share the hash of their label's row but not its bytes."""
    for at in range(0, len(suspects), CHECK):
        rows = suspects[at : at + CHECK]
        one, other = (
            vectors.take(indices).view(np.uint16) for indices in (rows, labels[rows])
        )
        yield rows[(one != other).any(axis=1)]


def _split(vectors: Vectors, labels: Indices, damaged: Indices) -> Indices:
    """Label again, by the bytes themselves, the groups in which a hash collided."""
    seen: dict[bytes, int] = {}
    for row in np.flatnonzero(np.isin(labels, damaged)):
        labels[row] = seen.setdefault(vectors.take(np.array([row])).tobytes(), int(row))
    return labels
