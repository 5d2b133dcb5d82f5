"""How much of one set lies where another does: precision, recall, density, coverage; `twigma analyze` computes them.

Where a set lies is the union of balls about its rows, each up to the row's k-th nearest other row (Kynkäänniemi et
al. 2019; Naeem et al. 2020).
"""

from collections.abc import Mapping
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats
from twigma.analysis.inference.blocks import (
    dense_blocks,
    effective_blocks_of,
    known_blocks,
)
from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.inference.proportions import block_share
from twigma.analysis.vectors.samples import (
    finite_matrix,
    sampled_labels,
    unit_samples,
)

METRICS = ("precision", "recall", "density", "coverage")
OF_REFERENCE = ("recall", "coverage")  # that count rows of the reference
NEIGHBOURS = 5
SAMPLE = 5000  # rows of a set: the cost is their square, for every ordered pair


class Manifold(NamedTuple):
    """The four measures of a set against a reference, and the coverage that two samples of one set would have."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    coverage_same: float


def manifold(
    reference: Any,
    x: Any,
    k: int = NEIGHBOURS,
    *,
    blocks_reference: Any = None,
    blocks_x: Any = None,
) -> Manifold:
    """Precision, recall, density and coverage of the rows of `x` against `reference`.

    Parameters
    ----------
    reference, x : matrices [n, d] and [m, d], n, m > k. k : the neighbour that gives a ball its radius.
    blocks_reference, blocks_x : label per row (author, artist, prompt), [n] and [m], of images that may depend on each
        other in the interval; None where they are not known, and rows are independent.

    Returns
    -------
    Manifold. With B(r_i) the balls of the reference: precision, share of x inside any of them; density,
    Σ_j #{i: x_j ∈ B(r_i)}/(k m), 1 for one distribution and unbounded; coverage, share of the balls that hold a row
    of x; recall, share of the reference inside the balls of x. Each with a 95% interval from the rows counted or their
    owners (Wilson's, for the shares), the balls held fixed; that of coverage, which counts balls, allows for those that
    each row bounds. `coverage_same` = 1 − Π_{j=1..k} (n − j)/(n + m − j).
    """
    reference = finite_matrix(reference, "manifold: reference", k + 1)
    x = finite_matrix(x, "manifold: x", k + 1)
    near = _neighbours(reference, k)
    radius = near.radius
    balls = _balls_around(x, reference, radius)
    recalled, closest = _coverage(reference, x, _neighbours(x, k).radius)
    n, m = len(reference), len(x)
    j = np.arange(1, k + 1)
    return Manifold(
        precision=_share(balls > 0, blocks_x),
        recall=_share(recalled > 0, blocks_reference),
        density=_density(balls / k, blocks_x),
        coverage=_covered(closest, near, blocks_reference),
        coverage_same=1 - float(np.prod((n - j) / (n + m - j))),
    )


def manifolds(
    sets: Mapping[str, Any],
    *,
    k: int = NEIGHBOURS,
    n: int = SAMPLE,
    seed: int = 0,
    blocks: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """`manifold` of every ordered pair of sets [n_i, d] by name, in equal samples of unit rows.

    Parameters
    ----------
    blocks : set → label per row [n_i] (author, artist, prompt) of images that may depend on each other.

    Returns
    -------
    DataFrame, a row per pair and metric: reference, set, metric, value, low, high, blocks (the effective number behind
    the interval), owners_known, coverage_same, k, n, seed.
    """
    drawn = unit_samples(sets, n, seed)
    owners = {}
    for name, x in drawn.items():
        owners[name] = sampled_labels(blocks, name, len(sets[name]), len(x), seed)
    rows = []
    for reference, name in permutations(drawn, 2):
        measures = manifold(
            drawn[reference],
            drawn[name],
            k,
            blocks_reference=owners[reference],
            blocks_x=owners[name],
        )
        for metric in METRICS:
            estimate: Estimate = getattr(measures, metric)
            counted = reference if metric in OF_REFERENCE else name
            row: dict[str, Any] = {
                "reference": reference,
                "set": name,
                "metric": metric,
            }
            row |= dict(estimate)
            row["blocks"] = effective_blocks_of(owners[counted], estimate.n)
            row["owners_known"] = known_blocks(owners[counted])
            rows.append({**row, "coverage_same": measures.coverage_same})
    return pd.DataFrame(rows).assign(k=k, seed=seed)


def _balls_around(x: Array, reference: Array, radius: Floats) -> Floats:
    """How many balls of the reference each row of `x` is inside, [m]."""
    from sklearn.metrics import pairwise_distances_chunked

    def count(distance: Floats, start: int) -> Array:
        return np.asarray((distance <= radius).sum(axis=1))

    parts = pairwise_distances_chunked(x, reference, reduce_func=count)
    return np.concatenate(list(parts)).astype(np.float64)


def _coverage(reference: Array, x: Array, radius_x: Floats) -> tuple[Floats, Floats]:
    """Of each reference row, [n]: whether it is in a ball of `x`, and the distance of the closest row of `x`."""
    from sklearn.metrics import pairwise_distances_chunked

    def both(distance: Floats, start: int) -> tuple[Array, Array]:
        inside = np.asarray((distance <= radius_x).any(axis=1))
        return inside, np.asarray(distance.min(axis=1))

    parts = list(pairwise_distances_chunked(reference, x, reduce_func=both))
    recalled = np.concatenate([part[0] for part in parts])
    closest = np.concatenate([part[1] for part in parts])
    return recalled.astype(np.float64), closest.astype(np.float64)


class _Near(NamedTuple):
    """Of each row: its k nearest other rows [n, k], the distance of the last of them, and of the one after it, [n]."""

    rows: npt.NDArray[np.int64]
    radius: Floats
    beyond: Floats


def _neighbours(x: Array, k: int) -> _Near:
    """The nearest other rows of each row of `x` [n, d]; `beyond` is infinite where there is no other."""
    from sklearn.metrics import pairwise_distances_chunked

    last = min(k + 1, len(x) - 1)

    def nearest(distance: Floats, start: int) -> tuple[Array, Array]:
        # A row is at distance 0 from itself, and so may others be.
        own = np.arange(len(distance))
        distance[own, start + own] = np.inf
        rows = np.argpartition(distance, last - 1, axis=1)[:, :last]
        away = np.take_along_axis(distance, rows, axis=1)
        order = np.argsort(away, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
        return rows, np.take_along_axis(away, order, axis=1)

    parts = list(pairwise_distances_chunked(x, x, reduce_func=nearest))
    rows = np.concatenate([part[0] for part in parts])
    away = np.concatenate([part[1] for part in parts]).astype(np.float64)
    beyond = away[:, k] if last > k else np.full(len(x), np.inf)
    return _Near(rows[:, :k], away[:, k - 1], beyond)


def _share(values: Array, owners: Any) -> Estimate:
    """Share of true rows [n], with Wilson's interval."""
    found = block_share(values, owners)
    return Estimate(found.share, found.low, found.high, len(values))


def _covered(closest: Floats, near: _Near, owners: Any) -> Estimate:
    """Share of the balls that hold a row of the other set, whose closest one is at these distances [n].

    Without one of its neighbours a ball would reach to the next: a row that is there may uncover those it bounds.
    """
    covered = (closest <= near.radius).astype(np.float64)
    share = _share(covered > 0, owners)
    one_owner = known_blocks(owners) and dense_blocks(owners, len(covered)).max() < 1
    uncovers = (closest <= near.beyond) - covered
    influence = covered.copy()
    np.subtract.at(influence, near.rows, uncovers[:, None])
    if one_owner or not np.ptp(influence):
        return share
    labels = owners if known_blocks(owners) else None
    found = interval(share.value, influence, labels)
    # Near 0 and 1 Wilson's interval is the wider one.
    low = float(np.maximum(0.0, np.minimum(share.low, found.low)))
    high = float(np.minimum(1.0, np.maximum(share.high, found.high)))
    return Estimate(share.value, low, high, share.n)


def _density(balls: Floats, owners: Any) -> Estimate:
    """Mean over rows [m]; of rows of one owner without an interval."""
    value = float(balls.mean())
    if not known_blocks(owners):
        return interval(value, balls, least=0.0)
    if dense_blocks(owners, len(balls)).max() < 1:
        return Estimate(value, np.nan, np.nan, len(balls))
    return interval(value, balls, owners, least=0.0)
