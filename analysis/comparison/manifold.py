"""How much of one set lies where another does: precision, recall, density, coverage; `twigma analyze` computes them.

Where a set lies is the union of balls about its rows, each up to the row's k-th nearest other row (Kynkäänniemi et
al. 2019; Naeem et al. 2020).
"""

from collections.abc import Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd

from twigma.analysis.inference.proportions import wilson
from twigma.analysis.variation.distance import Array, Estimate, Floats, interval, matrix
from twigma.analysis.vectors.codebook import unit_samples

NEIGHBOURS = 5
SAMPLE = 5000  # rows of a set: the cost is their square, for every ordered pair


class Manifold(NamedTuple):
    """The four measures of a set against a reference, and the coverage that two samples of one set would have."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    coverage_same: float


def manifold(reference: Array, x: Array, k: int = NEIGHBOURS) -> Manifold:
    """Precision, recall, density and coverage of the rows of `x` against `reference`.

    Parameters
    ----------
    reference, x : arrays [n, d] and [m, d], n, m > k. k : the neighbour that gives a ball its radius.

    Returns
    -------
    Manifold. With B(r_i) the balls of the reference: precision, share of x inside any of them; density,
    Σ_j #{i: x_j ∈ B(r_i)}/(k m), 1 for one distribution and unbounded; coverage, share of the balls that hold a row
    of x; recall, share of the reference inside the balls of x. Each with a 95% interval from the rows counted
    (Wilson's, for the shares), the balls held fixed. `coverage_same` = 1 − Π_{j=1..k} (n − j)/(n + m − j).
    """
    from sklearn.metrics import pairwise_distances_chunked

    reference, x = (
        matrix(reference, "manifold: reference", k + 1),
        matrix(x, "manifold: x", k + 1),
    )
    radius, own = _radii(reference, k), _radii(x, k)
    inside = pairwise_distances_chunked(
        x, reference, reduce_func=lambda d, _: (d <= radius).sum(axis=1)
    )
    balls = np.concatenate(list(inside)).astype(np.float64)
    seen = pairwise_distances_chunked(
        reference,
        x,
        reduce_func=lambda d, at: (
            (d <= own).any(axis=1),
            d.min(axis=1) <= radius[at : at + len(d)],
        ),
    )
    recall, coverage = (
        np.concatenate(parts).astype(np.float64) for parts in zip(*seen, strict=True)
    )
    n, m, j = len(reference), len(x), np.arange(1, k + 1)
    same = 1 - float(np.prod((n - j) / (n + m - j)))
    density = interval(float(balls.mean()) / k, balls / k)
    return Manifold(_share(balls > 0), _share(recall), density, _share(coverage), same)


def manifolds(
    sets: Mapping[str, Array], *, k: int = NEIGHBOURS, n: int = SAMPLE, seed: int = 0
) -> pd.DataFrame:
    """`manifold` of every ordered pair of sets, in equal samples of unit rows.

    Returns
    -------
    DataFrame, a row per pair and metric: reference, set, metric, value, low, high, coverage_same, k, n, seed.
    """
    drawn = unit_samples(sets, n, seed)
    rows = []
    for reference, name in permutations(drawn, 2):
        found = manifold(drawn[reference], drawn[name], k)
        for metric in Manifold._fields[:4]:
            given = getattr(found, metric)._asdict() | {
                "coverage_same": found.coverage_same
            }
            rows.append(
                {"reference": reference, "set": name, "metric": metric, **given}
            )
    return pd.DataFrame(rows).assign(k=k, seed=seed)


def _radii(x: Array, k: int) -> Floats:
    """Distance of each row to its k-th nearest other row."""
    from sklearn.metrics import pairwise_distances_chunked

    parts = pairwise_distances_chunked(
        x, x, reduce_func=lambda d, _: np.partition(d, k, axis=1)[:, k]
    )
    return np.concatenate(list(parts)).astype(np.float64)


def _share(values: Array) -> Estimate:
    low, high = wilson(values.sum(), len(values))
    return Estimate(float(values.mean()), float(low), float(high), len(values))
