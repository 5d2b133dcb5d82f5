"""The map of a set of images: fitted on a sample, saved, and new images placed in it (Fig 4a).

The map is its training images: names, embeddings and positions, in `WORK/models/cluster/map.arrow` (`twigma removals`
takes images out of it). Another image is placed as `UMAP.transform` does it: first at the weighted mean of its nearest
training images, then moved by gradient descent, in which the training images stay (`descent.py`). Unlike it, this
module computes the neighbours exactly and scales no weight by those of other images: an image has one position,
whatever is placed with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.engine.row_blocks import RowBlocks
from twigma.builder.engine.vectors import (
    Half,
    Indices,
    Vectors,
    as_column,
    as_matrix,
    draw,
)
from twigma.builder.maps import FEWEST
from twigma.builder.maps.descent import settle
from twigma.builder.maps.kept_places import KeptPlaces
from twigma.builder.maps.layout import NEIGHBOURS, layout
from twigma.builder.maps.weights import strengths
from twigma.core.neighbours.searcher import searcher
from twigma.core.numeric.unit_vectors import unit_rows
from twigma.core.progress import progress_bar
from twigma.core.safety.failures import DataError

MAP_ROWS = 40_000  # UMAP is fitted on a sample of this size
# Cosine distance up to which an image is a training image: float32 rounding.
SAME = 1e-6
BLOCK = 4_096

Floats = npt.NDArray[np.float32]


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
    """UMAP of a sample of these rows, int64[n]; ValueError for fewer than four.

    It depends on the order of the rows, and not on how many threads there are.
    """
    if len(rows) < FEWEST:
        raise DataError(
            f"expected at least {FEWEST} distinct embedded images for a map, found {len(rows)}"
        )
    sample = draw(np.random.default_rng(seed), rows, MAP_ROWS)
    half = vectors.take(sample)
    places = layout(half.astype(np.float32), seed=seed)
    return ImageMap(vectors.names.take(pa.array(sample)), half, places)


# ------------------------------------------------------------------ placing


def positions(
    on: ImageMap,
    vectors: Vectors,
    rows: Indices,
    blocks: RowBlocks | None = None,
    kept: KeptPlaces | None = None,
) -> Floats:
    """Position float32[n, 2] of each of these rows, int64[n]: a training image's own, others placed among them.

    With `blocks`, which are those of `vectors` and may lie on a cluster, `rows` are ascending. With `kept`, what an
    earlier run placed is taken from there, and what this one places is kept.
    """
    names = vectors.names.take(pa.array(rows))
    place = pc.index_in(names, value_set=on.names)
    is_training = np.asarray(place.is_valid())
    result = np.empty((len(rows), 2), np.float32)
    result[is_training] = on.positions[place.drop_null().to_numpy()]
    others = rows[~is_training]
    places = [np.empty((0, 2), np.float32) if kept is None else kept.places]
    for block in _placed(on, vectors, others[len(places[0]) :], blocks):
        if kept is not None:
            kept.add(block)
        places.append(block)
    result[~is_training] = np.concatenate(places)
    return result


def _placed(
    on: ImageMap, vectors: Vectors, rows: Indices, blocks: RowBlocks | None
) -> Iterator[Floats]:
    """The positions of these rows, int64[n], block by block."""
    if not len(rows):
        return
    # On a cluster each block makes its own search ready; here one is made for all.
    if blocks is None or blocks.is_local:
        yield from _placed_here(on, vectors, rows)
    else:
        yield from blocks.map(_place, rows, on)


def _place(rows: Half, on: ImageMap) -> Floats:
    """The positions of one block of rows, float16[n, dim]."""
    vectors = Vectors([as_column(rows)], pa.nulls(len(rows), pa.string()))
    return np.concatenate(list(_placed_here(on, vectors, np.arange(len(rows)))))


def _placed_here(on: ImageMap, vectors: Vectors, rows: Indices) -> Iterator[Floats]:
    """The positions of these rows among the training images, block by block; ValueError without any image."""
    if not len(on.rows):
        raise DataError(
            "no image of the map is left: run `twigma cluster`, which fits a new one"
        )
    training = unit_rows(on.rows)
    search = searcher(training, min(NEIGHBOURS, len(training)), len(rows))
    starts = range(0, len(rows), BLOCK)
    for at in progress_bar(starts, desc="place on the map", unit="block"):
        points = unit_rows(vectors.take(rows[at : at + BLOCK]))
        similarity, near = search(points)
        distances = np.clip(1 - similarity, 0, None)
        yield _settled(on.positions, near, distances)


def _settled(positions: Floats, near: Indices, distances: Floats) -> Floats:
    """Positions float32[n, 2] among neighbours, int64[n, count] at these distances, float32[n, count].

    Their weighted mean, improved by gradient descent; an image at no distance from its nearest takes its position.
    """
    weights = strengths(distances)
    shares = weights / weights.sum(axis=1, keepdims=True)
    starts: Floats = np.einsum("ij,ijk->ik", shares, positions[near]).astype(np.float32)
    result = settle(starts, positions, near, weights)
    same = distances[:, 0] <= SAME
    result[same] = positions[near[same, 0]]
    return result
