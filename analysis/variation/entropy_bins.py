"""Entropy of the sets with codebooks of several sizes (Fig 3b): does the order of the sets depend on the bins?

The paper does not say how many bins it used. `twigma analyze` runs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.variation.distance import Array, interval
from twigma.analysis.variation.spread import entropy
from twigma.analysis.vectors.codebook import SAMPLE, assign, sampled_rows, size_matched
from twigma.analysis.vectors.quick_codebook import principal, quick_codebook

KS = (10, 50, 100, 500)


def entropies(
    sets: Mapping[str, Array],
    ks: Sequence[int] = KS,
    *,
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Shannon entropy of equal samples of each set in one pooled codebook of k clusters, for several k (section 3.3).

    Parameters
    ----------
    sets : embeddings by name; min(n, smallest set) rows of each are compared.
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
    rows, directions = [], principal(pooled, seed)
    for k in possible:
        centroids = quick_codebook(pooled, k, directions, seed)
        for name, x in drawn.items():
            owner = (blocks or {}).get(name)
            picked = (
                None
                if owner is None
                else np.asarray(owner)[sampled_rows(len(sets[name]), len(x), seed)]
            )
            rows.append({"k": k, "set": name, **_row(assign(x, centroids), k, picked)})
    table = pd.DataFrame(rows)
    rank = (
        table.groupby("k")["miller_madow"]
        .rank(ascending=False, method="min")
        .astype(int)
    )
    return table.assign(rank=rank, seed=seed)


def _row(labels: Array, k: int, owner: Array | None) -> dict[str, Any]:
    found = entropy(labels, k)
    share = np.bincount(labels) / len(labels)
    limits = interval(found.plug_in, -np.log(share[labels]), owner)
    others = {
        name: getattr(found, name)
        for name in ("miller_madow", "chao_shen", "normalised")
    }
    return {
        "entropy": found.plug_in,
        "low": limits.low,
        "high": limits.high,
        **others,
        "n": len(labels),
    }
