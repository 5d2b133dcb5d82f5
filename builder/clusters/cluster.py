"""Add the k-means cluster and the 2-D UMAP position of every embedded image (Fig 4a, 4b). Run by `twigma cluster`.

Both are fitted on the images that stay after deduplication; repeated images get the nearest centroid and the
position of the image they repeat. The fit is kept in `WORK/models/cluster/`, as `centroids.arrow` and `map.arrow`, so
that `assign.py` can assign new images to it. A later fit keeps the labels: each new centroid takes that of the old one
it is matched with, and `crosswalk.csv` counts the images by old and new label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.clusters.kmeans import Floats, K, kmeans, nearest
from twigma.builder.clusters.umap_map import ImageMap, image_map, positions
from twigma.builder.engine.vectors import Indices, Vectors, as_matrix, read_vectors
from twigma.builder.stages.dedupe import REASONS
from twigma.core import columns
from twigma.core.parts import (
    fingerprint,
    part_is_current,
    read_part,
    read_parts,
    read_provenance,
    write_part,
)
from twigma.core.safety import spreadsheet
from twigma.core.stage import stage

OF_IMAGES = ("label_10_cluster", "UMAP_dim_1", "UMAP_dim_2")


@dataclass(frozen=True)
class Clusters:
    """What a run left: images per label, and old_label, new_label, images where it was a new fit over an older one."""

    sizes: dict[int, int]
    crosswalk: pa.Table | None


@dataclass(frozen=True)
class Embedded:
    """The embedded images, the row that stands for each (itself where it stays), and what they were read from."""

    vectors: Vectors
    stands: Indices
    model: str
    marks: dict[str, Any]

    @property
    def kept(self) -> Indices:
        """The rows that stay after deduplication."""
        return np.flatnonzero(self.stands == np.arange(len(self.stands)))


def cluster(
    work: Path, k: int = K, *, seed: int = 0, drop: Sequence[str] = REASONS
) -> Clusters:
    """Write `columns/cluster` (label_10_cluster 1..k, UMAP_dim_1, UMAP_dim_2), the fit and the crosswalk.

    `drop` are the reasons for which `twigma dedupe` marks an image as repeated; the others count as distinct. Labels go
    by falling size at the first fit. ValueError when fewer than k + 1 distinct images are embedded. Same input, seed
    and earlier fit: same bytes.
    """
    images = read_embedded(work, drop)
    made_from = {"k": k, "seed": seed, **images.marks}
    path, fit, crosswalk = part(work), fingerprint(made_from), None
    if not (part_is_current(path, made_from) and is_saved(work, fit)):
        before = _labels_before(path)
        labels, places = _fit(
            work, images, {"fit": fit, "model": images.model, "k": k, "seed": seed}
        )
        table = place(pa.table({"image_name": images.vectors.names}), labels, places)
        if before is not None:
            crosswalk = count_moves(before, table)
            spreadsheet.write_table(models(work) / "crosswalk.csv", crosswalk)
        write_part(path, table, made_from)
    return Clusters(sizes(work), crosswalk)


def _fit(work: Path, images: Embedded, of: dict[str, Any]) -> tuple[Indices, Floats]:
    """Fit centroids and map, save them, and give the label and position of every embedded image."""
    kept, k, seed = images.kept, of["k"], of["seed"]
    centroids = numbered(
        kmeans(images.vectors, kept, k, seed=seed), _centroids_before(work, images)
    )
    on = image_map(images.vectors, kept, seed=seed)
    places = positions(on, images.vectors, kept)
    labels, distances = nearest(
        images.vectors, np.arange(len(images.vectors)), centroids
    )
    write_part(models(work) / "map.arrow", on.table(), of)
    fitted = summary(labels[kept], distances[kept], k).append_column(
        "centroid", _as_column(centroids)
    )
    write_part(models(work) / "centroids.arrow", fitted, of)
    return labels + 1, places[np.searchsorted(kept, images.stands)]


@stage(reads=("image_name",), adds=OF_IMAGES)
def place(images: pa.Table, labels: Indices, places: Floats) -> pa.Table:
    """Add to each image its label (1 to k) and its position on the map, float32[n, 2]."""
    one, two = np.ascontiguousarray(places.T)
    return columns.add(
        images,
        label_10_cluster=pa.array(labels, pa.int32()),
        UMAP_dim_1=one,
        UMAP_dim_2=two,
    )


def sizes(work: Path) -> dict[int, int]:
    """Images per label."""
    found = pc.value_counts(read_part(part(work))["label_10_cluster"]).to_pylist()
    return dict(sorted((pair["values"], pair["counts"]) for pair in found))


def summary(labels: Indices, distances: Floats, k: int) -> pa.Table:
    """Per label (1 to k): images, and their mean distance to the centroid (NaN without any)."""
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, distances.astype(np.float64), minlength=k)
    means = np.divide(sums, counts, out=np.full(k, np.nan), where=counts > 0)
    return pa.table({"label": np.arange(1, k + 1), "images": counts, "distance": means})


# ------------------------------------------------------------------ labels that stay


def numbered(centroids: Floats, before: Floats | None) -> Floats:
    """The centroids in the order of their labels, given by falling size, and those of the fit before.

    New and old centroids are matched so that the distances add up to the least (Hungarian method); a new one takes the
    label of its match, and those left over the free labels by falling size. Of a fit of fewer clusters than the one
    before, only labels 1 to k are matched.
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
    """old_label, new_label, and the images that both tables hold."""
    found = pc.index_in(
        after["image_name"].combine_chunks(),
        value_set=before["image_name"].combine_chunks(),
    )
    old, new = (
        before["label_10_cluster"].combine_chunks().take(found),
        after["label_10_cluster"],
    )
    both = pa.table({"old_label": old, "new_label": new}).filter(found.is_valid())
    counted = both.group_by(["old_label", "new_label"]).aggregate([([], "count_all")])
    order = [("old_label", "ascending"), ("new_label", "ascending")]
    return counted.rename_columns(["old_label", "new_label", "images"]).sort_by(order)


# ------------------------------------------------------------------ files


def part(work: Path) -> Path:
    """The one part of `columns/cluster`."""
    return work / "columns" / "cluster" / "all.arrow"


def models(work: Path) -> Path:
    """Where the fit is kept; without it, the next one gives labels by falling size again."""
    return work / "models" / "cluster"


def is_saved(work: Path, fit: str) -> bool:
    """Whether the saved centroids and map are those of this fit."""
    paths = [models(work) / name for name in ("centroids.arrow", "map.arrow")]
    return all(path.exists() and read_provenance(path)["fit"] == fit for path in paths)


def read_fit(work: Path) -> tuple[dict[str, Any], pa.Table, Floats, ImageMap]:
    """What the saved fit is of, its summary, centroids and map; an error says what to run where there is none."""
    paths = [models(work) / name for name in ("centroids.arrow", "map.arrow")]
    if not all(path.exists() for path in paths):
        raise FileNotFoundError(
            f"no clusters in {models(work)}: run `twigma cluster` first"
        )
    of, of_map = map(read_provenance, paths)
    if of != of_map:
        raise ValueError(
            f"{paths[0]} and {paths[1]} are of two fits: run `twigma cluster`, which fits new ones"
        )
    table = read_part(paths[0])
    return of, table, _centroids(table), ImageMap.of(read_part(paths[1]))


def _as_column(centroids: Floats) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(
        pa.array(centroids.reshape(-1)), centroids.shape[1]
    )


def _centroids(table: pa.Table) -> Floats:
    return as_matrix(table["centroid"]).astype(np.float32, copy=False)


def _labels_before(path: Path) -> pa.Table | None:
    try:
        return read_part(path) if path.exists() else None
    except (ValueError, OSError):
        return None  # damaged: there is nothing to compare with


def _centroids_before(work: Path, images: Embedded) -> Floats | None:
    """Centroids of the fit before, by label, if it was one of embeddings of the same model."""
    path = models(work) / "centroids.arrow"
    if not path.exists() or read_provenance(path)["model"] != images.model:
        return None
    centroids = _centroids(read_part(path))
    return centroids if centroids.shape[1] == images.vectors.dim else None


def read_embedded(work: Path, drop: Sequence[str] = REASONS) -> Embedded:
    """The embedded images of a working folder, after deduplication for the reasons in `drop`."""
    vectors, marks = read_vectors(work)
    stands = representatives(vectors, read_parts(work / "columns" / "dedupe"), drop)
    model = str(
        read_provenance(min((work / "columns" / "embed").glob("*.arrow")))["model"]
    )
    return Embedded(
        vectors,
        stands,
        model,
        {"drop": list(drop), "embed": marks, "dedupe": _mark(work)},
    )


def _mark(work: Path) -> str:
    path = work / "columns" / "dedupe" / "all.arrow"
    metadata: dict[bytes, bytes] = read_part(path).schema.metadata or {}
    return metadata[b"fingerprint"].decode()


def representatives(
    vectors: Vectors, repeats: pa.Table, drop: Sequence[str]
) -> Indices:
    """For each embedded image the row of the image that stays in its place; itself where it stays.

    `repeats` is the table of `twigma dedupe`; only its reasons in `drop` count, and chains are followed to their end.
    """
    dropped = pc.is_in(
        repeats["duplicate_reason"], value_set=pa.array(drop, pa.string())
    )
    links = repeats.filter(
        pc.and_(dropped, pc.not_equal(repeats["duplicate_of"], repeats["image_name"]))
    )
    image, other = (
        pc.index_in(links[name].combine_chunks(), value_set=vectors.names)
        for name in ("image_name", "duplicate_of")
    )
    both = np.asarray(pc.and_(image.is_valid(), other.is_valid()))
    stands = np.arange(len(vectors))
    stands[image.fill_null(0).to_numpy()[both]] = other.fill_null(0).to_numpy()[both]
    while not np.array_equal(further := stands[stands], stands):
        stands = further
    return stands
