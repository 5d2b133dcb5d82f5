"""The 2-D UMAP of the embeddings: fitted, saved, and new images placed in it. Used by `twigma cluster` (Fig 4a).

The map is its training images: names, embeddings and positions, in `WORK/models/cluster/map.arrow` (`twigma removals`
takes images out of it). Another image is placed as `UMAP.transform` does it: first at the weighted mean of its nearest
training images, then moved by gradient descent, in which the training images stay (`descent.py`). Unlike it, this
module computes the neighbours exactly and scales no weight by those of other images: an image has one position,
whatever is placed with it.
"""

import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.clusters.descent import settle
from twigma.builder.clusters.kmeans import draw
from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import Half, Indices, Vectors, as_column, as_matrix
from twigma.core.neighbours.searcher import searcher
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar

NEIGHBOURS = 15
MIN_DIST = 0.1
EXACT_ROWS = 8_192  # up to here the neighbours of the training images come from one matrix product
MAP_ROWS = 40_000  # UMAP is fitted on a sample of this size
# Cosine distance up to which an image is a training image: float32 rounding.
SAME = 1e-6
BLOCK = 4_096
BISECTIONS = 50

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
# Nearest points int64[n, count] of each, their cosine distances float32[n, count], and no index.
Precomputed = tuple[Indices, Floats, None]


@dataclass(frozen=True)
class ImageMap:
    """Training images of a map: names, embeddings float16[n, dim], positions float32[n, 2]."""

    names: pa.Array
    rows: Half
    positions: Floats

    def table(self) -> pa.Table:
        """One row per training image: image_name, embedding (float16[dim]), UMAP_dim_1 and UMAP_dim_2 (float32)."""
        return pa.table(
            {
                "image_name": self.names,
                "embedding": as_column(self.rows),
                "UMAP_dim_1": self.positions[:, 0],
                "UMAP_dim_2": self.positions[:, 1],
            }
        )

    @classmethod
    def of(cls, table: pa.Table) -> "ImageMap":
        """The map of a table that `table` returned, one row per training image."""
        one = table["UMAP_dim_1"].to_numpy()
        two = table["UMAP_dim_2"].to_numpy()
        names = table["image_name"].combine_chunks()
        return cls(names, as_matrix(table["embedding"]), np.column_stack([one, two]))


def image_map(vectors: Vectors, rows: Indices, *, seed: int = 0) -> ImageMap:
    """UMAP of a sample of these rows, int64[n] (cosine, 15 neighbours, min_dist .1, seeded, so on one thread).

    It depends on the order of the rows, and not on how many threads there are.
    Starting from principal components instead of the spectral layout takes a quarter of the time and preserves
    neighbourhoods as well. ValueError for fewer than four rows.
    """
    if len(rows) < 4:
        raise ValueError(
            f"expected at least 4 distinct embedded images for a map, found {len(rows)}"
        )
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    sample = draw(rng, rows, MAP_ROWS)
    half = vectors.take(sample)
    points = half.astype(np.float32)
    neighbours = min(NEIGHBOURS, len(sample) - 1)
    precomputed = _neighbours_for_umap(points, neighbours)
    # Products of several threads are rounded otherwise, and the layout makes another map of the last digit.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # It warns that it has no index to place new points by; we place them ourselves.
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)
        model = import_umap().UMAP(
            n_neighbors=neighbours,
            min_dist=MIN_DIST,
            metric="cosine",
            init="pca",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=precomputed,
        )
        fitted = model.fit_transform(points)
    names = vectors.names.take(pa.array(sample))
    return ImageMap(names, half, fitted.astype(np.float32))


def import_umap() -> ModuleType:
    """The library, without its warning that TensorFlow is not there."""
    with warnings.catch_warnings():
        # It looks for TensorFlow, which only a variant needs.
        warnings.simplefilter("ignore", ImportWarning)
        return import_module("umap")


def _neighbours_for_umap(points: Floats, count: int) -> Precomputed:
    """UMAP's own search is approximate, and numba compiles half a minute for it in every process."""
    from threadpoolctl import threadpool_limits

    if len(points) > EXACT_ROWS:
        return searched_neighbours(points, count)
    with threadpool_limits(1, user_api="blas"):
        return exact_neighbours(points, count)


def searched_neighbours(points: Floats, count: int) -> Precomputed:
    """As `exact_neighbours`, of more points than one matrix product is for."""
    unit = unit_rows(points)
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
    return indices, np.clip(distances, 0, None).astype(np.float32), None


def exact_neighbours(points: Floats, count: int) -> Precomputed:
    """The nearest points of each, itself first: what UMAP calls precomputed.

    For few points UMAP itself would call a Python function per pair.

    Parameters
    ----------
    points : float32[n, dim]. count : neighbours of each.

    Returns
    -------
    Precomputed, with None in place of an index.
    """
    unit = unit_rows(points)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 2)  # itself before any copy of it
    indices = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    distances = 1 - np.take_along_axis(cosine, indices, axis=1)
    return indices, np.clip(distances, 0, None).astype(np.float32), None


# ------------------------------------------------------------------ placing


def positions(
    on: ImageMap, vectors: Vectors, rows: Indices, blocks: RowBlocks | None = None
) -> Floats:
    """Position float32[n, 2] of each of these rows, int64[n]: a training image's own, others placed among them.

    With `blocks`, which are those of `vectors` and may lie on a cluster, `rows` are ascending.
    """
    names = vectors.names.take(pa.array(rows))
    place = pc.index_in(names, value_set=on.names)
    is_training = np.asarray(place.is_valid())
    result = np.empty((len(rows), 2), np.float32)
    result[is_training] = on.positions[place.drop_null().to_numpy()]
    others = rows[~is_training]
    # On a cluster each block makes its own search ready; here one is made for all.
    if blocks is None or blocks.is_local or not len(others):
        result[~is_training] = placed(on, vectors, others)
    else:
        result[~is_training] = np.concatenate(list(blocks.map(_place, others, on)))
    return result


def _place(rows: Half, on: ImageMap) -> Floats:
    """As `placed`, of one block of rows, float16[n, dim]."""
    vectors = Vectors([as_column(rows)], pa.nulls(len(rows), pa.string()))
    # Ray shares arrays read-only, which UMAP's compiled code refuses.
    own = replace(on, positions=on.positions.copy())
    return placed(own, vectors, np.arange(len(rows)))


def placed(on: ImageMap, vectors: Vectors, rows: Indices) -> Floats:
    """Position float32[n, 2] of each of these rows, int64[n], among the training images; ValueError without any."""
    result = np.empty((len(rows), 2), np.float32)
    if not len(rows):
        return result
    if not len(on.rows):
        raise ValueError(
            "no image of the map is left: run `twigma cluster`, which fits a new one"
        )
    training = unit_rows(on.rows)
    search = searcher(training, min(NEIGHBOURS, len(training)), len(rows))
    starts = range(0, len(rows), BLOCK)
    for at in progress_bar(starts, desc="place on the map", unit="block"):
        points = unit_rows(vectors.take(rows[at : at + BLOCK]))
        similarity, near = search(points)
        distances = np.clip(1 - similarity, 0, None)
        result[at : at + BLOCK] = _settled(on.positions, near, distances)
    return result


def _settled(positions: Floats, near: Indices, distances: Floats) -> Floats:
    """Positions float32[n, 2] among neighbours, int64[n, count] at these distances, float32[n, count].

    Their weighted mean, improved by gradient descent; an image at no distance from its nearest takes its position.
    """
    weights = strengths(distances)
    shares = weights / weights.sum(axis=1, keepdims=True)
    starts: Floats = np.einsum("ij,ijk->ik", shares, positions[near]).astype(np.float32)
    curve = import_umap().umap_.find_ab_params(1.0, MIN_DIST)
    result = settle(starts, positions, near, weights, curve)
    same = distances[:, 0] <= SAME
    result[same] = positions[near[same, 0]]
    return result


def strengths(distances: Floats) -> Doubles:
    """UMAP's weights exp(-d / s) of ascending distances from a new image to its neighbours.

    The scale s of each row is such that the weights after the first add up to log2(count); computed by bisection.

    Parameters
    ----------
    distances : float32[n, count], ascending in each row.

    Returns
    -------
    float64[n, count], 0 to 1.
    """
    d = distances.astype(np.float64)
    target = np.log2(d.shape[1])
    low = np.full(len(d), -15.0)  # of log s
    high = np.full(len(d), 15.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        scale = np.exp(middle)[:, None]
        is_wide = np.exp(-d[:, 1:] / scale).sum(axis=1) > target
        low = np.where(is_wide, low, middle)
        high = np.where(is_wide, middle, high)
    scale = np.exp(low)[:, None]
    weights: Doubles = np.exp(-d / scale)
    return weights
