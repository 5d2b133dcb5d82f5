"""All sets of images on one plane, and how much they overlap there (Fig 2a).

`twigma analyze` draws it. The paper's map is a UMAP, which takes 20 seconds for MOST_UMAP images on two cores; a linear
map (the first two principal components) takes half a second and is what `method="pca"` gives.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_matrices
from twigma.analysis.inference.blocks import (
    FEWEST,
    Spread,
    dense_blocks,
    effective_blocks,
    half_width,
    jackknife,
    known_blocks,
)
from twigma.analysis.vectors.samples import finite_matrix, sample_size
from twigma.core.numeric import first_components
from twigma.core.safety.failures import DataError

MAP_N = 2500  # images of each set on the map
LEAST_UMAP = 1000  # of fewer images neighbours say little
MOST_UMAP = 40_000  # images on the map up to which "auto" is a UMAP
GRID = 80  # cells per side where overlaps are measured
CELLS = 48  # where densities are drawn
PIECES = 20  # of a set that are left out one by one: each costs a sum over the grid


def joint_map(
    sets: Mapping[str, Any],
    method: str = "pca",
    n: int = MAP_N,
    seed: int = 0,
) -> pd.DataFrame:
    """Equally many images of every set, mapped together to the plane (Fig 2a).

    Parameters
    ----------
    sets : embeddings [n_i, d] by name; the smallest set gives the size of the samples, at most `n`.
    method : "umap" (15 neighbours, min_dist 0.1, cosine, seeded) or "pca" (of the centred sample).

    Returns
    -------
    DataFrame (set, x, y)
    """
    if method not in ("umap", "pca"):
        raise ValueError(f"joint_map draws with 'umap' or 'pca', got method={method!r}")
    sets = as_matrices(sets)
    rows = mapped_rows({name: len(x) for name, x in sets.items()}, n, seed)
    drawn = []
    for name, x in sets.items():
        drawn.append(finite_matrix(x[rows[name]], f"fig2a: set {name!r}"))
    pooled = np.concatenate(drawn)
    if method == "umap":
        from twigma.builder.maps.layout import layout

        points: Array = layout(pooled.astype(np.float32), seed=seed)
    else:
        points = first_components(pooled.astype(np.float64))
    labels = np.repeat(list(sets), len(pooled) // len(sets))
    return pd.DataFrame({"set": labels, "x": points[:, 0], "y": points[:, 1]})


def mapped_rows(
    totals: Mapping[str, int], n: int = MAP_N, seed: int = 0
) -> dict[str, npt.NDArray[np.int64]]:
    """The rows that `joint_map` draws of sets with these numbers of images, in its order, int64 [size] by name."""
    size = min([n, *totals.values()])
    rng = np.random.default_rng(seed)
    return {
        name: rng.choice(total, size, replace=False) for name, total in totals.items()
    }


def projection_of(sets: Mapping[str, Any], method: str = "auto", n: int = MAP_N) -> str:
    """Which map "auto" is: the paper's "umap" where it takes 20 seconds at most, else "pca"; others as they are.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name. n : images of each set at most, as in `joint_map`.
    """
    if method != "auto":
        return method
    images = sample_size(as_matrices(sets), n) * len(sets)
    # Of a few images each is a neighbour of every other.
    return "umap" if LEAST_UMAP <= images <= MOST_UMAP else "pca"


# ------------------------------------------------------------------ densities


def densities(points: pd.DataFrame, cells: int = CELLS) -> pd.DataFrame:
    """The density of each set over the map, on one grid of so many cells a side; the cells of a set add up to 1.

    A Gaussian kernel estimate (Scott's bandwidth), with a margin around all points.

    Parameters
    ----------
    points : `joint_map`'s (set, x, y). ValueError when the points of a set lie on one line, which has no density.

    Returns
    -------
    DataFrame (set, x, y, density), a row per set and cell.
    """
    grid = _grid(points, cells)
    tables = []
    for name, group in points.groupby("set", sort=False):
        places = {"set": name, "x": grid[0], "y": grid[1]}
        tables.append(
            pd.DataFrame(places).assign(density=_density(group, grid, None).whole)
        )
    return pd.concat(tables, ignore_index=True)


def overlaps(
    points: pd.DataFrame, blocks: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Overlap of the densities of every two sets on the map: the integral of min(f, g), 0 apart to 1 the same.

    Each density is a Gaussian kernel estimate (Scott's bandwidth), normalised on a grid over all points. The interval
    is of the overlap of densities that are smoothed as much, on this map: it leaves out each of at most 20 groups of
    complete owners, map and kernels fixed. Noise makes densities differ, so that the overlap is low where owners are
    few; the jackknife estimates by how much, and the interval reaches as much further up.

    Parameters
    ----------
    points : `joint_map`'s (set, x, y). ValueError when the points of a set lie on one line, which has no density.
    blocks : set → label of each of its points (author, artist, prompt), [n], whose images may depend on each other.

    Returns
    -------
    DataFrame (set_a, set_b, overlap, low, high, blocks, owners_unknown, n), `n` images of each set; blocks, the
    effective number in the set that has fewer; owners_unknown, the sets whose images were taken as independent.
    """
    grid = _grid(points, GRID)
    groups = points.groupby("set", sort=False)
    density = {}
    for name, group in groups:
        owners = (blocks or {}).get(str(name))
        density[str(name)] = _density(group, grid, owners)
    n = len(points) // len(density)
    rows = []
    for a, b in combinations(density, 2):
        unknown = [name for name in (a, b) if not density[name].known]
        row = {"set_a": a, "set_b": b, **_overlap(density[a], density[b])}
        rows.append({**row, "owners_unknown": ", ".join(unknown), "n": n})
    return pd.DataFrame(rows)


class _Density(NamedTuple):
    """A density on the grid as sums over pieces of complete owners, float64 [pieces, GRID²]; rows of each piece."""

    pieces: Floats
    sizes: npt.NDArray[np.int64]
    blocks: float  # effective number of owners
    known: bool

    @property
    def whole(self) -> Floats:
        """Of all pieces, with the sum 1."""
        return _normalised(self.pieces.sum(axis=0))

    @property
    def without_each(self) -> Floats:
        """Without each piece, [pieces, GRID²]."""
        return _normalised(self.pieces.sum(axis=0) - self.pieces)


def _normalised(sums: Floats) -> Floats:
    result: Floats = sums / sums.sum(axis=-1, keepdims=True)
    return result


def _overlap(one: _Density, other: _Density) -> dict[str, float]:
    """The overlap of two densities with its interval; without one for a set of fewer than three owners."""
    value = float(np.minimum(one.whole, other.whole).sum())
    row = {"overlap": value, "low": np.nan, "high": np.nan}
    row["blocks"] = min(one.blocks, other.blocks)
    if min(len(one.sizes), len(other.sizes)) < FEWEST:
        return row
    spreads, bias = [], 0.0
    for left, fixed in ((one, other), (other, one)):
        without = np.minimum(left.without_each, fixed.whole).sum(axis=-1)
        spread = jackknife(without, value, left.sizes)
        spreads.append(Spread(spread.variance, min(spread.blocks, left.blocks)))
        bias += (len(without) - 1) * float(np.mean(without - value))
    half = half_width(*spreads)
    low = value - half - max(bias, 0.0)
    high = value + half + max(-bias, 0.0)
    return row | {"low": max(0.0, low), "high": min(1.0, high)}


def _grid(points: pd.DataFrame, cells: int) -> Floats:
    """Cells of the plane, [2, cells²], with a margin for the tails of the densities."""
    axes = []
    for name in ("x", "y"):
        low, high = points[name].min(), points[name].max()
        margin = 0.15 * (high - low)
        axes.append(np.linspace(low - margin, high + margin, cells))
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)])


def _density(group: pd.DataFrame, grid: Floats, owners: Any) -> _Density:
    from scipy.spatial.distance import cdist
    from scipy.stats import gaussian_kde

    place = group[["x", "y"]].to_numpy(float)
    if len(place) < 3 or np.linalg.matrix_rank(place - place.mean(axis=0)) < 2:
        raise DataError(
            f"fig2a: the {len(place)} points of set {group['set'].iloc[0]!r} lie on one line of the map and have no "
            "density; add images to the set"
        )
    # Where the kernel's covariance is 1, a kernel is a function of the distance alone.
    unit = np.linalg.inv(np.linalg.cholesky(gaussian_kde(place.T).covariance))
    cells, points = (unit @ grid).T, place @ unit.T
    codes = dense_blocks(owners, len(place))
    piece = _pieces(np.bincount(codes))[codes]
    sums = []
    for number in range(int(piece.max()) + 1):
        squares = cdist(cells, points[piece == number], "sqeuclidean")
        sums.append(np.exp(squares / -2).sum(axis=1))
    return _Density(
        np.array(sums),
        np.bincount(piece),
        effective_blocks(np.bincount(codes)),
        known_blocks(owners),
    )


def _pieces(sizes: Array) -> npt.NDArray[np.int64]:
    """The piece of each block of these sizes [g], at most 20 of about equal rows: the largest first, to the least."""
    count = min(PIECES, len(sizes))
    rows = np.zeros(count)
    piece = np.empty(len(sizes), np.int64)
    for block in np.argsort(-sizes, kind="stable"):
        least = int(rows.argmin())
        piece[block] = least
        rows[least] += sizes[block]
    return piece
