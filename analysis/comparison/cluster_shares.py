"""Shares of the sets in clusters of all of them together (Fig 2b); run by `twigma analyze`."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from twigma.analysis.inference.proportions import block_share
from twigma.analysis.vectors.codebook import assign, codebook
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, unit_samples

Mode = Literal["paper", "robust"]


def cluster_shares(
    sets: Mapping[str, Any],
    k: int = 4,
    *,
    mode: Mode = "robust",
    seed: int = 0,
    n: int = SAMPLE,
    by: str | None = None,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Share of each set in the clusters of all sets pooled, in equal samples of unit rows (Fig 2b).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are clustered.
    k : clusters. mode : recipe of the codebook, FAISS's defaults as in the paper or the robust one.
    by : clusters are numbered from 1 by falling share of this set (default: the first).
    blocks : set → label per row [n_i] (author, artist, prompt) of images that may depend on each other.

    Returns
    -------
    DataFrame, a row per cluster and set: cluster, set, share, low, high (Wilson, 95%, of as many rows as the owners are
    worth, the clusters held fixed), blocks (their effective number), owners_known, count, n, k, mode, seed.
    """
    drawn = unit_samples(sets, n, seed)
    by = next(iter(drawn)) if by is None else by
    if by not in drawn:
        raise ValueError(
            f"cluster_shares: expected by to be one of {list(drawn)}, found {by!r}"
        )
    centroids = codebook(np.vstack(list(drawn.values())), k, mode, seed)
    labels = {name: assign(x, centroids) for name, x in drawn.items()}
    counts = np.bincount(labels[by], minlength=k)
    order = np.argsort(-counts, kind="stable")
    rows = []
    for number, cluster in enumerate(order, 1):
        for name, label in labels.items():
            owners = sampled_labels(blocks, name, len(sets[name]), len(label), seed)
            inside = label == cluster
            found = block_share(inside, owners)
            row: dict[str, Any] = {"cluster": number, "set": name}
            row |= found.cells()
            rows.append({**row, "count": int(inside.sum()), "n": len(label)})
    return pd.DataFrame(rows).assign(k=k, mode=mode, seed=seed)
