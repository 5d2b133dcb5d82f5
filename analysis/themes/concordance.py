"""Do people see the clusters too (Fig 4c)? Their groups and keywords against ours; `twigma analyze --sheets` runs it.

The paper had four annotators group 100 images freely and name three keywords each.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats
from twigma.analysis.inference.blocks import dense_blocks, half_width, jackknife
from twigma.core.safety.failures import DataError

PERMUTATIONS = 999
FEWEST = 4  # images of an annotator
LEAST = (
    -0.5,
    0.0,
    0.0,
)  # that the adjusted Rand index, homogeneity and completeness can be


def concordance(filled: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Agreement of each annotator's groups and keywords with the clusters.

    Parameters
    ----------
    filled : annotator, item, cluster, group, keywords (a set of words), from `annotation_sheets.read_sheets`; `owner`
        (author) where it is known, None for an image without one.
    seed : of the 999 permutations of the clusters over the images, those of an owner together.

    Returns
    -------
    DataFrame, a row per annotator and measure: annotator, measure, value, low, high, p, noise_975 (97.5% quantile of
    the permutations), n, seed. Measures: "ari", the adjusted Rand index (Hubert & Arabie 1985); "homogeneity", 1 when
    every group is of one cluster, and "completeness", 1 when every cluster is in one group (Rosenberg & Hirschberg
    2007); "keywords", the mean Jaccard index of the keywords of two images of one cluster less that of two images of
    different clusters, of images with keywords. Intervals are by the jackknife over owners, or over images where they
    are not known; they are within what a measure can be.
    """
    rng = np.random.default_rng(seed)
    tables = []
    for annotator, sheet in filled.groupby("annotator"):
        if len(sheet) < FEWEST or sheet["cluster"].nunique() < 2:
            raise DataError(
                f"{annotator}: expected at least {FEWEST} images of 2 clusters in groups, found {len(sheet)}"
            )
        groups = _groups(pd.factorize(sheet["group"])[0])
        tested = _tested(groups, sheet, rng, LEAST)
        tested["measure"] = ["ari", "homogeneity", "completeness"]
        tables.append(tested.assign(annotator=annotator))
        described = sheet[sheet["keywords"].map(len) > 0]
        sizes = described["cluster"].value_counts()
        if len(sizes) > 1 and sizes.max() > 2:  # the jackknife leaves one out
            keywords = _keywords(described["keywords"].tolist())
            tested = _tested(keywords, described, rng, [-1.0])
            tables.append(tested.assign(annotator=annotator, measure="keywords"))
    names = ["annotator", "measure", "value", "low", "high", "p", "noise_975", "n"]
    return pd.concat(tables, ignore_index=True)[names].assign(seed=seed)


def between_annotators(filled: pd.DataFrame) -> pd.DataFrame:
    """Adjusted Rand index of the groups of every two annotators, over the images both grouped.

    Parameters
    ----------
    filled : annotator, item, group, from `annotation_sheets.read_sheets`.

    Returns
    -------
    DataFrame (annotator_a, annotator_b, value, n); empty for one annotator.
    """
    from sklearn.metrics import adjusted_rand_score

    wide = filled.pivot(index="item", columns="annotator", values="group")
    rows = []
    for a, b in combinations(wide.columns, 2):
        both = wide[[a, b]].dropna()
        value = np.nan
        if len(both) > 1:
            value = float(adjusted_rand_score(both[a], both[b]))
        rows.append((a, b, value, len(both)))
    return pd.DataFrame(rows, columns=["annotator_a", "annotator_b", "value", "n"])


Codes = npt.NDArray[np.int64]
# Of the cluster of each image and the rows these images have, [n] each: one or more numbers.
Statistic = Callable[[Codes, Codes], Floats]


def _tested(
    statistic: Statistic,
    sheet: pd.DataFrame,
    rng: np.random.Generator,
    least: Sequence[float],
) -> pd.DataFrame:
    """Statistics of the clusters, their jackknife intervals, and their quantiles when clusters are dealt at random.

    `least` is the smallest that each statistic can be; 1 is the largest of all.
    """
    cluster = sheet["cluster"].to_numpy(int)
    n = len(cluster)
    rows = np.arange(n)
    value = statistic(cluster, rows)
    code = dense_blocks(sheet.get("owner"), n)
    owners = [np.flatnonzero(code == owner) for owner in range(int(code.max()) + 1)]
    half = np.full(len(value), np.nan)
    if len(owners) >= FEWEST:
        half = _half_widths(statistic, cluster, owners, value)
    # Images of an owner keep the clusters of one owner, so that what they share is no agreement.
    longest = max(map(len, owners))
    cycles = np.stack([np.resize(cluster[images], longest) for images in owners])
    place = np.empty(n, np.int64)  # of an image among its owner's
    for images in owners:
        place[images] = np.arange(len(images))
    dealt_values = []
    for _ in range(PERMUTATIONS):
        other = rng.permutation(len(owners))
        dealt_values.append(statistic(cycles[other[code], place], rows))
    null = np.array(dealt_values)
    # A tie that rounding broke counts as a tie.
    p = (1 + (null >= value - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS)
    return pd.DataFrame(
        {
            "value": value,
            "low": np.maximum(value - half, np.minimum(least, value)),
            "high": np.minimum(value + half, np.maximum(1.0, value)),
            "p": p,
            "noise_975": np.quantile(null, 0.975, axis=0),
            "n": n,
        }
    )


def _half_widths(
    statistic: Statistic, cluster: Codes, owners: list[Codes], value: Floats
) -> Floats:
    """Of the 95% intervals of the statistics, by leaving out each owner's images."""
    without = []
    for images in owners:
        left = np.delete(np.arange(len(cluster)), images)
        without.append(statistic(cluster[left], left))
    sizes = [len(images) for images in owners]
    halves = []
    for replicates, one in zip(np.array(without).T, value, strict=True):
        halves.append(half_width(jackknife(replicates, float(one), sizes)))
    return np.array(halves)


def _groups(group: Codes) -> Statistic:
    """Adjusted Rand index, homogeneity and completeness, from the table of clusters and groups.

    Written out, since the permutations call it a thousand times an annotator.
    """

    def scores(cluster: Codes, rows: Codes) -> Floats:
        own = group[rows]
        counts = np.zeros((int(cluster.max()) + 1, int(own.max()) + 1))
        np.add.at(counts, (cluster, own), 1)
        by_cluster, by_group = counts.sum(axis=1), counts.sum(axis=0)
        n = len(rows)
        both = _pairs(counts)
        one, other = _pairs(by_cluster), _pairs(by_group)
        expected = one * other / (n * (n - 1) / 2)
        most = (one + other) / 2
        ari = 1.0
        if most != expected:
            ari = (both - expected) / (most - expected)
        of_cluster, of_group = _entropy(by_cluster / n), _entropy(by_group / n)
        shared = of_cluster + of_group - _entropy(counts.ravel() / n)
        homogeneity = shared / of_cluster if of_cluster else 1.0
        completeness = shared / of_group if of_group else 1.0
        return np.array([ari, homogeneity, completeness])

    return scores


def _pairs(counts: Floats) -> float:
    """How many pairs of images lie in one cell."""
    return float(np.sum(counts * (counts - 1) / 2))


def _entropy(share: Floats) -> float:
    some = share[share > 0]
    return -float(np.sum(some * np.log(some)))


def _keywords(keywords: list[frozenset[str]]) -> Statistic:
    """Mean |A ∩ B| / |A ∪ B| of the pairs of one cluster less that of the other pairs; each pair once."""
    n = len(keywords)
    jaccard = np.ones((n, n))
    for i, j in combinations(range(n), 2):
        a, b = keywords[i], keywords[j]
        jaccard[i, j] = jaccard[j, i] = len(a & b) / len(a | b)

    def contrast(cluster: Codes, rows: Codes) -> Floats:
        first, second = np.triu_indices(len(rows), 1)
        index = jaccard[rows[first], rows[second]]
        same = cluster[first] == cluster[second]
        return np.array([index[same].mean() - index[~same].mean()])

    return contrast
