"""Images by one author, of one artist or of one prompt as a block: what depends on each other stays together.

A set's blocks are labels, one an image; an image without one is a block of its own. An interval comes from leaving out
each block in turn (the jackknife), with Student's quantile for as many blocks as count. `permutation` divides blocks.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats, as_column
from twigma.core.safety.failures import DataError

# Blocks of which an interval can be made. Two have a single difference, which tells nothing of its own size: where the
# two are mirror images it has no width, and else Student's quantile is 12.7.
FEWEST = 3
FEW = 30  # effective blocks below which an interval is not to be trusted
Codes = npt.NDArray[np.int64]


class Spread(NamedTuple):
    """Variance of an estimate from the blocks of one set, and how many blocks it rests on."""

    variance: float  # NaN for fewer than three blocks
    blocks: float  # effective number


def dense_blocks(labels: Any, n: int) -> Codes:
    """The block of each of `n` rows, numbered from 0 without gaps, int64[n].

    Parameters
    ----------
    labels : text, numbers or None, [n], a row without one being a block of its own; None where all are.

    >>> dense_blocks(["ada", None, "ada", "bo"], 4).tolist()
    [0, 2, 0, 1]
    """
    if labels is None:
        return np.arange(n)
    column = pd.Series(as_column(labels)).reset_index(drop=True)
    if len(column) != n:
        raise DataError(
            f"blocks: expected a label for each of {n} rows, found {len(column)}"
        )
    codes = pd.factorize(column)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def known_blocks(labels: Any) -> bool:
    """Whether any row has a label: `labels` [n], or None where a set has no such column."""
    return labels is not None and bool(pd.Series(as_column(labels)).notna().any())


def effective_number(influence: Floats) -> Floats:
    """(Σ s_g²)² / Σ s_g⁴ of each column: as how many blocks of equal weight these count, float64 [k]; 0 for no weight.

    Parameters
    ----------
    influence : float64 [blocks, k], how far each block moves each of k numbers.

    >>> effective_number(np.array([[1.0, 3.0], [1.0, 0.0], [-1.0, 0.0]])).tolist()
    [3.0, 1.0]
    """
    squares = influence**2
    fourth = (squares**2).sum(axis=0)
    total = squares.sum(axis=0) ** 2
    number = np.zeros(len(fourth))
    np.divide(total, fourth, out=number, where=fourth > 0)
    return number


def effective_blocks(sizes: Any) -> float:
    """(Σ s²)² / Σ s⁴ of the sizes of blocks [g]: so many blocks of one size vary as much; 0 where there are none.

    These are Satterthwaite's degrees of freedom where the rows of a block are alike, so that its part of the variance
    grows as its size squared. One author with most of the images counts for most of the estimate.

    >>> effective_blocks([5, 5, 5]), effective_blocks([])
    (3.0, 0.0)
    >>> round(effective_blocks([100, 1, 1, 1]), 3)
    1.001
    """
    column = np.asarray(sizes, dtype=np.float64).reshape(-1, 1)
    return float(effective_number(column)[0])


def effective_blocks_of(labels: Any, n: int) -> float:
    """`effective_blocks` of the labels [n] of a set of `n` rows, or None where all are blocks of their own."""
    return effective_blocks(np.bincount(dense_blocks(labels, n)))


def jackknife(replicates: Floats, value: float, sizes: Any) -> Spread:
    """(G−1)/G Σ_g (θ_(−g) − θ)²: the variance of an estimate from its values without each block (Tukey; CV3).

    It is NaN for fewer than three blocks.

    Parameters
    ----------
    replicates : float64 [g], the estimate without each block. value : the estimate, θ.
    sizes : rows, or their weights, of each block [g].
    """
    blocks = effective_blocks(sizes)
    count = len(replicates)
    if count < FEWEST:
        return Spread(float("nan"), blocks)
    away = replicates - value
    return Spread(float(away @ away) * (count - 1) / count, blocks)


def mean_jackknife(values: Any, codes: Codes, weights: Any = None) -> Spread:
    """`jackknife` of the mean Σ w y / Σ w of values [n] in blocks int64[n] (`dense_blocks`), weights float [n]."""
    y = np.asarray(values, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    sizes = np.bincount(codes, weights=w)
    if len(sizes) < FEWEST:
        return jackknife(np.zeros(len(sizes)), 0.0, sizes)
    value = float(y @ w / w.sum())
    # Of deviations from the mean, as the mean of large numbers would lose digits.
    sums = np.bincount(codes, weights=w * (y - value))
    return jackknife(-sums / (w.sum() - sizes), 0.0, sizes)


def half_width(*spreads: Spread) -> float:
    """Half of the 95% interval of an estimate to which each of the sets adds a variance; NaN where one is.

    Student's quantile has Satterthwaite's degrees of freedom: (Σ v)² / Σ v²/(b − 1), b effective blocks, 1 at least.
    """
    # Imported here: `twigma analyze` answers from finished results without it.
    from scipy import stats

    variances = np.array([spread.variance for spread in spreads])
    if not np.isfinite(variances).all():
        return float("nan")
    total = variances.sum()
    if total == 0:
        return 0.0
    freedom = np.maximum(1.0, [spread.blocks - 1 for spread in spreads])
    degrees = total**2 / np.sum(variances**2 / freedom)
    return float(stats.t.ppf(0.975, degrees) * np.sqrt(total))


# ------------------------------------------------------------------ said to the reader


def unknown_note(names: list[str]) -> str:
    """What a result says of sets whose owners (authors, artists, prompts) are not known; "" for none.

    >>> unknown_note([])
    ''
    """
    if not names:
        return ""
    return (
        f"Owners unknown in {', '.join(names)}: images are taken as independent. Where some are of one author, artist "
        "or prompt, intervals are too narrow and p too small."
    )


def few_note(blocks: Mapping[str, float]) -> str:
    """A warning of the sets, by name, with fewer than 30 effective blocks; "" where all have enough.

    >>> few_note({"laion": 400.0})
    ''
    >>> few_note({"twigma": 8.25})[:66]
    'Few authors, artists or prompts: those of twigma count as 8.2 of o'
    """
    few = [f"those of {name} count as {n:.1f}" for name, n in blocks.items() if n < FEW]
    if not few:
        return ""
    return (
        f"Few authors, artists or prompts: {', '.join(few)} of one size, below {FEW}, so intervals over them may hold "
        "the truth less often than 95%, and tests may be wrong more often than stated. "
        f"Where there are fewer than {FEWEST}, whatever their sizes, there is no interval."
    )
