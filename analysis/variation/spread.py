"""All measures of variation of all sets in one table, with intervals (Fig 3a, 3b); `twigma analyze` runs it.

Intervals come from each row's influence, or from the artists, prompts or authors that the rows belong to.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import effective_blocks_of
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
    iev,
    iev_influence,
    pmv,
    pmv_influence,
    vendi,
    vendi_influence,
)
from twigma.analysis.variation.pooled_entropy import (
    Codebooks,
    codebooks,
    entropy_with_interval,
    mean_entropy,
)
from twigma.analysis.vectors.codebook import Recipe, assign
from twigma.analysis.vectors.samples import SAMPLE, sampled_labels, size_matched

CODES = 100  # clusters of the codebook of the entropy
METRICS = ("distance", "iev", "pmv", "entropy", "vendi")


def variation_table(
    sets: Mapping[str, Any],
    groups: Mapping[str, tuple[Any, Any]] | None = None,
    *,
    n: int = SAMPLE,
    k: int = CODES,
    seed: int = 0,
    mode: Recipe = "robust",
    blocks: Mapping[str, Any] | None = None,
    books: Codebooks | None = None,
) -> pd.DataFrame:
    """All metrics of all sets in equal samples, and within the groups of some (Fig 3a, 3b).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; min(n, smallest set) rows of each are compared.
    groups : label → (embeddings, group of each row), such as "same artist". The metrics are those within a group,
        averaged over groups, of as many complete groups as fit in `n` rows. Groups are small, so but for the distance
        their metrics are not comparable with those of all of a set.
    k : clusters of the pooled codebooks of the entropy, at most a tenth of the pooled rows.
    mode : "robust" averages the entropy over five codebooks (`pooled_entropy.codebooks`); "paper" has one.
    blocks : set → label per row of what may depend on each other (artist, prompt, author) in the intervals.
    books : codebooks to take instead.

    Returns
    -------
    DataFrame, a row per set or label: set; distance, iev, pmv, entropy (plug-in, as in the paper), vendi, each with
    _low and _high, which are NaN for fewer than three rows, blocks or groups and else within what the metric can be
    (distance and pmv from 0, iev and vendi from 1 to n, entropy from 0 to ln k); distance_pairs (groups: every pair
    counts the same), entropy_miller_madow, entropy_chao_shen, entropy_normalised, entropy_codebook_sd (between
    codebooks, which the interval holds too); groups (0 for all of a set), blocks (independent units of the intervals,
    as many as they are worth when of one size; n where images are taken as independent), n, k, codebooks, mode, seed.
    """
    drawn = size_matched(sets, n, seed)
    if books is None:
        books = codebooks(np.vstack(list(drawn.values())), k, mode=mode, seed=seed)
    rows = []
    for name, x in drawn.items():
        owner = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
        rows.append({"set": name, **_whole_set(x, books, owner)})
    for name, (x, labels) in (groups or {}).items():
        rows.append({"set": name, **_within_groups(x, labels, books, n, seed)})
    table = pd.DataFrame(rows)
    return table.assign(k=len(books[0]), codebooks=len(books), mode=mode, seed=seed)


def _whole_set(x: Array, books: Codebooks, owner: Array | None) -> dict[str, Any]:
    """Every metric of one set, with intervals from the rows or their owners."""
    of_entropy, entropies, spread = entropy_with_interval(x, books, owner)
    row = _cells(
        {
            "distance": mean_pairwise_distance(x, exact=True, groups=owner),
            "iev": interval(
                iev(x), iev_influence(x), owner, least=1.0, most=min(x.shape)
            ),
            "pmv": interval(pmv(x), pmv_influence(x), owner, least=0.0),
            "entropy": of_entropy,
            "vendi": interval(
                vendi(x), vendi_influence(x), owner, least=1.0, most=len(x)
            ),
        }
    )
    row["distance_pairs"] = np.nan
    row |= _other_entropies(entropies, spread)
    blocks = effective_blocks_of(owner, len(x))
    return {**row, "groups": 0, "blocks": blocks, "n": len(x)}


def _within_groups(
    x: Any, labels: Any, books: Codebooks, n: int, seed: int
) -> dict[str, Any]:
    """Every metric within groups, averaged over them, with intervals from the groups."""
    x, codes = complete_groups(x, labels, n, seed)
    count = int(codes.max()) + 1
    largest = int(np.bincount(codes).max())
    distance = grouped_distance(x, codes, seed=seed)
    value, low, high = distance[["value", "low", "high"]].to_numpy(float)[0].tolist()
    estimates = {"distance": Estimate(value, low, high, len(x))}
    with warnings.catch_warnings():
        # Equal images in a small group are no surprise.
        warnings.filterwarnings("ignore", "pmv: ")
        for name, statistic in (("iev", iev), ("pmv", pmv), ("vendi", vendi)):
            least = 0.0 if name == "pmv" else 1.0
            most = np.inf if name == "pmv" else largest
            estimates[name] = _mean(each_group(x, codes, statistic), least, most)
    by_book = []  # for each codebook the entropies of the groups
    for centroids in books:
        clusters = assign(x, centroids)
        of_groups = [
            entropy(clusters[rows], len(centroids)) for rows in group_rows(codes, count)
        ]
        by_book.append(np.array(of_groups))
    values = np.array([of_groups[:, 0] for of_groups in by_book])
    bins = len(books[0])
    estimates["entropy"], spread = mean_entropy(values.mean(axis=1), values, k=bins)
    row = _cells(estimates)
    row["distance_pairs"] = distance["value"].iloc[1]
    means = np.mean(by_book, axis=(0, 1))
    row |= _other_entropies(Entropy(*means), spread)
    return {**row, "groups": count, "blocks": count, "n": len(x)}


def _mean(values: Floats, least: float, most: float) -> Estimate:
    """The mean over groups, each of which has from `least` to `most`; every group counts the same."""
    return interval(float(values.mean()), values, least=least, most=most)


def _cells(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """The estimates as cells of one row: metric, metric_low, metric_high."""
    cells: dict[str, float] = {}
    for name in METRICS:
        cells[name] = estimates[name].value
        cells[f"{name}_low"] = estimates[name].low
        cells[f"{name}_high"] = estimates[name].high
    return cells


def _other_entropies(entropies: Entropy, spread: float) -> dict[str, float]:
    return {
        "entropy_codebook_sd": spread,
        "entropy_miller_madow": entropies.miller_madow,
        "entropy_chao_shen": entropies.chao_shen,
        "entropy_normalised": entropies.normalised,
    }
