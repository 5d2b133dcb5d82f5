"""All measures of variation of all sets in one table, with intervals (Fig 3a, 3b); `twigma analyze` runs it.

Intervals come from each row's influence, or from the artists, prompts or authors that the rows belong to.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.variation.distance import mean_pairwise_distance
from twigma.analysis.variation.groups import (
    complete_groups,
    each_group,
    group_rows,
    grouped_distance,
)
from twigma.analysis.variation.measures import (
    Entropy,
    entropy,
    entropy_influence,
    iev,
    iev_influence,
    pmv,
    pmv_influence,
    vendi,
    vendi_influence,
)
from twigma.analysis.vectors.codebook import Recipe, assign, codebook
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, size_matched

CODES = 100  # clusters of the codebook of the entropy
METRICS = ("distance", "iev", "pmv", "entropy", "vendi")


def pooled_labels(
    sets: Mapping[str, Array], k: int = CODES, *, mode: Recipe = "robust", seed: int = 0
) -> dict[str, npt.NDArray[np.int64]]:
    """Labels 0 … k−1, int64[n_i], of the rows of each set [n_i, d] in one codebook of all of them, for `entropy`.

    Match sizes first: a larger set would have more of the clusters to itself.
    """
    centroids = codebook(np.vstack(list(sets.values())), k, mode, seed)
    return {name: assign(x, centroids) for name, x in sets.items()}


def variation_table(
    sets: Mapping[str, Any],
    groups: Mapping[str, tuple[Any, Any]] | None = None,
    *,
    n: int = SAMPLE,
    k: int = CODES,
    seed: int = 0,
    mode: Recipe = "robust",
    blocks: Mapping[str, Any] | None = None,
    centroids: npt.NDArray[np.float32] | None = None,
) -> pd.DataFrame:
    """All metrics of all sets in equal samples, and within the groups of some (Fig 3a, 3b).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are compared.
    groups : label → (embeddings, group of each row), such as "same artist". The metrics are those within a group,
        averaged over groups, of as many complete groups as fit in `n` rows. Groups are small, so but for the distance
        their metrics are not comparable with those of all of a set.
    k : clusters of the pooled codebook of the entropy, at most a tenth of the pooled rows.
    blocks : set → label per row of what may depend on each other (artist, prompt, author) in the intervals.
    centroids : a codebook float32[k, d] to take instead, of which k is the number.

    Returns
    -------
    DataFrame, a row per set or label: set; distance, iev, pmv, entropy (plug-in, as in the paper), vendi, each with
    _low and _high; distance_pairs (groups: every pair counts the same), entropy_miller_madow, entropy_chao_shen,
    entropy_normalised; groups (0 for all of a set), n, k, mode, seed.
    """
    drawn = size_matched(sets, n, seed)
    if centroids is None:
        pooled = np.vstack(list(drawn.values()))
        centroids = codebook(pooled, max(2, min(k, len(pooled) // 10)), mode, seed)
    k = len(centroids)
    rows = []
    for name, x in drawn.items():
        owner = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
        rows.append({"set": name, **_whole_set(x, assign(x, centroids), k, owner)})
    for name, (x, labels) in (groups or {}).items():
        rows.append({"set": name, **_within_groups(x, labels, centroids, n, seed)})
    return pd.DataFrame(rows).assign(k=k, mode=mode, seed=seed)


def _whole_set(
    x: Array, labels: npt.NDArray[np.int64], k: int, owner: Array | None
) -> dict[str, Any]:
    """Every metric of one set, with intervals from the rows or their owners."""
    entropies = entropy(labels, k)
    row = _cells(
        {
            "distance": mean_pairwise_distance(x, exact=True, groups=owner),
            "iev": interval(iev(x), iev_influence(x), owner),
            "pmv": interval(pmv(x), pmv_influence(x), owner),
            "entropy": interval(entropies.plug_in, entropy_influence(labels), owner),
            "vendi": interval(vendi(x), vendi_influence(x), owner),
        }
    )
    row["distance_pairs"] = np.nan
    row |= _other_entropies(entropies)
    return {**row, "groups": 0, "n": len(x)}


def _within_groups(
    x: Any, labels: Any, centroids: npt.NDArray[np.float32], n: int, seed: int
) -> dict[str, Any]:
    """Every metric within groups, averaged over them, with intervals from the groups."""
    x, codes = complete_groups(x, labels, n, seed)
    count = int(codes.max()) + 1
    distance = grouped_distance(x, codes, seed=seed)
    value, low, high = distance[["value", "low", "high"]].to_numpy(float)[0].tolist()
    estimates = {"distance": Estimate(value, low, high, len(x))}
    with warnings.catch_warnings():
        # Equal images in a small group are no surprise.
        warnings.filterwarnings("ignore", "pmv: ")
        for name, statistic in (("iev", iev), ("pmv", pmv), ("vendi", vendi)):
            estimates[name] = _mean(each_group(x, codes, statistic))
    clusters = assign(x, centroids)
    entropies = [
        entropy(clusters[rows], len(centroids)) for rows in group_rows(codes, count)
    ]
    estimates["entropy"] = _mean(np.array([each.plug_in for each in entropies]))
    row = _cells(estimates)
    row["distance_pairs"] = distance["value"].iloc[1]
    row |= _other_entropies(Entropy(*np.mean(entropies, axis=0)))
    return {**row, "groups": count, "n": len(x)}


def _mean(values: Floats) -> Estimate:
    """The mean over groups; every group counts the same."""
    return interval(float(values.mean()), values)


def _cells(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """The estimates as cells of one row: metric, metric_low, metric_high."""
    cells: dict[str, float] = {}
    for name in METRICS:
        cells[name] = estimates[name].value
        cells[f"{name}_low"] = estimates[name].low
        cells[f"{name}_high"] = estimates[name].high
    return cells


def _other_entropies(entropies: Entropy) -> dict[str, float]:
    return {
        "entropy_miller_madow": entropies.miller_madow,
        "entropy_chao_shen": entropies.chao_shen,
        "entropy_normalised": entropies.normalised,
    }
