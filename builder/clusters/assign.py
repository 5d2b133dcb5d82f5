"""Assign new images to the clusters and the map of an earlier fit; report how far the images have drifted from it.

Run by `twigma assign`. Labels and positions of the images before stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.clusters.cluster import place
from twigma.builder.clusters.distinct_images import Embedded, read_embedded
from twigma.builder.clusters.fit import Fit, cluster_summary, read_fit
from twigma.builder.clusters.kmeans import Floats, nearest_in
from twigma.builder.engine.row_blocks import RowBlocks, row_blocks
from twigma.builder.engine.vectors import Indices
from twigma.builder.maps.image_map import positions
from twigma.builder.maps.kept_places import KeptPlaces
from twigma.builder.stages.dedupe import REASONS
from twigma.core import columns
from twigma.core.model_identity import describe, differing_columns
from twigma.core.names import DEFAULT
from twigma.core.parts import (
    Provenance,
    announce_recreated,
    fingerprint,
    read_part,
    read_provenance,
    write_part,
)
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.workspace import AnyWorkspace, Workspace

REVISION = 4  # raise it when the same images and fit give other labels or positions
MOVED = 0.1  # total variation of the shares, and
FARTHER = 1.1  # ratio of the mean distances, at which drift is called large


@dataclass(frozen=True)
class Assigned:
    """Images added by a run, and the distinct images per label at the fit and now.

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
        """Whether the images differ from those that the clusters were fitted on."""
        return self.moved > MOVED or self.farther > FARTHER


@dataclass(frozen=True)
class _Part:
    """The columns of this fit that are there already."""

    provenance: dict[str, Any]
    table: pa.Table

    @property
    def is_of_this_code(self) -> bool:
        """Whether `cluster` itself wrote it with the fit, or today's revision of this module did."""
        written_by_cluster = "fit" not in self.provenance
        return written_by_cluster or self.provenance.get("code_revision") == REVISION

    def is_current(self, inputs: Provenance) -> bool:
        """Whether it holds what would be written for these inputs."""
        theirs = self.provenance
        same = all(theirs.get(name) == value for name, value in inputs.items())
        return same and self.is_of_this_code


def assign_new_images(
    work: AnyWorkspace, drop: Sequence[str] = REASONS, *, engine: Engine = LOCAL
) -> Assigned:
    """Write `columns/cluster` for all images by the saved fit: nearest centroid, place on the saved map.

    Raises FileNotFoundError when there is no fit, ValueError when it is one of another model's embeddings, RuntimeError
    while another process writes clusters.
    """
    work = Workspace(work)
    with work.lock_stage("cluster"):
        return _assign(work, drop, engine)


def _assign(work: Workspace, drop: Sequence[str], engine: Engine) -> Assigned:
    fit = read_fit(work)
    # New images are placed by the embeddings that the clusters were fitted on.
    images = read_embedded(work, drop, fit.provenance.get("embedding_name", DEFAULT))
    theirs = fit.provenance["embedding"]
    key = differing_columns(theirs, images.model)
    if key is not None:
        raise ValueError(
            f"{work}: the clusters are of embeddings by {describe(theirs, key)}, those of today are by "
            f"{describe(images.model, key)}: run `twigma cluster`"
        )
    rows = np.arange(len(images.vectors))
    with row_blocks(images.vectors, engine) as blocks:
        labels, distances = nearest_in(blocks, rows, fit.centroids)
        added = _write(work, images, fit, labels, blocks)
    originals = images.originals
    now = cluster_summary(labels[originals], distances[originals], len(fit.centroids))
    return _drift(added, fit.clusters, now)


def _write(
    work: Workspace, images: Embedded, fit: Fit, labels: Indices, blocks: RowBlocks
) -> int:
    """Write the part unless it is one of this fit, these images and this code; the images added."""
    before = _part_of(work, fit.provenance["fit"])
    if before is not None and before.is_current(images.inputs):
        return 0
    provenance = Provenance(
        code_revision=REVISION,
        fit=fit.provenance["fit"],
        k=fit.provenance["k"],
        seed=fit.provenance["seed"],
    )
    provenance.update(images.inputs)
    path = work.part("cluster")
    empty = columns.schema(["image_name", "UMAP_dim_1", "UMAP_dim_2"]).empty_table()
    known = empty if before is None else before.table
    placed = known
    if before is not None and not before.is_of_this_code:
        # Positions that other code computed do not stay beside ours.
        announce_recreated("cluster", [(path, provenance)])
        placed = empty
    originals = images.originals
    of_originals = np.searchsorted(originals, images.representative)
    # Which images have places already depends on the part before.
    earlier = None if before is None else before.provenance
    made_from = fingerprint([provenance, earlier])
    with KeptPlaces(work.kept_places_file, made_from) as kept:
        places = _places(images, placed, fit, blocks, kept)[of_originals]
    names = images.vectors.names
    images_of_part = pa.table({"image_name": names})
    table = place(images_of_part, labels + 1, places, fit.provenance["k"])
    write_part(path, table, provenance)
    is_known = pc.is_in(names, value_set=known["image_name"].combine_chunks())
    return int(np.sum(~np.asarray(is_known)))


def _part_of(work: Workspace, fit: str) -> _Part | None:
    """The part that is there, if it is one of this fit."""
    path = work.part("cluster")
    if not path.exists():
        return None
    provenance = read_provenance(path)
    if fit not in (fingerprint(provenance), provenance.get("fit")):
        return None
    return _Part(provenance, read_part(path))


def _places(
    images: Embedded,
    known: pa.Table,
    fit: Fit,
    blocks: RowBlocks,
    kept: KeptPlaces,
) -> Floats:
    """Position float32[n, 2] of each image that stays: the one it has had since the fit, or a new one."""
    originals = images.originals
    names = images.vectors.names.take(pa.array(originals))
    row = pc.index_in(names, value_set=known["image_name"].combine_chunks())
    is_known = np.asarray(row.is_valid())
    rows = row.drop_null().to_numpy()
    result = np.empty((len(originals), 2), np.float32)
    result[is_known, 0] = known["UMAP_dim_1"].to_numpy()[rows]
    result[is_known, 1] = known["UMAP_dim_2"].to_numpy()[rows]
    others = originals[~is_known]
    result[~is_known] = positions(fit.image_map, images.vectors, others, blocks, kept)
    return result


def _drift(added: int, fitted: pa.Table, now: pa.Table) -> Assigned:
    """Compare two tables of `cluster_summary`."""
    share_at_fit, share_now = _shares(fitted), _shares(now)
    distance_at_fit = fitted["distance"].to_numpy()
    distance_now = now["distance"].to_numpy()
    drift = {
        "label": fitted["label"],
        "share_at_fit": share_at_fit,
        "share_now": share_now,
        "distance_at_fit": distance_at_fit,
        "distance_now": distance_now,
    }
    moved = np.abs(share_at_fit - share_now).sum() / 2
    # An empty cluster has no mean distance (NaN), and no share.
    mean_at_fit = np.nansum(share_at_fit * distance_at_fit)
    mean_now = np.nansum(share_now * distance_now)
    farther = mean_now / mean_at_fit if mean_at_fit > 0 else 1.0
    return Assigned(added, pa.table(drift), float(moved), float(farther))


def _shares(clusters: pa.Table) -> npt.NDArray[np.float64]:
    images = clusters["images"].to_numpy()
    shares: npt.NDArray[np.float64] = images / max(1, images.sum())
    return shares
