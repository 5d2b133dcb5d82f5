"""Whether the images' place on the map depends on when they were posted (Fig 4a); `twigma analyze` runs it.

An author's images lie close together and are posted close together. Taken as independent, they show a drift where
there is none, so only pairs of images by different authors are compared here.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, aligned, as_column, as_matrix
from twigma.analysis.inference.blocks import FEW
from twigma.analysis.inference.intervals import Estimate, block_codes
from twigma.analysis.inference.sample_weights import thinned
from twigma.core.safety.failures import DataError

MILLISECONDS = 86_400_000  # of a day
DRAWS = 999  # of signs
FEWEST = 4  # authors of which a correlation can be told


@dataclass(frozen=True, repr=False)
class Dependence(Estimate):
    """A distance correlation of `n` images, without an interval, and the p value of independence.

    `p_floor` is the smallest p that changing the signs of so few authors can be expected to give.
    """

    p: float
    p_floor: float
    authors: int | None  # of the images; None where they are not known
    without_author: int = 0  # images, each taken as by an author of its own

    def keys(self) -> Iterator[str]:
        """Without the limits, which it does not have."""
        return iter(("value", "p", "p_floor", "n", "authors", "without_author"))


class _Blocks(NamedTuple):
    """Images sorted by author: where each author's begin, how many, and the author of each image."""

    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]


def drift(
    points: Any,
    created_at: Any,
    authors: Any = None,
    *,
    weights: Any = None,
    n: int = 2000,
    seed: int = 0,
) -> Dependence:
    """How far the images' place depends on when they were posted: bias-corrected distance correlation (Fig 4a).

    0 where place and time are independent, 1 where one fixes the other (Székely & Rizzo 2013, squared form), over pairs
    of images by different authors, where each author counts the same. The p value is of a wild bootstrap that changes
    the signs of whole authors (Chwialkowski, Sejdinovic & Gretton 2014). Without authors every image is taken as by
    another one, and p can be far too small.

    Parameters
    ----------
    points : matrix [N, d], places of the images (map coordinates or embeddings).
    created_at : datetime64 [N].
    authors : label per image, [N]; an image without one is by an author of its own. None where they are not known.
    weights : float [N] of a sample; images are then drawn by them (`sample_weights.thinned`). None: all count the same.
    n : images drawn when there are more, as the cost is n^2.

    Returns
    -------
    Dependence of n images. ValueError when all places, or all dates, are the same, and for fewer than 4 authors:
    nothing can depend on them. Fewer than 30 authors are warned of.
    """
    columns = aligned("drift", created_at=created_at, authors=authors, weights=weights)
    points, created_at = as_matrix(points), as_column(columns["created_at"])
    rng = np.random.default_rng(seed)
    drawn = np.arange(len(points))
    if weights is not None:
        drawn = thinned(np.asarray(as_column(columns["weights"]), np.float64), seed)
    rows = np.sort(rng.choice(drawn, min(n, len(drawn)), replace=False))
    if len(rows) < FEWEST:
        raise DataError(
            f"drift needs at least {FEWEST} images with a place and a date, found {len(rows)}"
        )
    code = np.arange(len(rows))
    alone = 0
    if authors is not None:
        names = pd.Series(as_column(columns["authors"])[rows])
        alone = int(names.isna().sum())
        code = block_codes(names)
    order = np.argsort(code, kind="stable")
    rows, blocks = rows[order], _by_author(code[order])
    known = None if authors is None else len(blocks.sizes)
    if len(blocks.sizes) < FEWEST:
        raise DataError(
            f"drift needs images by at least {FEWEST} authors, found {len(blocks.sizes)}"
        )
    if known is not None and known < FEW:
        warnings.warn(
            f"drift: images by only {known} authors{_counted(alone)}, so its p value is rough",
            stacklevel=2,
        )
    places, days = _checked(points[rows], created_at[rows])
    value, p = _dependence(places, days, blocks, rng)
    floor = _smallest_p(len(blocks.sizes))
    if known is not None:
        known -= alone
    return Dependence(value, np.nan, np.nan, len(rows), p, floor, known, alone)


def _counted(alone: int) -> str:
    """That images without an author are among the authors."""
    return f", {alone} of them images without an author" if alone else ""


def _smallest_p(authors: int) -> float:
    """All signs alike give the statistic itself, so that two of the 2^G sets of signs always reach it."""
    return max(2.0 ** (1 - authors), 1 / (1 + DRAWS))


def _checked(places: Array, created_at: Array) -> tuple[Floats, Floats]:
    """Places [n, d] and days [n, 1]; ValueError where they do not differ."""
    if not np.isfinite(places).all() or not np.ptp(places, axis=0).any():
        raise DataError(
            "drift: expected places on the map that differ, found the same for all images, or none"
        )
    milliseconds = created_at.astype("datetime64[ms]").astype(np.int64)
    days = milliseconds[:, None] / MILLISECONDS
    if not np.ptp(days):
        raise DataError(
            "drift: all images have the same date, so place cannot depend on it; collect a longer period"
        )
    return places.astype(np.float64), days


def _dependence(
    places: Floats, days: Floats, blocks: _Blocks, rng: np.random.Generator
) -> tuple[float, float]:
    """The distance correlation of places and days, and its p value."""
    from scipy.spatial.distance import pdist, squareform

    a = _centred(squareform(pdist(places)), blocks)
    b = _centred(squareform(pdist(days)), blocks)
    both = _between_authors(a * b, blocks)
    norm = np.sqrt(
        _between_authors(a * a, blocks).sum() * _between_authors(b * b, blocks).sum()
    )
    value = float(both.sum() / norm) if norm > 0 else 0.0
    signs = rng.choice([-1.0, 1.0], size=(len(both), DRAWS))
    drawn = np.einsum("gr,gr->r", signs, both @ signs)
    # As large or larger, but for rounding.
    reached = int((drawn >= both.sum() * (1 - 1e-9)).sum())
    return value, (1 + reached) / (1 + DRAWS)


def _by_author(code: npt.NDArray[np.int64]) -> _Blocks:
    """Of the sorted author codes [n]."""
    _, starts, place, sizes = np.unique(
        code, return_index=True, return_inverse=True, return_counts=True
    )
    return _Blocks(starts, sizes, place)


def _between_authors(products: Floats, blocks: _Blocks) -> Floats:
    """The mean of each two authors' pairs of images, [authors, authors]; 0 for an author with itself."""
    rows = np.add.reduceat(products, blocks.starts, axis=0)
    sums = np.add.reduceat(rows, blocks.starts, axis=1)
    means = sums / np.outer(blocks.sizes, blocks.sizes)
    np.fill_diagonal(means, 0)
    return np.asarray(means)


def _centred(distance: Floats, blocks: _Blocks) -> Floats:
    """Distances [n, n] less r_i + r_j, so that each image's mean over the images of all other authors is 0.

    Where every image is by another author, this is the U-centring of Székely and Rizzo, whose products have no bias.
    With y_i the sum over other authors of their mean distance to image i, and G authors, the conditions
    (G − 1) r_i + Σ_{h ≠ g(i)} r̄_h = y_i are solved for the mean of all r, then of each author's, then r.
    """
    n = len(blocks.sizes)
    to_authors = np.add.reduceat(distance, blocks.starts, axis=1) / blocks.sizes
    own = to_authors[np.arange(len(distance)), blocks.code]
    y = to_authors.sum(axis=1) - own
    of_author = np.add.reduceat(y, blocks.starts) / blocks.sizes
    total = of_author.sum() / (2 * (n - 1))  # of r̄ over all authors
    r_author = (of_author - total) / (n - 2)
    r = (y - total + r_author[blocks.code]) / (n - 1)
    return np.asarray(distance - r[:, None] - r[None, :])
