"""How the distances of two images of a set are spread, beside their mean (Fig 3a); `twigma analyze` stores it.

The mean of a set hides whether most pairs are like it: images of many kinds have a second mode of near pairs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array, Floats
from twigma.analysis.variation.groups import complete_groups, group_rows
from twigma.analysis.vectors.density import density_table
from twigma.analysis.vectors.samples import SAMPLE, size_matched

PAIRS = 100_000  # drawn of each set
PAIRS_OF_GROUP = 1000  # drawn of each group at most
BLOCK = 2048  # pairs computed at a time
BINS = 60  # from the least distance of any set to the largest


def pair_density(
    sets: Mapping[str, Any],
    groups: Mapping[str, tuple[Any, Any]] | None = None,
    *,
    n: int = SAMPLE,
    seed: int = 0,
) -> pd.DataFrame:
    """The distribution of the distance of two different images of each set, and within the groups of some.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each, the ones of `variation_table`.
    groups : label → (embeddings, group of each row); every group counts the same.

    Returns
    -------
    DataFrame (set, low, high, density), a row per set and bin; the bins are those of all sets.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, tuple[Floats, Floats]] = {}
    for name, x in size_matched(sets, n, seed).items():
        distance = _random_pairs(x, PAIRS, rng)
        found[name] = distance, np.ones(len(distance))
    for name, (x, labels) in (groups or {}).items():
        found[name] = _within(*complete_groups(x, labels, n, seed), rng)
    every = np.concatenate([distance for distance, _ in found.values()])
    edges = np.histogram_bin_edges(every, BINS)
    tables = []
    for name, (distance, weight) in found.items():
        density = density_table(distance, weight, edges)
        density.insert(0, "set", name)
        tables.append(density)
    return pd.concat(tables, ignore_index=True)


def _within(x: Array, codes: Any, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Distances of pairs of one group, and their weights: those of a group add up to 1."""
    distances, weights = [], []
    for rows in group_rows(codes, int(codes.max()) + 1):
        pairs = len(rows) * (len(rows) - 1) // 2
        distance = _random_pairs(x[rows], min(pairs, PAIRS_OF_GROUP), rng)
        distances.append(distance)
        weights.append(np.full(len(distance), 1 / len(distance)))
    return np.concatenate(distances), np.concatenate(weights)


def _random_pairs(x: Array, pairs: int, rng: np.random.Generator) -> Floats:
    """‖x_i − x_j‖ of so many random pairs of different rows of `x` [n, d]; of all pairs where there are no more."""
    n = len(x)
    if pairs >= n * (n - 1) // 2:
        i, j = np.triu_indices(n, k=1)
    else:
        i = rng.integers(n, size=pairs)
        j = (i + rng.integers(1, n, size=pairs)) % n
    result = np.empty(len(i))
    for start in range(0, len(i), BLOCK):
        block = slice(start, start + BLOCK)
        difference = x[i[block]].astype(np.float64) - x[j[block]]
        result[block] = np.linalg.norm(difference, axis=1)
    return result
