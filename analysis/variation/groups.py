"""Distances within the groups of a set and between them: paintings by artist, images by prompt (Fig 3a).

Groups are the sample: intervals come from the groups, not from their rows. `twigma analyze` runs it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_column, as_matrix
from twigma.analysis.inference.blocks import FEWEST
from twigma.analysis.inference.intervals import interval
from twigma.analysis.variation.distance import (
    EXACT,
    mean_squared_distance,
    weighted_distances,
)
from twigma.analysis.vectors.samples import finite_matrix
from twigma.core.safety.failures import DataError

DRAWS = 2000  # bootstrap draws of groups

Codes = npt.NDArray[np.int64]


def grouped_distance(x: Any, groups: Any, *, seed: int = 0) -> pd.DataFrame:
    """Mean distance within groups: an artist's paintings, the images of one prompt (Fig 3a).

    Parameters
    ----------
    x : matrix [n, d].
    groups : label per row, [n]; rows without one, and groups of a single row, are left out.
    seed : of the 2,000 bootstrap draws of complete groups.

    Returns
    -------
    DataFrame of two rows, weighting "group" (every group counts the same) and "pair" (every pair does), with
    columns weighting, value, low, high, groups, pairs, n, seed; two groups have no limits. ValueError with
    fewer than two.
    """
    x = as_matrix(x)
    x, codes = complete_groups(x, groups, len(x), seed)
    sizes = np.bincount(codes)
    pairs = sizes * (sizes - 1) / 2
    within = each_group(x, codes, _mean_distance)
    rng = np.random.default_rng(seed)
    draws = np.empty((DRAWS, 2))
    for draw in range(DRAWS):
        rows = rng.integers(len(sizes), size=len(sizes))
        by_pair = np.average(within[rows], weights=pairs[rows])
        draws[draw] = within[rows].mean(), by_pair
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    if len(sizes) < FEWEST:
        low, high = np.full((2, 2), np.nan)
    table = pd.DataFrame(
        {
            "weighting": ["group", "pair"],
            "value": [within.mean(), np.average(within, weights=pairs)],
            "low": low,
            "high": high,
        }
    )
    return table.assign(groups=len(sizes), pairs=int(pairs.sum()), n=len(x), seed=seed)


def same_different_ratio(
    x: Any, groups: Any, *, n: int = EXACT, seed: int = 0
) -> pd.DataFrame:
    """Mean distance within a group over that between groups, about 0.5 for prompts (paper, Fig 3a).

    Groups count the same, whatever their size. The interval takes the groups as the sample (delta method).

    Parameters
    ----------
    x : matrix [N, d]. groups : label per row, [N].
    n : rows at most; of more, random complete groups are taken, as many as fit, since every pair of rows counts.

    Returns
    -------
    DataFrame of one row: ratio, low, high, same, different, r2 (share of the variance that the groups explain), groups,
    n. ValueError with fewer than two groups, or when all rows are equal.
    """
    x, codes = complete_groups(x, groups, n, seed)
    sizes = np.bincount(codes)
    count = len(sizes)
    within = each_group(x, codes, _mean_distance)
    weight = 1 / sizes[codes]
    # Σ over groups g' of the mean distance of g to g', its own rows included.
    towards = np.bincount(codes, weights=weight * weighted_distances(x, weight))
    between = (towards - within * (sizes - 1) / sizes) / (count - 1)
    same = float(within.mean())
    different = float(between.mean())
    if different == 0:
        raise DataError(
            "same_different_ratio: all rows are equal, so the ratio is not defined"
        )
    ratio = same / different
    # A pair of groups is in the mean of both, hence the 2.
    influence = (within - same) / different
    influence = influence - ratio * 2 * (between - different) / different
    limits = interval(ratio, influence, least=0.0)
    row = {
        "ratio": ratio,
        "low": limits.low,
        "high": limits.high,
        "same": same,
        "different": different,
        "r2": _explained(x, codes, sizes),
        "groups": count,
        "n": len(x),
    }
    return pd.DataFrame([row])


def complete_groups(x: Any, groups: Any, n: int, seed: int) -> tuple[Array, Codes]:
    """Random complete groups of two or more rows, as many as fit in `n` rows (two at least), recoded from 0.

    Parameters
    ----------
    x : matrix [N, d]. groups : label per row, [N]; None for none.

    Returns
    -------
    (rows, codes) : float [m, d] and int64[m]. ValueError with fewer than two groups.
    """
    x = as_matrix(x)
    labels = pd.Series(np.asarray(as_column(groups), dtype=object))
    if len(labels) != len(x):
        raise DataError(
            f"groups: expected a label for each of {len(x)} rows, found {len(labels)}"
        )
    codes = pd.factorize(labels)[0]
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sizes >= 2))
    if len(order) < 2:
        raise DataError(
            f"groups: expected at least two groups of two or more rows, found {len(order)}"
        )
    fitting = int((np.cumsum(sizes[order]) <= n).sum())
    chosen = order[: max(2, fitting)]
    rows = np.flatnonzero(np.isin(codes, chosen))
    return finite_matrix(x[rows], "groups"), pd.factorize(codes[rows])[0]


def group_rows(codes: Codes, count: int) -> Iterator[Codes]:
    """The rows of each group 0 … count − 1, from the group of each row, int64[n]."""
    by_group = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=count))[:-1]
    return iter(np.split(by_group, ends))


def each_group(x: Array, codes: Codes, statistic: Callable[[Array], float]) -> Floats:
    """A statistic of the rows of each group, float64[groups], from rows [n, d] and their groups int64[n]."""
    groups = group_rows(codes, int(codes.max()) + 1)
    return np.array([statistic(x[rows]) for rows in groups])


def _mean_distance(x: Array) -> float:
    """Mean distance of different rows, without an interval."""
    others = weighted_distances(x, np.ones(len(x)))
    return float(others.mean()) / (len(x) - 1)


def _explained(x: Array, codes: Codes, sizes: Codes) -> float:
    """1 − (variance within groups)/(total), both unbiased, from mean squared distances; groups count the same."""
    within = each_group(x, codes, mean_squared_distance)
    count = len(sizes)
    weight = 1 / sizes[codes] / count
    centred = x - (weight @ x)
    # The spread about the weighted mean is within (m − 1)/m + between (G − 1)/G; the first part is taken off.
    spread = float(weight @ np.einsum("ij,ij->i", centred, centred))
    shrunk = float((within * (1 - 1 / sizes) / 2).mean())
    means = (spread - shrunk) * count / (count - 1)
    between = means - float((within / 2 / sizes).mean())
    return float(between / (between + within.mean() / 2))
