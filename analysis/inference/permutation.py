"""Tests by dividing complete blocks (authors, artists, prompts) at random between two sets, and p without a floor."""

from typing import Any

import numpy as np
import numpy.typing as npt

from twigma.analysis.convert import Floats
from twigma.core.safety.failures import DataError

ENOUGH = 20  # draws at least as large, from which their share is a p on its own
TAIL = 0.1  # of the draws, the largest, to which the tail is fitted
LEAST_TAIL = 30  # draws in it
SMALLEST = 1e-12  # p: what hundreds of draws say of less is no measurement
MISFIT = 0.05  # p of the Kolmogorov-Smirnov test below which the tail starts higher


def random_divisions(
    sizes: Any, rows: int, draws: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Random sets of complete blocks that have about `rows` rows, bool [draws, g].

    Blocks of a random order are taken while they fit, and the next one where this comes nearer to `rows`; at least one,
    and not all. Sets of equal sizes are divided as they vary, even where the blocks of one are larger than those of
    the other: its permutation variance is then that of the difference.

    Parameters
    ----------
    sizes : rows of each block [g], g ≥ 2, of both sets together. rows : of the first set.
    """
    sizes = np.asarray(sizes, dtype=np.float32)
    count = len(sizes)
    if count < 2:
        raise DataError(f"random_divisions: expected at least 2 blocks, found {count}")
    first = np.empty((draws, count), dtype=bool)
    for draw in range(draws):
        order = rng.permutation(count)
        ends = np.cumsum(sizes[order], dtype=np.float64)
        taken = int(np.searchsorted(ends, rows, side="right"))
        if taken < count:
            before = ends[taken - 1] if taken else 0.0
            taken += bool(ends[taken] - rows < rows - before)
        taken = min(max(taken, 1), count - 1)
        first[draw] = False
        first[draw, order[:taken]] = True
    return first


def tail_p(value: float, null: Any) -> float:
    """P that a draw of the null is at least `value`: a share of the draws, or of a tail fitted to the largest.

    With 20 draws or more at least as large it is (1 + #)/(1 + draws). Beyond, a generalised Pareto distribution is
    fitted to what the largest tenth exceeds the next draw by (Knijnenburg et al. 2009), so that p has no floor of
    1/(1 + draws) for multiplicity to raise above any level. The tail starts higher as long as a Kolmogorov–Smirnov
    test rejects it. A tail that would end is taken as exponential: sums of squares, as KL and MMD² are without a
    difference, have tails that never end.

    Parameters
    ----------
    value : of the data. null : float [draws].

    Returns
    -------
    float, 1e-12 at least; 1 for a null that does not vary and is at least as large.
    """
    from scipy import stats

    null = np.sort(np.asarray(null, dtype=np.float64))
    # A tie that rounding broke counts as a tie.
    slack = 1e-12 * max(1.0, float(np.abs(null).max()))
    larger = int((null >= value - slack).sum())
    share = (1 + larger) / (1 + len(null))
    if larger >= ENOUGH or np.ptp(null) <= slack:
        return share
    size = max(LEAST_TAIL, int(TAIL * len(null)))
    while size > LEAST_TAIL and not _fits(null, size):
        size = max(LEAST_TAIL, int(0.8 * size))
    if len(null) <= size:
        return share
    start, excess = _tail(null, size)
    if value <= start or not excess.any():
        return share
    shape, scale = _pareto(excess)
    beyond = float(stats.genpareto.sf(value - start, shape, scale=scale))
    return max(SMALLEST, size / len(null) * beyond)


def _tail(null: Floats, size: int) -> tuple[float, Floats]:
    """Where the tail of the `size` largest of the sorted draws starts, and by how much they exceed that."""
    start = float((null[-size - 1] + null[-size]) / 2)
    return start, np.maximum(null[-size:] - start, 0.0)


def _fits(null: Floats, size: int) -> bool:
    """Whether a generalised Pareto distribution fits the `size` largest of the sorted draws."""
    from scipy import stats

    if len(null) <= size:
        return False
    excess = _tail(null, size)[1]
    if not excess.any():
        return False
    shape, scale = _pareto(excess)
    test = stats.kstest(excess, stats.genpareto(shape, scale=scale).cdf)
    return bool(test.pvalue >= MISFIT)


def _pareto(excess: Floats) -> tuple[float, float]:
    """Shape ≥ 0 and scale of the generalised Pareto distribution of [t] rising excesses, not all 0.

    By probability-weighted moments (Hosking & Wallis 1987), a thousandth of the time of the likelihood's maximum.
    """
    mean = float(excess.mean())
    rank = np.arange(len(excess))
    above = 1 - rank / (len(excess) - 1)
    moment = float(np.mean(above * excess))
    shape = 2 - mean / (mean - 2 * moment)
    if shape <= 0:
        return 0.0, mean
    return float(shape), 2 * mean * moment / (mean - 2 * moment)
