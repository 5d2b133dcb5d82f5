"""Shares of the sets in clusters of all of them together (Fig 2b); run by `twigma analyze`."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from twigma.analysis.inference.proportions import wilson
from twigma.analysis.vectors.codebook import assign, codebook
from twigma.analysis.vectors.samples import SAMPLE, unit_samples

Mode = Literal["paper", "robust"]


def cluster_shares(
    sets: Mapping[str, Any],
    k: int = 4,
    *,
    mode: Mode = "robust",
    seed: int = 0,
    n: int = SAMPLE,
    by: str | None = None,
) -> pd.DataFrame:
    """Share of each set in the clusters of all sets pooled, in equal samples of unit rows (Fig 2b).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are clustered.
    k : clusters. mode : recipe of the codebook, FAISS's defaults as in the paper or the robust one.
    by : clusters are numbered from 1 by falling share of this set (default: the first).

    Returns
    -------
    DataFrame, a row per cluster and set: cluster, set, share, low, high (Wilson, 95%), count, n, k, mode, seed.
    """
    drawn = unit_samples(sets, n, seed)
    by = next(iter(drawn)) if by is None else by
    if by not in drawn:
        raise ValueError(
            f"cluster_shares: expected by to be one of {list(drawn)}, found {by!r}"
        )
    centroids = codebook(np.vstack(list(drawn.values())), k, mode, seed)
    counts = {}
    for name, x in drawn.items():
        counts[name] = np.bincount(assign(x, centroids), minlength=k)
    order = np.argsort(-counts[by], kind="stable")
    rows = []
    for number, cluster in enumerate(order, 1):
        for name, x in drawn.items():
            rows.append((number, name, int(counts[name][cluster]), len(x)))
    table = pd.DataFrame(rows, columns=["cluster", "set", "count", "n"])
    low, high = wilson(table["count"].to_numpy(), table["n"].to_numpy())
    share = table["count"] / table["n"]
    table = table.assign(share=share, low=low, high=high, k=k, mode=mode, seed=seed)
    names = ["cluster", "set", "share", "low", "high", "count", "n", "k", "mode"]
    return table[[*names, "seed"]]
