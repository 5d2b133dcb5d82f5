"""Weights of a sample: how many posts of the list each post represents; means that use them, and rows drawn by them.

Two things make the posts of a folder unlike the list they came from, and both have a weight. `twigma rehydrate
--sample N --stratify …` draws strata with unlike chances (`sample_weight`, which a release carries), and posts are
lost since (`survival_weight`, see `survival`). Where they differ, `twigma analyze` weights by their product and says
so; elsewhere nothing changes.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.analysis.convert import Floats
from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.inference.proportions import effective_size
from twigma.analysis.inference.survival import COLUMN as SURVIVAL
from twigma.core.safety.failures import DataError

COLUMN = "sample_weight"
TRIM = 10  # of the mean square of the weights, above which the square of a weight is trimmed
NOTE = "Weighted by sample_weight: each post counts as the posts of the id list it was drawn for."
LOST = "Weighted by survival: each post also counts for those of its stratum of the id list that were lost."


def sample_weights(table: pa.Table) -> Floats | None:
    """The weight of each row, float64[n], or None where there are none to use: no column, all null, or all the same.

    A row without a weight among others with one was not drawn, and represents itself (1), with a warning.
    ValueError for a weight that is not finite or not above 0.
    """
    weights = total_weights(table)
    return None if weights is None or np.ptp(weights) == 0 else weights


def total_weights(table: pa.Table) -> Floats | None:
    """As `sample_weights`, float64 [n], for totals, to which equal weights matter too: None only where all are 1."""
    product = np.ones(1)
    for name in (COLUMN, SURVIVAL):
        weights = _column(table, name)
        if weights is not None:
            product = product * weights
    return None if (product == 1).all() else product


def notes(table: pa.Table, *, of_totals: bool = False) -> tuple[str, ...]:
    """What the weights of this table, one row per image, are, for the reader; nothing where none are used.

    Equal ones are used for totals alone.
    """
    sentences = []
    for name, sentence in ((COLUMN, NOTE), (SURVIVAL, LOST)):
        weights = _column(table, name, quiet=True)
        if weights is None:
            continue
        if np.ptp(weights) > 0 or (of_totals and weights[0] != 1):
            sentences.append(sentence)
    return tuple(sentences)


def _column(table: pa.Table, name: str, quiet: bool = False) -> Floats | None:
    """One column of weights, 1 where it is null; None where it is missing or all null."""
    if name not in table.column_names or table[name].null_count == len(table):
        return None
    values = table[name].to_pandas().to_numpy(dtype=np.float64)
    missing = np.isnan(values)
    weights = np.where(missing, 1.0, values)
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise DataError(
            f"{name}: expected finite weights above 0, found {weights.min()}; draw the sample again"
        )
    if missing.any() and np.ptp(weights) > 0 and not quiet:
        warnings.warn(
            f"{int(missing.sum())} rows without a {name} count as one each",
            stacklevel=3,
        )
    return weights


def thinned(weights: Floats, seed: int = 0) -> npt.NDArray[np.int64]:
    """Rows, rising, drawn with chances in proportion to their trimmed weights, so that they need no weights any more.

    Measures of pairs, neighbours and clusters have no simple weighted form. Here ⌊Σw / max w⌋ rows are drawn, none
    twice, by systematic sampling in random order (Madow 1949), each with the chance nw/Σw: together with the chance
    1/w it was in the sample with, every post of the list has the same. The largest weight decides how many rows
    that are, so that the few largest are trimmed first (`trimmed`).

    Parameters
    ----------
    weights : float64 [n], finite and above 0.

    Returns
    -------
    int64 [m], m = ⌊Σw / max w⌋ of the trimmed weights; all rows where the weights are equal.

    >>> thinned(np.array([1.0, 1.0, 1.0])).tolist()
    [0, 1, 2]
    """
    rng = np.random.default_rng(seed)
    weights = trimmed(weights)
    # Equal weights have to give every row, whatever their sum was rounded to.
    size = int(weights.sum() / weights.max() * (1 + 1e-12))
    order = rng.permutation(len(weights))
    ends = np.cumsum(weights[order]) * (size / weights.sum())
    # Below 1, or the last point could be rounded past the last end.
    points = np.arange(size) + rng.random() * (1 - 1e-9)
    hits = np.searchsorted(ends, points, side="right")
    return np.sort(order[np.minimum(hits, len(order) - 1)])


def trimmed(weights: Floats) -> Floats:
    """Weights of which none is above √(10 Σw²/n), again and again until none is (Potter 1990, as in NAEP).

    A row of weight 1,000 among a thousand of weight 1 would leave two of them. After trimming at least
    √(n · n_eff / 10) rows are drawn, n_eff the effective size (Σw)²/Σw², for a bias in what the few rows represent.

    Parameters
    ----------
    weights : float64 [n], finite and above 0.

    Returns
    -------
    float64 [n]; the weights themselves where none is that large.

    >>> trimmed(np.array([1.0, 2.0, 5.0])).tolist()
    [1.0, 2.0, 5.0]
    """
    w = np.asarray(weights, dtype=np.float64)
    while True:
        most = np.sqrt(TRIM * (w @ w) / len(w))
        # Rounding must not go on for ever.
        if w.max() <= most * (1 + 1e-9):
            return w
        w = np.minimum(w, most)


def trimming_note(weights: Floats) -> str:
    """What trimming did to weights [n], for the reader; empty where it did nothing."""
    w = np.asarray(weights, dtype=np.float64)
    left = trimmed(w)
    above = int((left < w).sum())
    if not above:
        return ""
    before, after = effective_size(w), effective_size(left)
    share = 1 - left.sum() / w.sum()
    which = "The largest weight was"
    if above > 1:
        which = f"The {above:,} largest weights were"
    return (
        f"{which} trimmed to {left.max():.3g}, as few images would be left otherwise: the weights lose {share:.1%} of "
        f"their sum. The effective size is {after:,.0f}, and was {before:,.0f} before."
    )


def weighted_mean(values: Any, weights: Any, clusters: Any = None) -> Estimate:
    """Σ w y / Σ w of a sample drawn with chances 1/w (Hájek 1971), with its 95% interval by linearisation.

    The influence of row i is w_i (y_i − ȳ) n / Σ w.

    Parameters
    ----------
    values, weights : float [n], n ≥ 1.
    clusters : label per row (author, post) whose rows may depend on each other, or None.

    Returns
    -------
    Estimate of n rows, without an interval for fewer than three rows or clusters; where no value is below 0, neither
    is the interval. ValueError for no rows, or unequal lengths.

    >>> weighted_mean([1.0, 1.0, 4.0], [1, 1, 2]).value
    2.5
    """
    y = np.asarray(values, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    if not len(y) or len(y) != len(w):
        raise DataError(
            f"weighted_mean: expected a weight for each of at least one value, found {len(y)}, {len(w)}"
        )
    value = float(np.average(y, weights=w))
    least = 0.0 if y.min() >= 0 else -np.inf
    influence = w * (y - value) * len(y) / w.sum()
    return interval(value, influence, clusters, least=least)
