"""How similar reference images are to their nearest other one: the null of the most similar pairs (Fig 4e).

A permutation p value is never below 1 / (1 + images of the null), which no adjustment for 800,000 images survives. The
tail fitted here has no such floor: that few rows lie within a distance r of a row falls as a power of r, so on the
scale t = −log(1 − similarity) what exceeds a high threshold is exponential (Levina & Bickel 2004).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from twigma.analysis.convert import Array, Floats
from twigma.analysis.neighbours.blocks import Search
from twigma.analysis.neighbours.search import nearest

NEAR = 0.95  # cosine from which two images are called near-identical
# Cosines of float16 embeddings are rounded by about as much; two equal images are this far apart.
CLOSEST = 1e-6
LARGEST_SHARE = 0.05  # of the reference that may be called its tail
FEWEST = 30  # images of a tail that a fit is made to
LEAST_PRECISION = 10  # exceedances that a fit is worth at least
# Kolmogorov and Smirnov's level: with a fitted scale, 0.2 of their table is about 0.05 (Lilliefors 1969).
MISFIT = 0.2


@dataclass(frozen=True)
class NearestTail:
    """The upper tail of the similarity of reference images to their nearest other one."""

    threshold: float  # similarity above which the tail begins; nothing at or below it is tested
    scale: float  # mean excess of t = −log(1 − similarity) over the threshold, and one standard error more
    precision: float  # exceedances without truncation that would fix the scale as well
    pairs: int  # distinct pairs of reference images that it was fitted to
    fit: float  # p value of Kolmogorov and Smirnov, of the fit

    def p(self, similarity: Any) -> Floats:
        """The chance that two reference images above the threshold are as similar or more; NaN below it.

        P(T > t) = (1 + (t − u) / (k σ))^−k, which tends to exp(−(t − u) / σ) and allows for σ being an estimate from
        k exceedances. All p values share this σ, so that one too small would spoil them together: it is a standard
        error above the estimate.

        Parameters
        ----------
        similarity : float [n], cosines.

        Returns
        -------
        float64[n].
        """
        similarity = np.asarray(similarity, dtype=np.float64)
        excess = _depth(similarity) - _depth(self.threshold)
        ratio = np.maximum(excess, 0) / (self.precision * self.scale)
        p = np.exp(-self.precision * np.log1p(ratio))
        return np.where(similarity > self.threshold, p, np.nan)


@dataclass(frozen=True)
class NearestNull:
    """The reference against itself: how many near-identical pairs it has, and the tail without them."""

    m: int  # reference images
    near: int  # with another one at NEAR or more
    tail: NearestTail | None  # None where the reference has none that can be fitted
    why: str = ""  # there is none


def nearest_null(reference: Array, search: Search = nearest) -> NearestNull:
    """The null of one reference [m, d], m >= 2, of all its rows; one search of the reference in itself.

    Rows with a near-identical one (cosine of `NEAR` or more) are taken as repeats: they are left out, and the tail is
    fitted as truncated there, so that it goes on beyond. Two images that are each other's nearest are one pair.
    """
    similarities, rows = search(reference, reference, 2)
    # The nearest is mostly the row itself; of equal rows it may be the other one.
    own = rows[:, 0] == np.arange(len(rows))
    other = np.where(own, rows[:, 1], rows[:, 0])
    similarity = similarities[:, 1].astype(np.float64)
    is_near = similarity >= NEAR
    pairs = np.sort(np.column_stack([np.arange(len(rows)), other]), axis=1)
    tail, why = fit_tail(similarity[~is_near], pairs[~is_near])
    return NearestNull(len(reference), int(is_near.sum()), tail, why)


def fit_tail(similarity: Floats, pairs: Array) -> tuple[NearestTail | None, str]:
    """The largest tail that is exponential, and why there is none.

    Tried are the most similar images, `LARGEST_SHARE` of all, then half as many, down to `FEWEST`.

    Parameters
    ----------
    similarity : float64[m], of each image to its nearest other one, below NEAR.
    pairs : int64[m, 2], the two rows, the lower one first.
    """
    order = np.argsort(-similarity, kind="stable")
    size = max(FEWEST, int(LARGEST_SHARE * len(order)))
    if len(order) < 2 * FEWEST:
        return None, f"fewer than {2 * FEWEST} of its images are not near-identical"
    while size >= FEWEST:
        threshold = similarity[order[size]]
        distinct = np.unique(pairs[order[:size]], axis=0, return_index=True)[1]
        tail = _exponential(threshold, similarity[order[:size]][distinct])
        if tail is not None and tail.fit >= MISFIT:
            return tail, ""
        size //= 2
    return None, "its closest images are close in no regular way"


def _exponential(threshold: float, similarity: Floats) -> NearestTail | None:
    """The exponential tail above a threshold, by maximum likelihood from values truncated at NEAR.

    The mean excess of such values is σ − c / (exp(c / σ) − 1) with c the excess at NEAR; None where it is that of a
    tail which does not fall.
    """
    # Imported here: `twigma analyze` answers from finished results without it.
    from scipy import optimize, stats

    excess = _depth(similarity) - _depth(threshold)
    end = float(_depth(NEAR) - _depth(threshold))
    mean = float(excess.mean())
    if not 0 < mean < 0.49 * end:
        return None

    def surplus(rate: float) -> float:
        return float(1 / rate - end / np.expm1(rate * end) - mean)

    # A mean of nearly half the range is a rate of nearly 0; 1 / mean is that without truncation.
    rate = optimize.brentq(surplus, 1e-3 / end, 1.001 / mean)
    half = rate * end / 2
    known = 1 - (half / np.sinh(half)) ** 2  # of the information about the rate
    precision = len(excess) * float(known)
    if precision < LEAST_PRECISION:
        return None
    cut = stats.truncexpon(b=rate * end, scale=1 / rate)
    return NearestTail(
        threshold=float(threshold),
        scale=(1 + precision**-0.5) / rate,
        precision=precision,
        pairs=len(excess),
        fit=float(stats.kstest(excess, cut.cdf).pvalue),
    )


def _depth(similarity: Any) -> Any:
    """−log(1 − similarity), 0.7 for 0.5 and 4.6 for 0.99."""
    return -np.log(np.maximum(1 - similarity, CLOSEST))
