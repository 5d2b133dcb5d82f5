"""All sets of images on one plane, and how much they overlap there (Fig 2a).

`twigma analyze` draws it. The paper's map is a UMAP, which takes about a minute for MOST_UMAP images; a linear map (the
first two principal components) costs a thousandth of the time and is what `method="pca"` gives.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_matrices
from twigma.analysis.vectors.samples import finite_matrix, sample_size

MAP_N = 2500  # images of each set on the map
LEAST_UMAP = 100
MOST_UMAP = 10_000  # images on the map up to which "auto" is a UMAP
GRID = 80  # cells per side where overlaps are measured
CELLS = 48  # where densities are drawn


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
    method : "umap" (n_neighbors 15, min_dist 0.1, cosine, seeded) or "pca" (of the centred sample).

    Returns
    -------
    DataFrame (set, x, y)
    """
    if method not in ("umap", "pca"):
        raise ValueError(f"joint_map draws with 'umap' or 'pca', got method={method!r}")
    sets = as_matrices(sets)
    for name, x in sets.items():
        finite_matrix(x, f"fig2a: set {name!r}")
    size = sample_size(sets, n)
    rng = np.random.default_rng(seed)
    drawn = [x[rng.choice(len(x), size, replace=False)] for x in sets.values()]
    pooled = np.concatenate(drawn)
    points = _umap(pooled, seed) if method == "umap" else _pca(pooled)
    labels = np.repeat(list(sets), size)
    return pd.DataFrame({"set": labels, "x": points[:, 0], "y": points[:, 1]})


def projection_of(sets: Mapping[str, Any], method: str = "auto", n: int = MAP_N) -> str:
    """Which map "auto" is: the paper's "umap" where it takes about a minute at most, else "pca"; others as they are.

    Parameters
    ----------
    sets : embeddings [n_i, d] by name. n : images of each set at most, as in `joint_map`.
    """
    if method != "auto":
        return method
    images = sample_size(as_matrices(sets), n) * len(sets)
    # Of a few images each is a neighbour of every other.
    return "umap" if LEAST_UMAP <= images <= MOST_UMAP else "pca"


def _pca(pooled: Array) -> Array:
    """First two principal components, each turned so that its largest loading is positive."""
    centred = pooled - pooled.mean(axis=0)
    vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)[1]
    axes = vectors[:, :-3:-1]  # eigenvalues rise
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.sign(axes[largest, [0, 1]])
    return np.asarray(centred @ axes)


def _umap(pooled: Array, seed: int) -> Array:
    from umap import UMAP

    mapper = UMAP(
        n_neighbors=min(15, len(pooled) - 1),
        min_dist=0.1,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(mapper.fit_transform(pooled))


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
        tables.append(pd.DataFrame(places).assign(density=_density(group, grid)))
    return pd.concat(tables, ignore_index=True)


def overlaps(points: pd.DataFrame) -> pd.DataFrame:
    """Overlap of the densities of every two sets on the map: the integral of min(f, g), 0 apart to 1 the same.

    Parameters
    ----------
    points : `joint_map`'s (set, x, y). ValueError when the points of a set lie on one line, which has no density.

    Returns
    -------
    DataFrame (set_a, set_b, overlap, n), `n` images of each set.
    """
    groups = densities(points, GRID).groupby("set", sort=False)["density"]
    density = {str(name): group.to_numpy() for name, group in groups}
    n = len(points) // len(density)
    rows = []
    for a, b in combinations(density, 2):
        shared = np.minimum(density[a], density[b]).sum()
        rows.append((a, b, float(shared), n))
    return pd.DataFrame(rows, columns=["set_a", "set_b", "overlap", "n"])


def _grid(points: pd.DataFrame, cells: int) -> Floats:
    """Cells of the plane, [2, cells²], with a margin for the tails of the densities."""
    axes = []
    for name in ("x", "y"):
        low, high = points[name].min(), points[name].max()
        margin = 0.15 * (high - low)
        axes.append(np.linspace(low - margin, high + margin, cells))
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)])


def _density(group: pd.DataFrame, grid: Floats) -> Floats:
    from scipy.stats import gaussian_kde

    place = group[["x", "y"]].to_numpy(float)
    if len(place) < 3 or np.linalg.matrix_rank(place - place.mean(axis=0)) < 2:
        raise ValueError(
            f"fig2a: the {len(place)} points of set {group['set'].iloc[0]!r} lie on one line of the map and have no "
            "density; add images to the set"
        )
    density = gaussian_kde(place.T)(grid)
    return np.asarray(density / density.sum())
