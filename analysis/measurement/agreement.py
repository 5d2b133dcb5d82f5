"""How far annotators agree: Krippendorff's alpha of labels, mutual information of groups, themes split and merged."""

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats
from twigma.analysis.inference.blocks import FEWEST, dense_blocks, half_width, jackknife
from twigma.analysis.inference.intervals import Estimate, limits
from twigma.analysis.inference.proportions import wilson
from twigma.core.safety.failures import DataError

REPETITIONS = 1000
ALPHA = ["alpha", "alpha_low", "alpha_high"]
SEEN = ["cluster", "other", "value", "low", "high", "n", "least", "most", *ALPHA]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def krippendorff_alpha(
    labels: pd.DataFrame, *, owners: Any = None, seed: int = 0
) -> Estimate:
    """Krippendorff's alpha for names: 1 − observed/expected disagreement; 1 is perfect, 0 is chance.

    Parameters
    ----------
    labels : a row per image and a column per annotator, NaN or None where there is no label. Images with one label
        tell nothing of agreement.
    owners : the author of each image, [rows], whose images are drawn together; None where they are not known.
    seed : of the 1,000 bootstrap samples of owners, or of images, that give the 95% interval.

    Returns
    -------
    Estimate of n images with two labels or more; NaN where all labels are the same, and without an interval for fewer
    than three owners. ValueError without such an image.

    >>> sheet = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["x", "x", "y", "x"]})
    >>> round(krippendorff_alpha(sheet).value, 3)
    0.533
    """
    codes, names = pd.factorize(labels.to_numpy(object).ravel())
    codes = codes.reshape(labels.shape)
    counts = (codes[:, :, None] == np.arange(len(names))).sum(axis=1).astype(float)
    pairable = counts.sum(axis=1) >= 2
    counts = counts[pairable]
    n = len(counts)
    if not n:
        raise DataError(
            "krippendorff_alpha: expected images with labels by two annotators, found none"
        )
    value = float(_alphas(counts, np.ones((1, n)))[0])
    rng = np.random.default_rng(seed)
    owner = dense_blocks(owners, len(pairable))[pairable]
    block = np.unique(owner, return_inverse=True)[1]
    total = int(block.max()) + 1
    times = rng.multinomial(total, np.full(total, 1 / total), REPETITIONS)[:, block]
    drawn = _alphas(counts, times)
    drawn = drawn[np.isfinite(drawn)]  # samples of one label have none
    if total < FEWEST or not len(drawn) or not np.isfinite(value):
        return Estimate(value, np.nan, np.nan, n)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)


def _alphas(counts: Floats, times: Floats | Codes) -> Floats:
    """Alpha of each sample of images, from labels by image and name; `times` [samples, n] each image is in it."""
    of_image = counts.sum(axis=1)
    unlike = (counts * (of_image[:, None] - counts)).sum(axis=1) / (of_image - 1)
    by_name = times @ counts
    total = by_name.sum(axis=1)
    observed = times @ unlike / total
    pairs = total**2 - (by_name**2).sum(axis=1)
    expected = pairs / (total * (total - 1))
    ratio = np.full(len(total), np.nan)
    np.divide(observed, expected, out=ratio, where=expected > 0)
    return 1 - ratio


def mutual_information(filled: pd.DataFrame) -> pd.DataFrame:
    """Adjusted mutual information of each annotator's groups with the clusters, and of every two annotators' groups.

    Parameters
    ----------
    filled : annotator, item, cluster, group, a row per image that an annotator put in a group; `owner` (author) where
        it is known, None for an image without one.

    Returns
    -------
    DataFrame (a, b, value, low, high, n), `b` being "clusters" or another annotator: 0 chance, 1 the same (Vinh, Epps
    & Bailey 2010). Intervals by the jackknife over owners, or over images where they are not known; NaN for fewer than
    three.
    """
    wide = filled.pivot(index="item", columns="annotator", values="group")
    clusters = filled.drop_duplicates("item").set_index("item")["cluster"]
    groupings = {str(name): wide[name] for name in wide.columns}
    pairs = [(name, "clusters") for name in groupings]
    pairs += list(combinations(groupings, 2))
    groupings["clusters"] = clusters
    owners = item_owners(filled)
    rows = []
    for a, b in pairs:
        both = pd.concat([groupings[a], groupings[b]], axis=1).dropna()
        first = pd.factorize(both.iloc[:, 0])[0]
        other = pd.factorize(both.iloc[:, 1])[0]
        of_both = None if owners is None else owners.loc[both.index]
        rows.append({"a": a, "b": b, **dict(_adjusted(first, other, of_both))})
    return pd.DataFrame(rows, columns=["a", "b", "value", "low", "high", "n"])


def item_owners(filled: pd.DataFrame) -> "pd.Series[str] | None":
    """The owner of each image by item, [images], None for one without; None where no owner is known."""
    if "owner" not in filled or filled["owner"].isna().all():
        return None
    return filled.drop_duplicates("item").set_index("item")["owner"]


def _adjusted(first: Codes, other: Codes, owners: Any) -> Estimate:
    from sklearn.metrics import adjusted_mutual_info_score

    def score(rows: Codes) -> float:
        return float(adjusted_mutual_info_score(first[rows], other[rows]))

    return _jackknife(score, len(first), owners)


def split_and_merged(filled: pd.DataFrame) -> pd.DataFrame:
    """Which clusters people split, and which two they merge.

    Parameters
    ----------
    filled : as in `mutual_information`.

    Returns
    -------
    DataFrame (cluster, other, value, low, high, n, least, most, alpha, alpha_low, alpha_high), a row per cluster with
    `other` the same cluster: the share of its pairs of images that annotators put in different groups; and a row per
    two clusters: the share of their pairs that they put in one. Shares are over annotators and pairs. Intervals are by
    the jackknife over owners (images where they are not known), and Wilson's for as many of them where all pairs are
    alike, which does not say that all images are: so they are of these annotators and other images. `least` and `most`
    are the shares of single annotators. `alpha` is Krippendorff's of whether two images are together: whether
    annotators agree on which they split or merge; NaN where all say the same of all pairs.
    """
    pairs = _Pairs.of(filled)
    clusters = filled.drop_duplicates("item").set_index("item")["cluster"]
    cluster = clusters.loc[pairs.items].to_numpy(int)
    owners = item_owners(filled)
    owner = np.arange(len(cluster))
    if owners is not None:
        owner = dense_blocks(owners.loc[pairs.items], len(cluster))
    names = np.unique(cluster)
    rows = []
    for name in names:
        members = np.flatnonzero(cluster == name)
        found = _split(pairs, members, owner)
        rows.append({"cluster": name, "other": name, **found})
    for a, b in combinations(names, 2):
        one, two = np.flatnonzero(cluster == a), np.flatnonzero(cluster == b)
        found = _merged(pairs, one, two, owner)
        rows.append({"cluster": a, "other": b, **found})
    return pd.DataFrame(rows, columns=SEEN)


class _Pairs(NamedTuple):
    """Every two images, by annotator: whether they are in one group, and whether the annotator had both.

    bool [annotators, items, items]; `items` are their names. An image is no pair with itself.
    """

    same: Bools
    both: Bools
    items: Any

    @classmethod
    def of(cls, filled: pd.DataFrame) -> "_Pairs":
        wide = filled.pivot(index="item", columns="annotator", values="group")
        codes = np.stack([pd.factorize(wide[name])[0] for name in wide])
        known = codes >= 0
        both = known[:, :, None] & known[:, None, :]
        both &= ~np.eye(len(wide), dtype=bool)
        same = (codes[:, :, None] == codes[:, None, :]) & both
        return cls(same, both, wide.index)

    def share(self, one: Codes, two: Codes) -> float:
        """The share of pairs of these images that are in one group; NaN without pairs."""
        return float(_ratio(*self._counts(one, two).sum(axis=1)))

    def by_annotator(self, one: Codes, two: Codes) -> Floats:
        """The same of each annotator who had such pairs."""
        same, both = self._counts(one, two)
        return np.asarray(same[both > 0] / both[both > 0], np.float64)

    def _counts(self, one: Codes, two: Codes) -> Codes:
        """Pairs in one group, and all, of each annotator, [2, annotators]."""
        place = np.ix_(np.arange(len(self.same)), one, two)
        counts = [self.same[place].sum(axis=(1, 2)), self.both[place].sum(axis=(1, 2))]
        return np.array(counts)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _split(pairs: _Pairs, members: Codes, owner: Codes) -> dict[str, Any]:
    """How often two images of a cluster are apart."""

    def share(rows: Codes) -> float:
        return 1 - pairs.share(members[rows], members[rows])

    single = 1 - pairs.by_annotator(members, members)
    alpha = _pair_alpha(pairs, members, members, owner)
    return {**dict(_share(share, owner[members])), **_range(single), **alpha}


def _merged(pairs: _Pairs, one: Codes, two: Codes, owner: Codes) -> dict[str, Any]:
    """How often an image of one cluster and one of another are together; they are numbered one after the other."""
    first = len(one)

    def share(rows: Codes) -> float:
        return pairs.share(one[rows[rows < first]], two[rows[rows >= first] - first])

    single = pairs.by_annotator(one, two)
    alpha = _pair_alpha(pairs, one, two, owner)
    return {**dict(_share(share, owner[np.r_[one, two]])), **_range(single), **alpha}


def _pair_alpha(
    pairs: _Pairs, one: Codes, two: Codes, owner: Codes
) -> dict[str, float]:
    """Krippendorff's alpha of whether two images are together, with the jackknife over owners."""
    place = np.ix_(np.arange(len(pairs.same)), one, two)
    together = pairs.same[place].sum(axis=0)
    labels = pairs.both[place].sum(axis=0)
    # Within a cluster each pair is there twice; a pair that one annotator had tells nothing of agreement.
    is_pair = (one[:, None] < two) | ~np.isin(one[:, None], two)
    left, right = np.nonzero(is_pair & (labels >= 2))
    if not len(left):
        return dict.fromkeys(ALPHA, np.nan)
    counts = np.stack([together, labels - together], axis=-1)[left, right].astype(float)
    value = float(_alphas(counts, np.ones((1, len(counts))))[0])
    blocks, sizes = np.unique(owner[np.union1d(one, two)], return_counts=True)
    without_left = owner[one[left]] != blocks[:, None]
    without_right = owner[two[right]] != blocks[:, None]
    stay = without_left & without_right
    if len(blocks) < FEWEST or not stay.any(axis=1).all():
        return dict(zip(ALPHA, (value, np.nan, np.nan), strict=True))
    without = _alphas(counts, stay.astype(float))
    half = half_width(jackknife(without, value, sizes))
    return dict(zip(ALPHA, (value, *limits(value, half, -1.0, 1.0)), strict=True))


def _range(single: Floats) -> dict[str, float]:
    """The smallest and largest share of single annotators; NaN without any."""
    if not len(single):
        return {"least": np.nan, "most": np.nan}
    return {"least": float(single.min()), "most": float(single.max())}


def _share(score: Callable[[Codes], float], owners: Codes) -> Estimate:
    """A share of pairs of images by these owners, [n]; where the jackknife has no width, all pairs are alike."""
    found = _jackknife(score, len(owners), owners)
    if not np.isfinite(found.low):
        return found
    if found.low < found.high:
        return Estimate(found.value, max(0.0, found.low), found.high, found.n)
    count = len(np.unique(owners))
    low, high = wilson(found.value * count, count)
    return Estimate(found.value, float(low), float(high), found.n)


def _jackknife(score: Callable[[Codes], float], n: int, owners: Any = None) -> Estimate:
    """A score of rows, with its interval by leaving out each owner [n], or each row; limits stay within −1 to 1."""
    rows = np.arange(n)
    value = score(rows)
    codes = dense_blocks(owners, n)
    sizes = np.bincount(codes)
    if len(sizes) < FEWEST:
        return Estimate(value, np.nan, np.nan, n)
    without = np.array([score(rows[codes != block]) for block in range(len(sizes))])
    if not np.isfinite(without).all():
        # Some owner has all images that the score is of.
        return Estimate(value, np.nan, np.nan, n)
    half = half_width(jackknife(without, value, sizes))
    return Estimate(value, *limits(value, half, -1.0, 1.0), n)
