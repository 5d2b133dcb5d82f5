"""KL divergence of every pair of sets: `twigma analyze`'s against mauve-text, pair by pair.

Goal: at least 3 times mauve at equal buckets and equal values. Run: `python benchmarks/divergence.py`.
"""

import functools
import warnings
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from mixture import mixture
from versus import versus

from twigma.analysis.distinctiveness import kl_matrix

SETS, ROWS, DIM, BUCKETS = 4, 5_000, 768, 10
SEED = 25  # of mauve, which adds 2 to it

Histograms = dict[tuple[str, str], tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
ROWS_OF: tuple[tuple[Literal["paper", "robust"], Literal["pairwise", "pooled"]], ...] = (
    ("paper", "pairwise"),  # the same buckets as mauve
    ("robust", "pairwise"),
    ("robust", "pooled"),  # one codebook for all sets
)


def by_mauve(sets: dict[str, Any]) -> Histograms:
    """The two histograms of each pair."""
    from mauve import compute_mauve

    found = {}
    for one, other in combinations(sets, 2):
        result = compute_mauve(
            p_features=sets[one], q_features=sets[other], num_buckets=BUCKETS, seed=SEED, verbose=False
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
    gaps = [abs(table[a, b] - kl(p, q)) for (a, b), (p, q) in theirs.items()]
    gaps += [abs(table[b, a] - kl(q, p)) for (a, b), (p, q) in theirs.items()]
    return f"largest difference {max(gaps):.1e} of {table.mean():.2f} nats"


def main() -> None:
    """Print a row for each of our recipes; only `paper` has mauve's buckets, so only its values can be equal."""
    warnings.simplefilter("ignore")
    import mauve  # noqa: F401 - its import takes seconds, and is not what we compare

    sets = {f"set {i}": mixture(ROWS, DIM, home=i) for i in range(SETS)}
    for mode, scope in ROWS_OF:
        versus(
            f"KL, {SETS} sets x {ROWS:,}, {mode} {scope} | mauve",
            functools.partial(kl_matrix, sets, BUCKETS, mode=mode, codebook=scope, seed=SEED + 2),
            lambda: by_mauve(sets),
            quality=difference,
        )


if __name__ == "__main__":
    main()
