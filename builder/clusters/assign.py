"""Assign new images to the clusters and the map of an earlier fit; say how far the images have drifted from it.

Run by `twigma assign`. Labels and positions of the images before stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.clusters.cluster import (
    Embedded,
    part,
    place,
    read_embedded,
    read_fit,
    summary,
)
from twigma.builder.clusters.kmeans import Floats, nearest
from twigma.builder.clusters.umap_map import ImageMap, positions
from twigma.builder.engine.vectors import Indices
from twigma.builder.stages.dedupe import REASONS
from twigma.core.parts import fingerprint, read_part, read_provenance, write_part

MOVED = 0.1  # total variation of the shares, and
FARTHER = 1.1  # ratio of the mean distances, at which drift is called large
NOTHING = pa.table(
    {
        "image_name": pa.array([], pa.string()),
        "UMAP_dim_1": [0.0][:0],
        "UMAP_dim_2": [0.0][:0],
    }
)


@dataclass(frozen=True)
class Assigned:
    """What a run left: images added now, and the distinct images per label at the fit and now.

    `drift` has label, share_at_fit, share_now, distance_at_fit, distance_now (mean distance to the centroid).
    `moved` is the share of images that would have to change label for the shares to be those of the fit; `farther` the
    mean distance over all images, relative to that at the fit.
    """

    added: int
    drift: pa.Table
    moved: float
    farther: float

    @property
    def is_large(self) -> bool:
        """Whether the images have become others than the clusters were fitted on."""
        return self.moved > MOVED or self.farther > FARTHER


def assign_new_images(work: Path, drop: Sequence[str] = REASONS) -> Assigned:
    """Write `columns/cluster` for all images by the saved fit: nearest centroid, place on the saved map.

    Raises FileNotFoundError when there is no fit, ValueError when it is one of another model's embeddings.
    """
    of, fitted, centroids, on = read_fit(work)
    images = read_embedded(work, drop)
    if images.model != of["model"] or images.vectors.dim != centroids.shape[1]:
        found = f"{images.model} (length {images.vectors.dim})"
        raise ValueError(
            f"{work}: the clusters are of embeddings by {of['model']} (length {centroids.shape[1]}), found those of "
            f"{found}: run `twigma cluster`"
        )
    labels, distances = nearest(
        images.vectors, np.arange(len(images.vectors)), centroids
    )
    added = _write(work, images, of, labels, on)
    return _drift(
        added,
        fitted,
        summary(labels[images.kept], distances[images.kept], len(centroids)),
    )


def _write(
    work: Path, images: Embedded, of: dict[str, Any], labels: Indices, on: ImageMap
) -> int:
    """Write the part unless it is one of this fit and these images; the images added."""
    before = _part_of(work, of["fit"])
    if before is not None and all(
        before[0].get(name) == value for name, value in images.marks.items()
    ):
        return 0
    names = images.vectors.names
    known = NOTHING if before is None else before[1]
    places = _places(images, known, on)[np.searchsorted(images.kept, images.stands)]
    table = place(pa.table({"image_name": names}), labels + 1, places)
    write_part(
        part(work),
        table,
        {name: of[name] for name in ("fit", "k", "seed")} | images.marks,
    )
    return int(
        np.sum(
            ~np.asarray(pc.is_in(names, value_set=known["image_name"].combine_chunks()))
        )
    )


def _part_of(work: Path, fit: str) -> tuple[dict[str, Any], pa.Table] | None:
    """What the part was made from, and its rows, if it is one of this fit."""
    path = part(work)
    if not path.exists():
        return None
    made_from = read_provenance(path)
    is_of_fit = fit in (fingerprint(made_from), made_from.get("fit"))
    return (made_from, read_part(path)) if is_of_fit else None


def _places(images: Embedded, known: pa.Table, on: ImageMap) -> Floats:
    """Position of each image that stays: the one it has had since the fit, or a new one."""
    kept = images.kept
    found = pc.index_in(
        images.vectors.names.take(pa.array(kept)),
        value_set=known["image_name"].combine_chunks(),
    )
    old, result = np.asarray(found.is_valid()), np.empty((len(kept), 2), np.float32)
    for axis, name in enumerate(("UMAP_dim_1", "UMAP_dim_2")):
        result[old, axis] = known[name].to_numpy()[found.drop_null().to_numpy()]
    result[~old] = positions(on, images.vectors, kept[~old])
    return result


def _drift(added: int, fitted: pa.Table, now: pa.Table) -> Assigned:
    (share_then, then), (share_now, distance_now) = (
        (_shares(t), t["distance"].to_numpy()) for t in (fitted, now)
    )
    values = {
        "share_at_fit": share_then,
        "share_now": share_now,
        "distance_at_fit": then,
        "distance_now": distance_now,
    }
    moved, overall = (
        np.abs(share_then - share_now).sum() / 2,
        np.nansum(share_then * then),
    )
    farther = np.nansum(share_now * distance_now) / overall if overall > 0 else 1.0
    return Assigned(
        added,
        pa.table({"label": fitted["label"], **values}),
        float(moved),
        float(farther),
    )


def _shares(table: pa.Table) -> npt.NDArray[np.float64]:
    images = table["images"].to_numpy()
    shares: npt.NDArray[np.float64] = images / max(1, images.sum())
    return shares
