"""Which images people label: a sample with known probabilities, stratified by the model's score, authors spread.

`twigma sheets --for COLUMN` draws it. Where a model says much, labels differ most: two thirds of them go to strata in
proportion to their size, one third evenly, so that rare high scores are labelled more often than their share. Within a
stratum images are taken at equal steps along the authors, from a random start (systematic sampling), so each has the
same known chance and no author is drawn much more than their share.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Floats, as_column
from twigma.analysis.inference.intervals import block_codes

QUANTILES = (0.5, 0.75, 0.9, 0.97)  # between the strata
EVEN = 1 / 3  # of the labels, spread evenly over the strata
FEWEST = 2  # labels of a stratum, or its spread is not known
Codes = npt.NDArray[np.int64]


class Draw(NamedTuple):
    """The rows drawn, rising, int64 [m], and the probability of every image, float64 [n]."""

    rows: Codes
    probability: Floats


def score_strata(score: Any, threshold: float | None = None) -> Codes:
    """The stratum of each score, from 0 for the lowest: halves, quarters and the highest tenth and 3 %.

    Parameters
    ----------
    score : float [n].
    threshold : also an edge, so that no stratum holds both verdicts of the model.

    Returns
    -------
    int64 [n], numbers without a gap: equal scores are in one stratum, so there may be fewer of them.

    >>> score_strata([0.0, 0.0, 0.0, 0.9], 0.5).tolist()
    [0, 0, 0, 1]
    """
    values = np.asarray(as_column(score), dtype=np.float64)
    # Edges are scores that occur: between two of them rounding would decide.
    edges = list(np.quantile(values, QUANTILES, method="higher"))
    if threshold is not None:
        edges.append(np.nextafter(threshold, np.inf))
    stratum = np.digitize(values, np.unique(edges))
    return np.asarray(np.unique(stratum, return_inverse=True)[1])


def fewest_labels(strata: Any) -> int:
    """The fewest images that can be drawn: two of each stratum, or its one. `strata` as of `draw_sample`."""
    sizes = np.bincount(np.asarray(strata, dtype=np.int64))
    return int(np.minimum(FEWEST, sizes).sum())


def draw_sample(strata: Any, n: int, authors: Any = None, *, seed: int = 0) -> Draw:
    """Draw n images with known probabilities.

    Parameters
    ----------
    strata : the stratum of each image [N], numbers from 0 without a gap.
    n : images to draw.
    authors : a label per image [N], or None where they are not known.

    Returns
    -------
    Draw. ValueError where n is more than the images, or too few for two of each stratum.
    """
    strata = np.asarray(strata, dtype=np.int64)
    sizes = np.bincount(strata)
    if n > len(strata):
        raise ValueError(
            f"draw_sample: expected at most the {len(strata):,} images there are, found {n:,}"
        )
    least = fewest_labels(strata)
    if n < least:
        raise ValueError(
            f"draw_sample: expected at least {least} labels, {FEWEST} of each of {len(sizes)} strata, found {n}"
        )
    rng = np.random.default_rng(seed)
    counts = _allocated(sizes, n)
    codes = np.arange(len(strata)) if authors is None else block_codes(authors)
    # Authors in random order, and each author's images in random order.
    order = np.lexsort(
        (rng.random(len(strata)), rng.permutation(codes.max() + 1)[codes])
    )
    rows = []
    for stratum, count in enumerate(counts):
        members = order[strata[order] == stratum]
        steps = (np.arange(count) + rng.random()) * len(members) / count
        rows.append(members[steps.astype(np.int64)])
    return Draw(np.sort(np.concatenate(rows)), (counts / sizes)[strata])


def _allocated(sizes: Codes, n: int) -> Codes:
    """How many of n images each stratum gets: at least two, at most all of it."""
    least = np.minimum(FEWEST, sizes)
    counts = least.copy()
    while counts.sum() < n:
        open_ = counts < sizes
        wanted = EVEN * open_ / open_.sum() + (1 - EVEN) * sizes / sizes.sum()
        # The stratum furthest below its share gets the next.
        behind = np.where(open_, wanted * n - counts, -np.inf)
        counts[np.argmax(behind)] += 1
    return counts
