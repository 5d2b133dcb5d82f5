"""UMAP of rows on the plane (McInnes, Healy & Melville, arXiv:1802.03426), the same for any number of threads.

umap-learn's cosine UMAP with `n_neighbors=15, min_dist=0.1, init="pca"`, but for two things: the neighbours are the
exact ones, and all rows move at once (`descent.py`). Principal components to start from take a hundredth of the time of
the spectral layout and preserve neighbourhoods as well.
"""

import numpy as np
import numpy.typing as npt

from twigma.builder.maps.descent import spread
from twigma.builder.maps.weights import graph
from twigma.core.neighbours.searcher import searcher
from twigma.core.numeric.components import first_components
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar

NEIGHBOURS = 15
BLOCK = 4_096
WIDTH = 10.0  # of the map that they start on
NOISE = 1e-4  # so that copies do not start at one place

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def layout(points: Floats, *, seed: int = 0) -> Floats:
    """The place of each row on the map, float32[n, 2]; it depends on the order of the rows.

    Parameters
    ----------
    points : float32[n, dim], four rows or more, of any norm: distances are those of cosine.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    weights = graph(*nearest(unit_rows(points), count))
    return spread(_start(points, seed), weights, seed=seed)


def _start(points: Floats, seed: int) -> Floats:
    """The first two principal components, as wide as the map."""
    from threadpoolctl import threadpool_limits

    # Products by several threads are rounded otherwise, and descent makes another map of the last digit.
    with threadpool_limits(1, user_api="blas"):
        start = first_components(points)
    low, high = start.min(axis=0), start.max(axis=0)
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=start.shape)
    result = WIDTH * (start - low) / np.maximum(high - low, 1e-12) + noise
    return np.asarray(result, np.float32)


def nearest(unit: Floats, count: int) -> tuple[Indices, Floats]:
    """The nearest rows of each, itself first, int64[n, count], and their cosine distances, float32[n, count]."""
    search = searcher(unit, count, len(unit))
    starts = range(0, len(unit), BLOCK)
    blocks = []
    for at in progress_bar(starts, desc="neighbours for the map", unit="block"):
        blocks.append(search(unit[at : at + BLOCK]))
    similarity = np.concatenate([block for block, _ in blocks])
    indices = np.concatenate([block for _, block in blocks])
    itself = np.arange(len(unit))[:, None]
    # Where copies are as near and stand before it, it may be missing: it takes the place of the last.
    is_itself = indices == itself
    is_itself[~is_itself.any(axis=1), -1] = True
    itself_first = np.argsort(~is_itself, axis=1, kind="stable")
    indices = np.take_along_axis(indices, itself_first, axis=1)
    distances = 1 - np.take_along_axis(similarity, itself_first, axis=1)
    indices[:, :1] = itself
    distances[:, 0] = 0
    return indices, np.clip(distances, 0, None).astype(np.float32)
