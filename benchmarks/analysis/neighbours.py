"""The five nearest reference images of every image, exactly: `analysis/neighbours/search.py` against faiss's
IndexFlatIP.

Goal: at least 1.5 times faiss, and recall at least .9999. Run: `python -m benchmarks.analysis.neighbours [ROWS]`; of
few rows every product is computed, since trying out other ways would take longer than it saves.
"""

import sys
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.analysis.neighbours.search import TOP_K, nearest

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 32_768
REFERENCES = (60_000, 100_000)  # ArtBench, and a LAION of the released size
DIM = 768

Found = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def by_faiss(
    query: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]
) -> Found:
    """Similarities and rows of an exact inner-product index."""
    index = faiss.IndexFlatIP(DIM)
    index.add(reference)
    similarity, rows = index.search(query, TOP_K)
    return similarity, rows


def recall(ours: Found, theirs: Found) -> str:
    """How many neighbours are the peer's: the same row, or another as similar to the last bit but one."""
    similarity, rows = ours
    peer_similarity, peer_rows = theirs
    same = (rows[:, :, None] == peer_rows[:, None, :]).any(axis=2)
    tied = similarity >= peer_similarity[:, -1:] - 1e-6
    gap = np.abs(similarity - peer_similarity).max()
    return f"recall {(same | tied).mean():.6f} ({same.mean():.6f} the same rows), similarities within {gap:.0e}"


def main() -> None:
    """Print a row for each size of the reference."""
    query = mixture(ROWS, DIM)
    for size in REFERENCES:
        reference = mixture(size, DIM, seed=1, home=1)
        versus(
            f"5 nearest, {ROWS:,} x {size:,} | faiss",
            lambda: nearest(query, reference),  # noqa: B023 - called before the next round
            lambda: by_faiss(query, reference),  # noqa: B023
            quality=recall,
        )


if __name__ == "__main__":
    main()
