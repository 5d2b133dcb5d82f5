"""Entropy of the sets with codebooks of several sizes (Fig 3b): does the order of the sets depend on the bins?

The paper does not say how many bins it used. `twigma analyze` runs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array
from twigma.analysis.variation.pooled_entropy import (
    Codebooks,
    codebooks,
    entropy_with_interval,
)
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, size_matched
from twigma.core.safety.failures import DataError

KS = (10, 50, 100, 500)


def entropies(
    sets: Mapping[str, Any],
    ks: Sequence[int] = KS,
    *,
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Shannon entropy of equal samples of each set, averaged over pooled codebooks of k clusters (paper, Fig 3b).

    For each of several k; at 100 the codebooks, and so the numbers, are those of `spread.variation_table`.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are compared.
    ks : sizes of the codebook; those above a tenth of the pooled rows are left out.
    blocks : set → label per row of what may depend on each other (artist, prompt, author) in the intervals.

    Returns
    -------
    DataFrame, a row per k and set: k, set, entropy (plug-in, nats, biased by about −(K − 1)/2N), low, high,
    miller_madow and chao_shen (which correct the bias), normalised (plug-in/ln k), codebook_sd (between codebooks,
    which the interval holds too), codebooks, rank (1: most varied, by Miller-Madow), n, seed. ValueError when no k is
    small enough.
    """
    drawn = size_matched(sets, n, seed)
    pooled = np.vstack(list(drawn.values()))
    possible = [k for k in sorted(set(ks)) if 2 <= k <= len(pooled) // 10]
    if not possible:
        raise DataError(
            f"expected at least {10 * min(ks)} images in all sets, ten for each of {min(ks)} clusters, found "
            f"{len(pooled)}"
        )
    rows = []
    for k in possible:
        books = codebooks(pooled, k, seed=seed)
        for name, x in drawn.items():
            owner = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
            rows.append({"k": k, "set": name, **_row(x, books, owner)})
    table = pd.DataFrame(rows)
    by_k = table.groupby("k")["miller_madow"]
    rank = by_k.rank(ascending=False, method="min").astype(int)
    return table.assign(rank=rank, seed=seed)


def _row(x: Array, books: Codebooks, owner: Array | None) -> dict[str, float | int]:
    estimate, averaged, spread = entropy_with_interval(x, books, owner)
    return {
        "entropy": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "miller_madow": averaged.miller_madow,
        "chao_shen": averaged.chao_shen,
        "normalised": averaged.normalised,
        "codebook_sd": spread,
        "codebooks": len(books),
        "n": len(x),
    }
