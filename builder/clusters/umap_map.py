"""The 2-D UMAP of the embeddings: fitted, saved, and new images placed in it. Used by `twigma cluster` (Fig 4a).

The map is its training images: names, embeddings and positions, in `WORK/models/cluster/map.arrow` (`twigma removals`
takes images out of it). Another image is placed as `UMAP.transform` does it: first at the weighted mean of its nearest
training images, then moved by UMAP's own gradient descent, in which the training images stay. Ours finds the neighbours
exactly, and scales no weight by those of other images: an image has one position, whatever is placed with it.
"""

import warnings
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.vectors import Half, Indices, Vectors, as_column, as_matrix
from twigma.core.progress import progress_bar

NEIGHBOURS = 15
MIN_DIST = 0.1
EXACT_ROWS = 8_192  # up to here the neighbours of the training images are found by one matrix product
MAP_ROWS = 40_000  # UMAP is fitted on a sample of this size
EPOCHS, RATE, SEED = 100, 0.25, 42  # of UMAP.transform's gradient descent
SAME = (
    1e-6  # cosine distance up to which an image is a training image: float32 rounding
)
BLOCK = 4_096

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageMap:
    """Training images of a map: names, embeddings float16[n, dim], positions float32[n, 2]."""

    names: pa.Array
    rows: Half
    positions: Floats

    def table(self) -> pa.Table:
        """What is saved."""
        one, two = self.positions.T
        rows = as_column(self.rows)
        return pa.table(
            {
                "image_name": self.names,
                "embedding": rows,
                "UMAP_dim_1": one,
                "UMAP_dim_2": two,
            }
        )

    @classmethod
    def of(cls, table: pa.Table) -> "ImageMap":
        """The map that was saved."""
        positions = np.column_stack(
            [table[name].to_numpy() for name in ("UMAP_dim_1", "UMAP_dim_2")]
        )
        return cls(
            table["image_name"].combine_chunks(),
            as_matrix(table["embedding"]),
            positions,
        )


def image_map(vectors: Vectors, rows: Indices, *, seed: int = 0) -> ImageMap:
    """UMAP of a sample of these rows (cosine, 15 neighbours, min_dist .1, seeded, so on one thread).

    Starting from principal components instead of the spectral layout takes a quarter of the time and keeps
    neighbourhoods as well.
    """
    if len(rows) < 4:
        raise ValueError(
            f"expected at least 4 distinct embedded images for a map, found {len(rows)}"
        )
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(rows, min(MAP_ROWS, len(rows)), replace=False))
    half = vectors.take(rows)
    points, neighbours = half.astype(np.float32), min(NEIGHBOURS, len(rows) - 1)
    known = (
        exact_neighbours(points, neighbours)
        if len(points) <= EXACT_ROWS
        else (None, None, None)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "precomputed_knn", UserWarning
        )  # no index: UMAP places nothing later
        model = _umap().UMAP(
            n_neighbors=neighbours,
            min_dist=MIN_DIST,
            metric="cosine",
            init="pca",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=known,
        )
        return ImageMap(
            vectors.names.take(pa.array(rows)),
            half,
            model.fit_transform(points).astype(np.float32),
        )


def _umap() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ImportWarning
        )  # it looks for TensorFlow, which only a variant needs
        return import_module("umap")


def exact_neighbours(points: Floats, count: int) -> tuple[Indices, Floats, None]:
    """(indices, cosine distances, None) of the nearest points of each, itself first: what UMAP calls precomputed.

    For few points UMAP itself would call a Python function per pair.
    """
    unit = _unit(points)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 2)
    indices = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    distances = np.clip(1 - np.take_along_axis(cosine, indices, axis=1), 0, None)
    return indices, distances.astype(np.float32), None


def _unit(points: Floats) -> Floats:
    unit: Floats = points / np.maximum(
        np.linalg.norm(points, axis=1, keepdims=True), np.finfo(np.float32).tiny
    )
    return unit


# ------------------------------------------------------------------ placing


def positions(on: ImageMap, vectors: Vectors, rows: Indices) -> Floats:
    """Position float32[len(rows), 2] of each of these rows: a training image's own, others placed among them."""
    place = pc.index_in(vectors.names.take(pa.array(rows)), value_set=on.names)
    known, result = np.asarray(place.is_valid()), np.empty((len(rows), 2), np.float32)
    result[known] = on.positions[place.drop_null().to_numpy()]
    result[~known] = placed(on, vectors, rows[~known])
    return result


def placed(on: ImageMap, vectors: Vectors, rows: Indices) -> Floats:
    """Position of each of these rows among the training images; exact neighbours, blocks of rows."""
    import faiss

    result = np.empty((len(rows), 2), np.float32)
    if not len(rows):
        return result
    if not len(on.rows):
        raise ValueError(
            "no image of the map is left: run `twigma cluster`, which fits a new one"
        )
    training = _unit(on.rows.astype(np.float32))
    index, count = faiss.IndexFlatIP(vectors.dim), min(NEIGHBOURS, len(training))
    index.add(training)
    for at in progress_bar(
        range(0, len(rows), BLOCK), desc="place on the map", unit="block"
    ):
        points = _unit(vectors.take(rows[at : at + BLOCK]).astype(np.float32))
        _, near = index.search(points, count)
        cosine = np.stack(
            [np.einsum("ij,ij->i", points, training[column]) for column in near.T],
            axis=1,
        )  # to the bit
        result[at : at + BLOCK] = _settled(
            on.positions, near, np.clip(1 - cosine, 0, None)
        )
    return result


def _settled(positions: Floats, near: Indices, distances: Floats) -> Floats:
    """Positions among neighbours [n, count]: their weighted mean, improved; at no distance from one, its position."""
    umap_ = _umap().umap_
    weights = strengths(distances)
    shares = weights / weights.sum(axis=1, keepdims=True)
    result: Floats = np.einsum("ij,ijk->ik", shares, positions[near]).astype(np.float32)
    head, column = np.nonzero(weights >= 1 / EPOCHS)
    tail, every = near[head, column], 1 / weights[head, column]
    state = np.random.default_rng(SEED).integers(-(2**31), 2**31, 3)
    curve = umap_.find_ab_params(1.0, MIN_DIST)
    umap_.optimize_layout_euclidean(
        result,
        positions,
        head,
        tail,
        EPOCHS,
        len(positions),
        every,
        *curve,
        state,
        initial_alpha=RATE,
    )
    same = distances[:, 0] <= SAME
    result[same] = positions[near[same, 0]]
    return result


def strengths(distances: Floats) -> npt.NDArray[np.float64]:
    """UMAP's weights exp(-d / s) of ascending distances [n, count] from a new image to its neighbours.

    The scale s of each row is such that the weights after the first add up to log2(count); found by bisection.
    """
    d = distances.astype(np.float64)
    low, high = np.full(len(d), -15.0), np.full(len(d), 15.0)  # log s
    for _ in range(50):
        middle = (low + high) / 2
        wide = np.exp(-d[:, 1:] / np.exp(middle)[:, None]).sum(axis=1) > np.log2(
            d.shape[1]
        )
        low, high = np.where(wide, low, middle), np.where(wide, middle, high)
    weights: npt.NDArray[np.float64] = np.exp(-d / np.exp(low)[:, None])
    return weights
