"""Whether a number of clusters suits the images: silhouette and stability of several fits.

Several fits are made at each k, every one on its own sample and from its own seed, and judged on the same images: a k
whose fits disagree gives other clusters with another seed. `twigma choose-k` and Fig 4b use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

FITS = 10
JUDGED = 5_000  # images that silhouette and stability are of
STABLE = 0.95  # agreement from which on another seed tells the same story

Labels = npt.NDArray[np.int64]
Distances = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Stability:
    """How well several fits of k clusters suit the same images.

    Attributes
    ----------
    silhouette : mean over the fits.
    stability : mean adjusted Rand index over the pairs of fits.
    least_stability : the smallest of these.
    """

    silhouette: float
    stability: float
    least_stability: float

    @property
    def is_stable(self) -> bool:
        """Whether fits from other seeds tell the same story."""
        return self.stability >= STABLE


def judge_fits(fits: Sequence[Labels], distances: Distances) -> Stability:
    """Silhouette and stability of fits, each by its labels int64[n] of the same n images.

    `distances` are those between the images, float[n, n], zero on the diagonal; at least two fits.
    """
    from sklearn.metrics import adjusted_rand_score

    agreement = [adjusted_rand_score(one, two) for one, two in combinations(fits, 2)]
    silhouettes = [silhouette(distances, labels) for labels in fits]
    return Stability(
        silhouette=float(np.mean(silhouettes)),
        stability=float(np.mean(agreement)),
        least_stability=float(min(agreement)),
    )


def silhouette(distances: Distances, labels: Labels) -> float:
    """Mean of (b − a)/max(a, b) over n images.

    a is the mean distance to the other images of the own cluster, b that to the images of the nearest other cluster.
    An image alone in its cluster counts 0 (Rousseeuw 1987).

    Parameters
    ----------
    distances : float[n, n] between the images, zero on the diagonal.
    labels : int64[n].

    Returns
    -------
    -1 to 1; NaN for one cluster, or for as many clusters as images.

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 9.0, 10.0])
    >>> round(silhouette(np.abs(line[:, None] - line), np.array([1, 1, 2, 2])), 3)
    0.889
    """
    codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(codes)
    if not 1 < len(sizes) < len(labels):
        return float("nan")
    member = np.eye(len(sizes))[codes]
    sums = distances @ member  # of the distances from each image to each cluster
    companions = sizes[codes] - 1
    own = sums[np.arange(len(codes)), codes] / np.maximum(companions, 1)
    other = np.where(member > 0, np.inf, sums / sizes).min(axis=1)
    widest = np.maximum(own, other)
    width = np.zeros(len(codes))
    counted = (widest > 0) & (companions > 0)
    np.divide(other - own, widest, out=width, where=counted)
    return float(width.mean())
