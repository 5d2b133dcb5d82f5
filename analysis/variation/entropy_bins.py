"""Entropy of the sets with codebooks of several sizes (Fig 3b): does the order of the sets depend on the bins?

The paper does not say how many bins it used. `twigma analyze` runs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array
from twigma.analysis.inference.intervals import interval
from twigma.analysis.variation.measures import entropy, entropy_influence
from twigma.analysis.vectors.codebook import assign, principal, quick_codebook
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, size_matched

KS = (10, 50, 100, 500)


def entropies(
    sets: Mapping[str, Any],
    ks: Sequence[int] = KS,
    *,
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Shannon entropy of equal samples of each set in one pooled codebook of k clusters, for several k (section 3.3).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are compared.
    ks : sizes of the codebook; those above a tenth of the pooled rows are left out.
    blocks : set → label per row of what may depend on each other (artist, prompt, author) in the intervals.

    Returns
    -------
    DataFrame, a row per k and set: k, set, entropy (plug-in, nats, biased by about −(K − 1)/2N), low, high,
    miller_madow and chao_shen (which correct the bias), normalised (plug-in/ln k), rank (1: most varied, by
    Miller-Madow), n, seed. ValueError when no k is small enough.
    """
    drawn = size_matched(sets, n, seed)
    pooled = np.vstack(list(drawn.values()))
    possible = [k for k in sorted(set(ks)) if 2 <= k <= len(pooled) // 10]
    if not possible:
        raise ValueError(
            f"entropies: expected ten rows a cluster for one of {list(ks)}, found {len(pooled)} rows"
        )
    directions = principal(pooled, seed)
    rows = []
    for k in possible:
        centroids = quick_codebook(pooled, k, directions, seed)
        for name, x in drawn.items():
            owner = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
            rows.append({"k": k, "set": name, **_row(assign(x, centroids), k, owner)})
    table = pd.DataFrame(rows)
    by_k = table.groupby("k")["miller_madow"]
    rank = by_k.rank(ascending=False, method="min").astype(int)
    return table.assign(rank=rank, seed=seed)


def _row(
    labels: npt.NDArray[np.int64], k: int, owner: Array | None
) -> dict[str, float | int]:
    estimates = entropy(labels, k)
    limits = interval(estimates.plug_in, entropy_influence(labels), owner)
    return {
        "entropy": estimates.plug_in,
        "low": limits.low,
        "high": limits.high,
        "miller_madow": estimates.miller_madow,
        "chao_shen": estimates.chao_shen,
        "normalised": estimates.normalised,
        "n": len(labels),
    }
