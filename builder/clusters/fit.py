"""A fit of `twigma cluster` as it is saved in `WORK/models/cluster`: centroids, map and a summary of the clusters.

`assign.py` puts new images into it, and the next fit takes its labels over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.vectors import Indices, as_matrix
from twigma.builder.maps.image_map import ImageMap
from twigma.core.model_identity import differing_columns
from twigma.core.parts import Provenance, read_part, read_provenance, write_part
from twigma.core.workspace import AnyWorkspace, Workspace

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """Clusters and map of a set of images.

    Attributes
    ----------
    provenance : `fit` (the fingerprint of the columns it was made with), the model of the `embedding`, `k`, `seed`.
    clusters : a row per label, as `cluster_summary` makes it.
    centroids : float32[k, dim], by label.
    image_map : the training images of the map.
    """

    provenance: dict[str, Any]
    clusters: pa.Table
    centroids: Floats
    image_map: ImageMap


def save_fit(
    work: Workspace,
    provenance: Provenance,
    clusters: pa.Table,
    centroids: Floats,
    image_map: ImageMap,
) -> None:
    """Write a fit; both files carry its provenance, by which one that belongs to another fit is noticed.

    `clusters` has a row per label, as `cluster_summary` returns it; `centroids` float32[k, dim] are in its order.
    """
    write_part(work.map_file, image_map.table(), provenance)
    values = pa.array(centroids.reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(values, centroids.shape[1])
    write_part(
        work.centroids_file, clusters.append_column("centroid", column), provenance
    )


def read_fit(work: AnyWorkspace) -> Fit:
    """The saved fit; FileNotFoundError where there is none, ValueError where its files belong to two fits."""
    work = Workspace(work)
    paths = [work.centroids_file, work.map_file]
    if not all(path.exists() for path in paths):
        raise FileNotFoundError(
            f"no clusters in {work.cluster_fit}: run `twigma cluster` first"
        )
    provenance, provenance_of_map = map(read_provenance, paths)
    if provenance != provenance_of_map:
        raise ValueError(
            f"{paths[0]} and {paths[1]} are of two fits: run `twigma cluster`"
        )
    clusters = read_part(work.centroids_file)
    image_map = ImageMap.of(read_part(work.map_file))
    return Fit(provenance, clusters, _centroids(clusters), image_map)


def is_saved(work: Workspace, fit: str) -> bool:
    """Whether the saved centroids and map are those of the fit with this fingerprint."""
    paths = [work.centroids_file, work.map_file]
    return all(path.exists() and read_provenance(path)["fit"] == fit for path in paths)


def previous_centroids(work: Workspace, model: Mapping[str, Any]) -> Floats | None:
    """Centroids of the saved fit, float32[k, dim] by label; None where it is one of another model's embeddings."""
    path = work.centroids_file
    if not path.exists():
        return None
    if differing_columns(read_provenance(path)["embedding"], model) is not None:
        return None
    return _centroids(read_part(path))


def cluster_summary(labels: Indices, distances: Floats, k: int) -> pa.Table:
    """Per label (1 to k): images, and their mean distance to the centroid (NaN without any).

    `labels` int64[n] count from 0, `distances` float32[n] are those of the same images.
    """
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, distances.astype(np.float64), minlength=k)
    means = np.full(k, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    labels_of_rows = np.arange(1, k + 1)
    return pa.table({"label": labels_of_rows, "images": counts, "distance": means})


def _centroids(clusters: pa.Table) -> Floats:
    return as_matrix(clusters["centroid"]).astype(np.float32, copy=False)
