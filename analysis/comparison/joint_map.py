"""All sets of images on one plane, and how much they overlap there (Fig 2a).

`twigma analyze` draws it. The paper's map is a UMAP; a linear map (the first two principal components) costs a
thousandth of the time and is what `method="pca"` gives.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from twigma.analysis.convert import Array, Floats, as_matrices
from twigma.analysis.vectors.samples import finite_matrix, sample_size

MAP_N = 2500  # images of each set on the map
GRID = 80  # cells per side for the density


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


def overlaps(points: pd.DataFrame) -> pd.DataFrame:
    """Overlap of the densities of every two sets on the map: the integral of min(f, g), 0 apart to 1 the same.

    Each density is a Gaussian kernel estimate (Scott's bandwidth), normalised on a grid over all points.

    Parameters
    ----------
    points : `joint_map`'s (set, x, y). ValueError when the points of a set lie on one line, which has no density.

    Returns
    -------
    DataFrame (set_a, set_b, overlap, n), `n` images of each set.
    """
    grid = _grid(points)
    groups = points.groupby("set", sort=False)
    density = {str(name): _density(group, grid) for name, group in groups}
    n = len(points) // len(density)
    rows = []
    for a, b in combinations(density, 2):
        shared = np.minimum(density[a], density[b]).sum()
        rows.append((a, b, float(shared), n))
    return pd.DataFrame(rows, columns=["set_a", "set_b", "overlap", "n"])


def _grid(points: pd.DataFrame) -> Floats:
    """Cells of the plane, [2, GRID²], with a margin for the tails of the densities."""
    axes = []
    for name in ("x", "y"):
        low, high = points[name].min(), points[name].max()
        margin = 0.15 * (high - low)
        axes.append(np.linspace(low - margin, high + margin, GRID))
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
