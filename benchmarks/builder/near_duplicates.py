"""Near duplicates: `twigma dedupe`'s search against faiss's range search over all pairs, and how its time grows.

Both are exact. One row in a hundred is a noisy copy of an earlier one. Run: `python -m
benchmarks.builder.near_duplicates`.
"""

import time

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.builder.duplicates.near_candidates import candidates
from twigma.builder.duplicates.near_duplicates import Groups, near_groups
from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Vectors, as_column
from twigma.builder.stages.dedupe import NEAR

ROWS, GROWTH, DIM = 20_000, (50_000, 100_000, 200_000), 768
COPIES, NOISE = 0.01, 0.002  # cosine .9985

Half = npt.NDArray[np.float16]
Indices = npt.NDArray[np.int64]


def planted(rows: int, diffuse: bool) -> tuple[Vectors, Indices, Indices]:
    """Rows of which one in a hundred is nearly an earlier one; the copies, and what they copy."""
    rng = np.random.default_rng(1)
    x = mixture(rows, DIM, diffuse=diffuse).astype(np.float16)
    copies = rng.choice(np.arange(rows // 2, rows), int(rows * COPIES), replace=False)
    sources = rng.choice(rows // 2, len(copies))
    noise = rng.normal(0, NOISE, (len(copies), DIM)).astype(np.float16)
    x[copies] = x[sources] + noise
    return Vectors([as_column(x)], pa.nulls(rows, pa.string())), copies, sources


def by_faiss(vectors: Vectors) -> Indices:
    """Groups from the product of every pair."""
    x = vectors.take(np.arange(len(vectors))).astype(np.float32)
    faiss.normalize_L2(x)
    index = faiss.IndexFlatIP(DIM)
    index.add(x)
    limits, _, found = index.range_search(x, NEAR)
    groups = Groups(len(x))
    rows = np.arange(len(x))
    neighbours = np.diff(limits).astype(np.int64)  # of each row
    groups.join(np.repeat(rows, neighbours), found)
    return groups.of(rows)


def compare(name: str, diffuse: bool) -> None:
    """Print the row of one data set."""
    vectors, copies, sources = planted(ROWS, diffuse)

    def quality(ours: Indices, theirs: Indices) -> str:
        found = int((ours[copies] == ours[sources]).sum())
        return f"{found} of {len(copies)} copies, {int((ours != theirs).sum())} rows grouped unlike the peer"

    every = np.arange(ROWS)
    versus(
        f"near, {ROWS:,} {name} rows | faiss range_search",
        lambda: near_groups(vectors, every, NEAR),
        lambda: by_faiss(vectors),
        quality=quality,
    )


def grow(name: str, rows: int, diffuse: bool) -> None:
    """Print what ours takes for more rows, and how few pairs it computes."""
    vectors, copies, sources = planted(rows, diffuse)
    every, start = np.arange(rows), time.process_time()
    groups = near_groups(vectors, every, NEAR)
    spent = time.process_time() - start
    found = candidates(RowBlocks(vectors), every, NEAR)
    pairs = sum(len(left) for left, _ in found)
    print(
        f"  {rows:,} {name} rows: {spent:.1f} s of CPU, {spent / rows * 100_000:.1f} per 100,000; {pairs:,} pairs "
        f"computed in full, {int((groups[copies] == groups[sources]).sum()):,} of {len(copies):,} copies",
        flush=True,
    )


def main() -> None:
    """Print the rows, then the growth."""
    for name, diffuse in (("grouped", False), ("diffuse", True)):
        compare(name, diffuse)
        for rows in GROWTH:
            grow(name, rows, diffuse)


if __name__ == "__main__":
    main()
