"""Entropy of a set over several pooled codebooks, with an interval that holds what a codebook is by chance (Fig 3b).

Another seed of k-means gives other clusters, and the entropies of two sets can change places with it. So entropies are
averaged over codebooks, the same ones for every set and every figure. `twigma analyze` runs it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.intervals import Estimate, interval, limits
from twigma.analysis.variation.measures import Entropy, entropy, entropy_influence
from twigma.analysis.vectors.codebook import (
    Recipe,
    assign,
    codebook,
    principal,
)
from twigma.analysis.vectors.samples import sampled_rows

BOOKS = 5  # codebooks that an entropy is averaged over
FITTED = 20_000  # rows that each of them is fitted on, drawn by its seed

Codebooks = Sequence[npt.NDArray[np.float32]]  # float32[k, d] each


def codebooks(
    pooled: Array, k: int, *, mode: Recipe = "robust", seed: int = 0
) -> list[npt.NDArray[np.float32]]:
    """Five codebooks of the pooled rows of all sets [n, d], each from its own seed; in mode "paper" a single one.

    `k` clusters, at most a tenth of the rows and at least 2. Equal rows, k and seed give equal codebooks: those of
    Fig 3b are those of the entropies by number of bins.

    Returns
    -------
    A list of centroids, float32[k, d] each.
    """
    k = max(2, min(k, len(pooled) // 10))
    if mode != "robust":
        return [codebook(pooled, k, mode, seed)]
    directions = principal(pooled, seed)
    books = []
    for each in range(seed * BOOKS, (seed + 1) * BOOKS):
        rows = sampled_rows(len(pooled), min(FITTED, len(pooled)), each)
        books.append(codebook(pooled[rows], k, "robust", each, directions))
    return books


def entropy_with_interval(
    x: Array, books: Codebooks, owner: Array | None = None
) -> tuple[Estimate, Entropy, float]:
    """The plug-in entropy of rows [n, d], averaged over codebooks, with its 95% interval within 0 to ln k.

    The half width is that of the mean influence of the rows, or of their owners (labels [n]), and t s/√B for the B
    codebooks, whose entropies have the standard deviation s, both squared and added.

    Returns
    -------
    (estimate, every estimator averaged over codebooks, s).
    """
    entropies, influences = [], []
    for centroids in books:
        labels = assign(x, centroids)
        entropies.append(entropy(labels, len(centroids)))
        influences.append(entropy_influence(labels))
    plug_in = np.array([each.plug_in for each in entropies])
    bins = max(len(centroids) for centroids in books)
    estimate, spread = mean_entropy(plug_in, np.array(influences), owner, k=bins)
    return estimate, Entropy(*np.mean(entropies, axis=0).tolist()), spread


def mean_entropy(
    values: Floats, influences: Floats, owner: Array | None = None, *, k: float = np.inf
) -> tuple[Estimate, float]:
    """The mean over codebooks with its 95% interval, within 0 to ln k, and the standard deviation between them.

    Parameters
    ----------
    values : float64[B], the entropy by each codebook.
    influences : float64[B, n], of each row (or group) on it. owner : label per row, [n], or None. k : clusters
        of a codebook, without a bound where they are not known.
    """
    sampled = interval(float(values.mean()), influences.mean(axis=0), owner)
    spread = between = 0.0
    if len(values) > 1:
        spread = float(values.std(ddof=1))
        # Few codebooks: their standard deviation is uncertain too.
        between = stats.t.ppf(0.975, len(values) - 1) * spread / np.sqrt(len(values))
    half = float(np.hypot(sampled.high - sampled.value, between))
    value = sampled.value
    estimate = Estimate(value, *limits(value, half, 0.0, np.log(k)), sampled.n)
    return estimate, spread
