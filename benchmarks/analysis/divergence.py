"""KL divergence of every pair of sets: `twigma analyze`'s against mauve-text, pair by pair.

Goal: at least 3 times mauve at equal buckets and equal values. A common codebook of all sets is held against mauve's on
the same pool (one set against the others together). Run: `python -m benchmarks.analysis.divergence [ROWS]`.
"""

import functools
import sys
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import versus
from twigma.analysis.comparison.divergence import Mode, Scope, kl_matrix, pooled_counts

SETS, DIM, BUCKETS = 4, 768, 10
ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
SEED = 25  # of mauve, which adds 2 to it

Histograms = dict[
    tuple[str, str], tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
]
ROWS_OF: tuple[tuple[Mode, Scope, int], ...] = (
    ("paper", "pooled", 3),  # one codebook for all sets
    ("paper", "pairwise", 3),  # the same buckets as mauve
    ("robust", "pairwise", 1),
    ("robust", "pooled", 1),
)


def by_mauve(sets: dict[str, Any]) -> Histograms:
    """The two histograms of each pair."""
    from mauve import compute_mauve

    found = {}
    for one, other in combinations(sets, 2):
        result = compute_mauve(
            p_features=sets[one],
            q_features=sets[other],
            num_buckets=BUCKETS,
            seed=SEED,
            verbose=False,
        )
        found[one, other] = (result.p_hist, result.q_hist)
    return found


def kl(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    """Nats, of counts smoothed by a half."""
    p, q = ((x * ROWS + 0.5) / (ROWS + BUCKETS / 2) for x in (p, q))
    return float(np.sum(p * np.log(p / q)))


def difference(ours: pd.DataFrame, theirs: Histograms) -> str:
    """The largest difference of an entry, beside the mean entry."""
    table = ours.set_index(["row", "column"])["kl"]
    gaps = []
    for (a, b), (p, q) in theirs.items():
        gaps.append(abs(table[a, b] - kl(p, q)))
        gaps.append(abs(table[b, a] - kl(q, p)))
    return f"largest difference {max(gaps):.1e} of {table.mean():.2f} nats"


def pooled_difference(sets: dict[str, Any]) -> str:
    """How far our buckets of all sets pooled are from mauve's of the first set against all others."""
    from mauve import compute_mauve

    first, *others = sets
    rest = np.vstack([sets[name] for name in others[::-1]])
    peer = compute_mauve(
        p_features=sets[first],
        q_features=rest,
        num_buckets=BUCKETS,
        seed=SEED,
        verbose=False,
    )
    unit = {}
    for name, x in sets.items():
        unit[name] = x / np.linalg.norm(x, axis=1, keepdims=True)
    counts = pooled_counts(unit, BUCKETS, "mauve", SEED + 2)
    of_others = sum(counts[name] for name in others)
    gap_first = np.abs(counts[first] - peer.p_hist * ROWS).max()
    gap_others = np.abs(of_others - peer.q_hist * len(rest)).max()
    gap = max(gap_first, gap_others)
    return f"largest difference of a bucket from mauve's on the same pool: {gap:.0f} of {SETS * ROWS:,} rows"


def main() -> None:
    """Print a row for each of our recipes; only `paper` has mauve's buckets, so only its values can be equal."""
    warnings.simplefilter("ignore")
    import mauve  # noqa: F401 - its import takes seconds, and is not what we compare

    sets = {f"set {i}": mixture(ROWS, DIM, home=i) for i in range(SETS)}
    for mode, scope, rounds in ROWS_OF:
        pooled = (mode, scope) == ("paper", "pooled")
        versus(
            f"KL, {SETS} sets x {ROWS:,}, {mode} {scope} | mauve",
            functools.partial(
                kl_matrix,
                sets,
                BUCKETS,
                mode=mode,
                codebook=scope,
                n=ROWS,
                seed=SEED + 2,
            ),
            lambda: by_mauve(sets),
            rounds=rounds,
            quality=(lambda ours, theirs: pooled_difference(sets))
            if pooled
            else difference,
        )


if __name__ == "__main__":
    main()
