"""Add the k-means cluster and the 2-D UMAP position of every embedded image (Fig 4a, 4b). Run by `twigma cluster`.

Both are fitted on the images that stay after deduplication; repeated images get the nearest centroid and the
position of the image they repeat. The centroids are kept in `WORK/models/centroids.npy` with a JSON beside them.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from twigma import columns
from twigma.builder.dedupe import REASONS
from twigma.builder.vectors import Indices, Vectors, read_vectors

K = 10  # section 4
RESTARTS = 10  # single k-means runs disagree (ARI .36 to .56); the best of ten is stable
ITERATIONS = 100
FIT_ROWS = 100_000  # restarts run on a sample of this size; Lloyd's iterations then use every row
NEIGHBOURS = 15
MIN_DIST = 0.1
EXACT_ROWS = 8_192  # up to here neighbours are found by one matrix product
MAP_ROWS = 40_000  # UMAP is fitted on a sample of this size and the others are placed in it
TOLERANCE = 1e-6  # largest squared shift of a centroid at which Lloyd's iterations stop

Floats = npt.NDArray[np.float32]


def cluster(work: Path, k: int = K, *, seed: int = 0, drop: Sequence[str] = REASONS) -> dict[int, int]:
    """Write `columns/cluster` (label_10_cluster 1..k by falling size, UMAP_dim_1, UMAP_dim_2); images per label.

    `drop` are the reasons for which `twigma dedupe` marks an image as repeated; the others count as distinct.
    ValueError when fewer than k + 1 distinct images are embedded. Same input and seed, same bytes.
    """
    vectors, marks = read_vectors(work)
    repeats = columns.read_parts(work / "columns" / "dedupe")
    path = work / "columns" / "cluster" / "all.arrow"
    made_from = {
        "k": k,
        "seed": seed,
        "drop": list(drop),
        "embed": marks,
        "dedupe": _mark(work / "columns" / "dedupe" / "all.arrow"),
    }
    saved = work / "models" / "centroids.npy"
    if not (columns.part_is_current(path, made_from) and saved.exists()):
        stands = stands_for(vectors, repeats, drop)
        kept = np.flatnonzero(stands == np.arange(len(vectors)))
        centroids = kmeans(vectors, kept, k, seed=seed)
        save_centroids(saved, centroids, {"k": k, "seed": seed, "rows": len(kept), "model": _model(work)})
        labels = nearest(vectors, np.arange(len(vectors)), centroids) + 1
        positions = umap_positions(vectors, kept, seed=seed)[np.searchsorted(kept, stands)]
        columns.write_part(path, place(pa.table({"image_name": vectors.names}), labels, positions), made_from)
    found = pc.value_counts(columns.read_arrow(path)["label_10_cluster"]).to_pylist()
    return dict(sorted((pair["values"], pair["counts"]) for pair in found))


@columns.stage(reads=("image_name",), adds=("label_10_cluster", "UMAP_dim_1", "UMAP_dim_2"))
def place(images: pa.Table, labels: Indices, positions: Floats) -> pa.Table:
    """Add to each image its label (1 to k) and its position on the map, float32[n, 2]."""
    return columns.add(
        images,
        label_10_cluster=pa.array(labels, pa.int32()),
        UMAP_dim_1=pa.array(positions[:, 0]),
        UMAP_dim_2=pa.array(positions[:, 1]),
    )


def _mark(part: Path) -> str:
    metadata: dict[bytes, bytes] = columns.read_arrow(part).schema.metadata or {}
    return metadata[b"fingerprint"].decode()


def _model(work: Path) -> str:
    return str(columns.made_from(min((work / "columns" / "embed").glob("*.arrow")))["model"])


def stands_for(vectors: Vectors, repeats: pa.Table, drop: Sequence[str]) -> Indices:
    """For each embedded image the row of the image that stays in its place; itself where it stays.

    `repeats` is the table of `twigma dedupe`; only its reasons in `drop` count, and chains are followed to their end.
    """
    dropped = pc.is_in(repeats["duplicate_reason"], value_set=pa.array(drop, pa.string()))
    links = repeats.filter(pc.and_(dropped, pc.not_equal(repeats["duplicate_of"], repeats["image_name"])))
    image, other = (
        pc.index_in(links[name].combine_chunks(), value_set=vectors.names) for name in ("image_name", "duplicate_of")
    )
    both = np.asarray(pc.and_(image.is_valid(), other.is_valid()))
    stands = np.arange(len(vectors))
    stands[image.fill_null(0).to_numpy()[both]] = other.fill_null(0).to_numpy()[both]
    while not np.array_equal(further := stands[stands], stands):
        stands = further
    return stands


# ------------------------------------------------------------------ k-means


def kmeans(vectors: Vectors, rows: Indices, k: int = K, *, seed: int = 0, restarts: int = RESTARTS) -> Floats:
    """Centroids float32[k, dim] of these rows, by falling cluster size.

    The best of `restarts` k-means++ runs on a sample, then Lloyd's iterations over all rows until they stand still.
    """
    import faiss

    if len(rows) <= k or k < 1:
        raise ValueError(f"expected more distinct embedded images than clusters, found {len(rows)} images for k={k}")
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(rows, FIT_ROWS, replace=False)) if len(rows) > FIT_ROWS else rows
    fit = faiss.Kmeans(
        vectors.dim,
        k,
        niter=ITERATIONS,
        nredo=restarts,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    )
    fit.train(vectors.take(sample).astype(np.float32))
    centroids: Floats = np.array(fit.centroids, np.float32)
    for _ in range(ITERATIONS):
        moved, sizes = _lloyd(vectors, rows, centroids)
        shift = np.square(moved - centroids).sum(axis=1).max()
        centroids = moved
        if shift <= TOLERANCE:
            break
    return np.ascontiguousarray(centroids[np.argsort(-sizes, kind="stable")])


def _lloyd(vectors: Vectors, rows: Indices, centroids: Floats) -> tuple[Floats, Indices]:
    """One iteration: the mean of the rows nearest to each centroid (an empty one stays), and their number."""
    sums = np.zeros(centroids.shape, np.float64)
    sizes = np.zeros(len(centroids), np.int64)
    for block, labels in _assigned(vectors, rows, centroids):
        member = (labels == np.arange(len(centroids))[:, None]).astype(np.float32)
        sums += member @ block
        sizes += np.bincount(labels, minlength=len(centroids))
    moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids)
    return moved.astype(np.float32), sizes


def _assigned(vectors: Vectors, rows: Indices, centroids: Floats) -> Any:
    """Blocks of these rows as float32, and the nearest centroid of each."""
    half = np.square(centroids).sum(axis=1) / 2
    for at in range(0, len(rows), 8192):
        block = vectors.take(rows[at : at + 8192]).astype(np.float32)
        yield block, (block @ centroids.T - half).argmax(axis=1)


def nearest(vectors: Vectors, rows: Indices, centroids: Floats) -> Indices:
    """Index of the nearest centroid of each of these rows."""
    found = [labels for _, labels in _assigned(vectors, rows, centroids)]
    return np.concatenate([np.empty(0, np.int64), *found])


def save_centroids(path: Path, centroids: Floats, facts: dict[str, Any]) -> None:
    """Write the centroids as .npy and what they are in a .json beside it."""
    with columns.atomic(path) as partial, partial.open("wb") as file:
        np.save(file, centroids, allow_pickle=False)
    columns.write_json(path.with_suffix(".json"), facts)


# ------------------------------------------------------------------ map


def umap_positions(vectors: Vectors, rows: Indices, *, seed: int = 0) -> Floats:
    """2-D UMAP positions float32[len(rows), 2] (cosine, 15 neighbours, min_dist .1, seeded, so on one thread).

    Starting from principal components instead of the spectral layout takes a quarter of the time and keeps
    neighbourhoods as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # it looks for TensorFlow, which only a variant needs
        import umap

    if len(rows) < 4:
        raise ValueError(f"expected at least 4 distinct embedded images for a map, found {len(rows)}")
    rng = np.random.default_rng(seed)
    fitted = np.zeros(len(rows), bool)
    fitted[rng.choice(len(rows), min(MAP_ROWS, len(rows)), replace=False)] = True
    neighbours = min(NEIGHBOURS, int(fitted.sum()) - 1)
    points = vectors.take(rows[fitted]).astype(np.float32)
    known = exact_neighbours(points, neighbours) if len(points) == len(rows) <= EXACT_ROWS else (None, None, None)
    positions = np.empty((len(rows), 2), np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)  # no index: nothing is placed later
        model = umap.UMAP(
            n_neighbors=neighbours,
            min_dist=MIN_DIST,
            metric="cosine",
            init="pca",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=known,
        )
        positions[fitted] = model.fit_transform(points)
    for at in range(0, int((~fitted).sum()), MAP_ROWS):
        others = np.flatnonzero(~fitted)[at : at + MAP_ROWS]
        positions[others] = model.transform(vectors.take(rows[others]).astype(np.float32))
    return positions


def exact_neighbours(points: Floats, count: int) -> tuple[Indices, Floats, None]:
    """(indices, cosine distances, None) of the nearest points of each, itself first: what UMAP calls precomputed.

    For few points UMAP itself would call a Python function per pair.
    """
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 2)
    indices = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    distances = np.clip(1 - np.take_along_axis(cosine, indices, axis=1), 0, None)
    return indices, distances.astype(np.float32), None
