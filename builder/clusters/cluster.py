"""Add the k-means cluster and the 2-D UMAP position of every embedded image (Fig 4a, 4b). Run by `twigma cluster`.

Both are fitted on the images that stay after deduplication; repeated images get the nearest centroid and the
position of the image they repeat. The fit is saved in `WORK/models/cluster/` (see `fit.py`), so that `assign.py` can
assign new images to it. A later fit takes the labels over: each new centroid takes that of the old one it is matched
with, and `crosswalk.csv` counts the images by old and new label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.clusters.distinct_images import Embedded, read_embedded
from twigma.builder.clusters.fit import (
    cluster_summary,
    is_saved,
    previous_centroids,
    save_fit,
)
from twigma.builder.clusters.kmeans import (
    Floats,
    K,
    default_k,
    kmeans,
    nearest_in,
)
from twigma.builder.engine.row_blocks import RowBlocks, row_blocks
from twigma.builder.engine.vectors import Indices
from twigma.builder.maps import FEWEST
from twigma.builder.maps.image_map import image_map, positions
from twigma.builder.maps.kept_places import KeptPlaces
from twigma.builder.stages.dedupe import REASONS
from twigma.core import columns
from twigma.core.names import DEFAULT
from twigma.core.parts import (
    Provenance,
    announce_recreated,
    fingerprint,
    last_settings,
    part_is_current,
    read_part,
    write_part,
)
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.progress import notice
from twigma.core.safety import spreadsheet
from twigma.core.stage import stage
from twigma.core.workspace import AnyWorkspace, Workspace

REVISION = 7  # raise it when the same images get other clusters or another map, by any module of this room
OF_IMAGES = (columns.LABELS, "UMAP_dim_1", "UMAP_dim_2")


@dataclass(frozen=True)
class Clusters:
    """The clusters of a folder after a run.

    `sizes` are the images per label. `crosswalk` has old_label, new_label and images where a new fit replaced an older
    one; None otherwise.
    """

    sizes: dict[int, int]
    crosswalk: pa.Table | None


def cluster(
    work: AnyWorkspace,
    k: int | None = None,
    *,
    seed: int = 0,
    drop: Sequence[str] = REASONS,
    embedding: str = DEFAULT,
    engine: Engine = LOCAL,
) -> Clusters:
    """Write `columns/cluster` (label_K_cluster with 1..k, UMAP_dim_1, UMAP_dim_2), the fit and the crosswalk.

    `drop` are the reasons for which `twigma dedupe` marks an image as repeated; the others count as distinct.
    `embedding` is the name of the embeddings. Without `k` there are 10 clusters, and of at most 10 distinct images one
    for every two, until there are more. Labels go by falling size at the first fit. ValueError when fewer than k + 1
    distinct images are embedded, or fewer than four, of which there is no map. Same input, seed and earlier fit: same
    bytes, on either engine. On Ray, k-means over all images and their places on the map are computed by its nodes;
    starts and map are fitted here, on samples.
    """
    work = Workspace(work)
    with work.lock_stage("cluster"):
        return _cluster(work, k, seed, read_embedded(work, drop, embedding), engine)


def _cluster(
    work: Workspace, named: int | None, seed: int, images: Embedded, engine: Engine
) -> Clusters:
    distinct = len(images.originals)
    if distinct < FEWEST:
        raise ValueError(too_few(distinct))
    k = default_k(distinct) if named is None else named
    provenance = Provenance(code_revision=REVISION, k=k, seed=seed)
    if named is None and k != K:
        notice(
            f"cluster: {k} clusters, as there are only {distinct} distinct images; --clusters fits another number"
        )
        # Once there are more images, there are more clusters.
        provenance["for_few"] = True
    provenance.update(images.inputs)
    path = work.part("cluster")
    fit = fingerprint(provenance)
    if part_is_current(path, provenance) and is_saved(work, fit):
        return Clusters(sizes(work), None)
    announce_recreated("cluster", [(path, provenance)])
    before = _previous_part(path)
    saved_as = Provenance(fit=fit, embedding=images.model, k=k, seed=seed)
    if "embedding_name" in images.inputs:
        saved_as["embedding_name"] = images.inputs["embedding_name"]
    with row_blocks(images.vectors, engine) as blocks:
        table = _fit(work, images, blocks, saved_as)
    crosswalk = None
    if before is not None:
        crosswalk = count_moves(before, table)
        spreadsheet.write_table(work.crosswalk_file, crosswalk)
    write_part(path, table, provenance)
    return Clusters(sizes(work), crosswalk)


def too_few(distinct: int) -> str:
    """What to say of so few distinct images that there is no map of them."""
    return (
        f"clusters and a map need at least {FEWEST} distinct embedded images, found {distinct}: add more, or go on "
        "without them, with `twigma release --without cluster`"
    )


def settings_before(work: AnyWorkspace) -> dict[str, Any]:
    """The settings `k`, `seed` and `drop` of the last run, as keywords of `cluster`; a `k` for few images is none."""
    path = Workspace(work).part("cluster")
    settings = last_settings(path, "k", "seed", "drop", "for_few")
    if settings.pop("for_few", False):
        del settings["k"]
    return settings


def _fit(
    work: Workspace, images: Embedded, blocks: RowBlocks, provenance: Provenance
) -> pa.Table:
    """Fit centroids and map, save them, and give the part of the columns."""
    vectors, originals = images.vectors, images.originals
    k, seed = provenance["k"], provenance["seed"]
    before = previous_centroids(work, images.model)
    # In the order of names, so that the same images in other shards get the same labels and places.
    ordered = images.by_name(originals)
    centroids = kmeans(vectors, ordered, k, seed=seed, blocks=blocks)
    centroids = numbered(centroids, before)
    on = image_map(vectors, ordered, seed=seed)
    with KeptPlaces(work.kept_places_file, provenance["fit"]) as kept:
        places = positions(on, vectors, originals, blocks, kept)
    every = np.arange(len(vectors))
    labels, distances = nearest_in(blocks, every, centroids)
    clusters = cluster_summary(labels[originals], distances[originals], k)
    save_fit(work, provenance, clusters, centroids, on)
    # Images that repeat another are at its place.
    of_originals = np.searchsorted(originals, images.representative)
    names = pa.table({"image_name": vectors.names})
    return place(names, labels + 1, places[of_originals], k)


@stage(reads=("image_name",), adds=OF_IMAGES)
def place(images: pa.Table, labels: Indices, places: Floats, k: int) -> pa.Table:
    """Add to each image its label, int64[n] (1 to k), and its position on the map, float32[n, 2]."""
    one, two = np.ascontiguousarray(places.T)
    values = {
        columns.label_column(k): pa.array(labels, pa.int32()),
        "UMAP_dim_1": one,
        "UMAP_dim_2": two,
    }
    return columns.add(images, **values)


def labels_of(part: pa.Table) -> pa.ChunkedArray:
    """The labels in a part of one row per image, whatever their number; ValueError where it has none."""
    columns.require(part, [columns.LABELS], "columns/cluster")
    return part[columns.find_label_column(part.column_names)]


def sizes(work: AnyWorkspace) -> dict[int, int]:
    """Images per label, by label."""
    labels = labels_of(read_part(Workspace(work).part("cluster")))
    counted = pc.value_counts(labels).to_pylist()
    return dict(sorted((pair["values"], pair["counts"]) for pair in counted))


# ------------------------------------------------------------------ labels that stay


def numbered(centroids: Floats, before: Floats | None) -> Floats:
    """The centroids in the order of their labels.

    New and old centroids are matched so that the distances add up to the least (Hungarian method); a new one takes the
    label of its match, and those left over the free labels by falling size. Of a fit of fewer clusters than the one
    before, only labels 1 to k are matched.

    Parameters
    ----------
    centroids : float32[k, dim], by falling size of their clusters.
    before : float32[m, dim], by label in the fit before; None leaves the order as it is.

    Returns
    -------
    float32[k, dim].
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    k = len(centroids)
    if before is None:
        return centroids
    new, old = linear_sum_assignment(cdist(centroids, before[:k]))
    order = np.full(k, -1)
    order[old] = new
    order[order < 0] = np.setdiff1d(np.arange(k), new)
    return np.ascontiguousarray(centroids[order])


def count_moves(before: pa.Table, after: pa.Table) -> pa.Table:
    """Cross-tabulate two parts of one row per image, by `image_name`.

    Returns a row per pair of labels that occurs: old_label, new_label, and `images`, how many both parts hold.
    """
    place_before = pc.index_in(
        after["image_name"].combine_chunks(),
        value_set=before["image_name"].combine_chunks(),
    )
    old = labels_of(before).combine_chunks().take(place_before)
    pairs = pa.table({"old_label": old, "new_label": labels_of(after)})
    pairs = pairs.filter(place_before.is_valid())
    counted = pairs.group_by(["old_label", "new_label"]).aggregate([([], "count_all")])
    order = [("old_label", "ascending"), ("new_label", "ascending")]
    return counted.rename_columns(["old_label", "new_label", "images"]).sort_by(order)


def _previous_part(path: Path) -> pa.Table | None:
    """The part to be replaced; None where there is none, or it is damaged and nothing can be compared with it."""
    try:
        return read_part(path) if path.exists() else None
    except (ValueError, OSError):
        return None
