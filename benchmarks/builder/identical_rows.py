"""Rows of equal bytes: `twigma dedupe`'s search against np.unique and xxh3.

Goal: at least 25 times np.unique(axis=0) and 1.2 times xxh3. Run: `python -m benchmarks.builder.identical_rows`.
"""

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.builder.duplicates.identical_rows import identical
from twigma.builder.engine.vectors import Vectors, as_column

ROWS, DIM = 200_000, 768
COPIES = 0.01

Half = npt.NDArray[np.float16]
Labels = npt.NDArray[np.int64]


def planted(rows: int) -> tuple[Half, Labels]:
    """float16 rows of which one in a hundred copies an earlier one, and the first row equal to each."""
    rng = np.random.default_rng(1)
    x = mixture(rows, DIM).astype(np.float16)
    copies = np.sort(
        rng.choice(np.arange(rows // 2, rows), int(rows * COPIES), replace=False)
    )
    truth = np.arange(rows)
    truth[copies] = rng.choice(rows // 2, len(copies))
    return x[truth], truth


def by_unique(x: Half) -> Labels:
    """Label the rows by np.unique, which sorts them."""
    _, first, back = np.unique(x, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[back.ravel()], np.int64)


def by_xxh3(x: Half) -> Labels:
    """Label the rows by one xxh3 each, unchecked."""
    hashes = np.fromiter(
        (xxhash.xxh3_64_intdigest(row) for row in x), np.uint64, len(x)
    )
    _, first, back = np.unique(hashes, return_index=True, return_inverse=True)
    return np.asarray(first[back], np.int64)


def main() -> None:
    """Print a row for each peer."""
    x, truth = planted(ROWS)
    vectors = Vectors([as_column(x)], pa.nulls(ROWS, pa.string()))
    copies = truth != np.arange(ROWS)

    def found(ours: Labels, theirs: Labels) -> str:
        ours_found, wrong = (
            int((ours == truth)[copies].sum()),
            int((ours != truth)[~copies].sum()),
        )
        return f"{ours_found:,} of {copies.sum():,} copies, {wrong} wrong, {(ours != theirs).sum()} unlike the peer"

    for peer, label in (("np.unique", by_unique), ("xxh3, unchecked", by_xxh3)):
        name = f"identical, {ROWS:,} rows f16 | {peer}"
        versus(
            name, lambda: identical(vectors), functools.partial(label, x), quality=found
        )


if __name__ == "__main__":
    main()
