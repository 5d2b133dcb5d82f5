"""Whether the images' place depends on when they were posted (Fig 4a): a distance correlation, by authors.

`twigma analyze` runs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from twigma.analysis.convert import Floats, as_column, as_matrix
from twigma.analysis.inference.intervals import Estimate, block_codes
from twigma.analysis.inference.sample_weights import thinned

MILLISECONDS = 86_400_000  # of a day
FEWEST = 4  # independent units of a bias-corrected distance correlation


@dataclass(frozen=True, repr=False)
class Dependence(Estimate):
    """A distance correlation of `n` images, without an interval, and the p value of independence of its blocks."""

    p: float
    blocks: int  # that p takes as the sample; 0 where it takes the images

    def keys(self) -> Iterator[str]:
        """Without the limits, which it does not have."""
        return iter(("value", "p", "n", "blocks"))


def drift(
    points: Any,
    created_at: Any,
    n: int = 2000,
    seed: int = 0,
    *,
    weights: Any = None,
    blocks: Any = None,
) -> Dependence:
    """How far the images' place depends on when they were posted: bias-corrected distance correlation (Fig 4a).

    0 where place and time are independent, 1 where one fixes the other (Szekely & Rizzo 2013, squared form).
    The p-value is the chi-square bound of Shen, Panda & Vogelstein (2022). With blocks (authors) it is that of the
    mean distances between two of them, [G, G], in place of those of two images: an author posts alike images in a few
    weeks, which is no drift.

    Parameters
    ----------
    points : matrix [N, d], places of the images (map coordinates or embeddings).
    created_at : datetime64 [N].
    n : images drawn when there are more, as the cost is n^2.
    weights : float [N] of a sample; images are then drawn by them (`sample_weights.thinned`). None: all count the same.
    blocks : label per image whose images may depend on each other, [N], or None.

    Returns
    -------
    Dependence of n images. ValueError when all places, or all dates, are the same: nothing can depend on them. Fewer
    than 4 blocks have no p.
    """
    points, created_at = as_matrix(points), as_column(created_at)
    rng = np.random.default_rng(seed)
    drawn = np.arange(len(points))
    if weights is not None:
        drawn = thinned(np.asarray(as_column(weights), dtype=np.float64), seed)
    rows = np.sort(rng.choice(drawn, min(n, len(drawn)), replace=False))
    if len(rows) < FEWEST:
        raise ValueError(
            f"drift needs at least {FEWEST} images with a place and a date, found {len(rows)}"
        )
    places = points[rows]
    if not np.isfinite(places).all() or not np.ptp(places, axis=0).any():
        raise ValueError(
            "drift: expected places that are finite and differ, found one place for all images, or NaN"
        )
    milliseconds = created_at[rows].astype("datetime64[ms]").astype(np.int64)
    days = milliseconds[:, None] / MILLISECONDS
    if not np.ptp(days):
        raise ValueError(
            "drift: all images have the same date, so place cannot depend on it; collect a longer period"
        )
    apart = squareform(pdist(places.astype(np.float64)))
    between = squareform(pdist(days))
    value = _distance_correlation(apart, between)
    if blocks is None:
        p = _no_more_than(value, len(rows))
        return Dependence(value, np.nan, np.nan, len(rows), p, 0)
    codes = np.unique(block_codes(as_column(blocks)[rows]), return_inverse=True)[1]
    count = int(codes.max()) + 1
    p = np.nan
    if count >= FEWEST:
        of_blocks = _distance_correlation(
            _between_blocks(apart, codes), _between_blocks(between, codes)
        )
        p = _no_more_than(of_blocks, count)
    return Dependence(value, np.nan, np.nan, len(rows), p, count)


def _no_more_than(correlation: float, n: int) -> float:
    """The p-value of a bias-corrected distance correlation of n independent pairs, at most."""
    # n·dCor + 1 is bounded by a chi-square of one degree of freedom: no permutations are needed.
    return float(stats.chi2.sf(n * correlation + 1, 1))


def _distance_correlation(one: Floats, other: Floats) -> float:
    """Bias-corrected distance correlation of two distance matrices [n, n]; their diagonals do not count."""
    a, b = _centred(one), _centred(other)
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def _between_blocks(distance: Floats, codes: npt.NDArray[np.int64]) -> Floats:
    """Mean distance of the rows of two blocks, [G, G] from [n, n]; 0 on the diagonal."""
    member = np.zeros((int(codes.max()) + 1, len(codes)))
    member[codes, np.arange(len(codes))] = 1
    member /= member.sum(axis=1, keepdims=True)
    means = member @ distance @ member.T
    np.fill_diagonal(means, 0)
    return np.asarray(means)


def _centred(distance: Floats) -> Floats:
    """U-centred distance matrix [n, n]: row and column means removed so that the product has no bias."""
    n = len(distance)
    # n − 2 and (n − 1)(n − 2), not n and n²: with these the product of two independent samples has mean 0.
    means = distance.sum(axis=1) / (n - 2)
    mean = distance.sum() / ((n - 1) * (n - 2))
    centred = distance - means[:, None] - means[None, :] + mean
    np.fill_diagonal(centred, 0)
    return np.asarray(centred)
