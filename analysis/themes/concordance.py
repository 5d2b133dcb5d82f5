"""Do people see the clusters too (Fig 4c)? Their groups and keywords against ours; `twigma analyze --sheets` runs it.

The paper had four annotators group 100 images freely and name three keywords each.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.variation.distance import Floats

PERMUTATIONS = 999
Z = 1.959963984540054
FEWEST = 4  # images of an annotator


def concordance(filled: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Agreement of each annotator's groups and keywords with the clusters.

    Parameters
    ----------
    filled : annotator, item, cluster, group, keywords (a set of words), from `sheets.read_sheets`.
    seed : of the 999 permutations of the clusters over the images.

    Returns
    -------
    DataFrame, a row per annotator and measure: annotator, measure, value, low, high, p, noise_975 (97.5% quantile of
    the permutations), n, seed. Measures: "ari", the adjusted Rand index (Hubert & Arabie 1985); "homogeneity", 1 when
    every group is of one cluster, and "completeness", 1 when every cluster is in one group (Rosenberg & Hirschberg
    2007); "keywords", the mean Jaccard index of the keywords of two images of one cluster less that of two images of
    different clusters, of images with keywords. Intervals are value ± 1.96 se by the jackknife over images.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for annotator, found in filled.groupby("annotator"):
        if len(found) < FEWEST or found["cluster"].nunique() < 2:
            raise ValueError(
                f"{annotator}: expected at least {FEWEST} images of 2 clusters in groups, found {len(found)}"
            )
        given = _tested(
            _groups(pd.factorize(found["group"])[0]),
            found["cluster"].to_numpy(int),
            rng,
        )
        rows.append(
            given.assign(
                annotator=annotator, measure=["ari", "homogeneity", "completeness"]
            )
        )
        some = found[found["keywords"].map(len) > 0]
        sizes = some["cluster"].value_counts()
        if len(sizes) > 1 and sizes.max() > 2:  # the jackknife leaves one out
            given = _tested(
                _keywords(some["keywords"].tolist()), some["cluster"].to_numpy(int), rng
            )
            rows.append(given.assign(annotator=annotator, measure="keywords"))
    names = ["annotator", "measure", "value", "low", "high", "p", "noise_975", "n"]
    return pd.concat(rows, ignore_index=True)[names].assign(seed=seed)


def between_annotators(filled: pd.DataFrame) -> pd.DataFrame:
    """Adjusted Rand index of the groups of every two annotators, over the images both grouped.

    Returns
    -------
    DataFrame (annotator_a, annotator_b, value, n); empty for one annotator.
    """
    from sklearn.metrics import adjusted_rand_score

    wide = filled.pivot(index="item", columns="annotator", values="group")
    rows = []
    for a, b in combinations(wide.columns, 2):
        both = wide[[a, b]].dropna()
        value = (
            float(adjusted_rand_score(both[a], both[b])) if len(both) > 1 else np.nan
        )
        rows.append((a, b, value, len(both)))
    return pd.DataFrame(rows, columns=["annotator_a", "annotator_b", "value", "n"])


Statistic = Callable[
    [npt.NDArray[np.int64], npt.NDArray[np.int64]], Floats
]  # of clusters, and the rows they are of


def _tested(
    statistic: Statistic, cluster: npt.NDArray[np.int64], rng: np.random.Generator
) -> pd.DataFrame:
    """Statistics of the clusters, their jackknife intervals, and how they are when clusters are dealt at random."""
    n = len(cluster)
    rows = np.arange(n)
    value = statistic(cluster, rows)
    without = np.array(
        [statistic(np.delete(cluster, i), np.delete(rows, i)) for i in rows]
    )
    half = Z * np.sqrt(
        (n - 1) / n * np.sum((without - without.mean(axis=0)) ** 2, axis=0)
    )
    null = np.array(
        [statistic(rng.permutation(cluster), rows) for _ in range(PERMUTATIONS)]
    )
    p = (1 + (null >= value - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
    noise = np.quantile(null, 0.975, axis=0)
    return pd.DataFrame(
        {
            "value": value,
            "low": value - half,
            "high": value + half,
            "p": p,
            "noise_975": noise,
            "n": n,
        }
    )


def _groups(group: npt.NDArray[np.int64]) -> Statistic:
    """Adjusted Rand index, homogeneity and completeness, from the table of clusters and groups."""

    def scores(cluster: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Floats:
        own = group[rows]
        counts = np.zeros((int(cluster.max()) + 1, int(own.max()) + 1))
        np.add.at(counts, (cluster, own), 1)
        n, by_cluster, by_group = len(rows), counts.sum(axis=1), counts.sum(axis=0)
        both, one, other = (
            float(np.sum(c * (c - 1) / 2)) for c in (counts, by_cluster, by_group)
        )
        expected, most = one * other / (n * (n - 1) / 2), (one + other) / 2
        ari = (both - expected) / (most - expected) if most != expected else 1.0
        entropies = [_entropy(c / n) for c in (by_cluster, by_group)]
        shared = sum(entropies) - _entropy(counts.ravel() / n)
        return np.array([ari, *(shared / h if h else 1.0 for h in entropies)])

    return scores


def _entropy(share: Floats) -> float:
    some = share[share > 0]
    return -float(np.sum(some * np.log(some)))


def _keywords(keywords: list[frozenset[str]]) -> Statistic:
    """Mean |A ∩ B| / |A ∪ B| of the pairs of one cluster less that of the other pairs; each pair once."""
    jaccard = np.array([[len(a & b) / len(a | b) for b in keywords] for a in keywords])

    def contrast(cluster: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Floats:
        first, second = np.triu_indices(len(rows), 1)
        index, same = (
            jaccard[rows[first], rows[second]],
            cluster[first] == cluster[second],
        )
        return np.array([index[same].mean() - index[~same].mean()])

    return contrast
