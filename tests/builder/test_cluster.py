"""Clusters against scikit-learn and planted groups; the map keeps neighbours; equal bytes on equal input."""

import faiss
import numpy as np
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from staging import DIM, encode, make_images, make_shard, pixels, units, write_embeddings

from twigma import columns
from twigma.builder import cluster as stage
from twigma.builder.dedupe import PAPER, dedupe
from twigma.builder.vectors import Vectors, as_column


def planted(rng, n=900, groups=5, dim=DIM, spread=0.06):
    """Unit rows around well separated centres of falling share, and their groups."""
    centres = units(rng, groups, dim).astype(np.float32)
    group = rng.choice(groups, n, p=np.arange(groups, 0, -1) / (groups * (groups + 1) / 2))
    rows = centres[group] + rng.normal(0, spread, (n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16), group


def vectors_of(rows):
    return Vectors([as_column(part) for part in np.array_split(rows, 3)], pa.array([str(i) for i in range(len(rows))]))


def inertia(rows, centroids):
    return np.square(rows.astype(np.float64)[:, None] - centroids[None]).sum(axis=2).min(axis=1).sum()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """300 planted images in a working folder; image 1 repeats 0, 2 is not decoded, 3 is near 0."""
    folder = tmp_path_factory.mktemp("clustered")
    rows, group = planted(np.random.default_rng(0), 300)
    rows = rows.astype(np.float32)
    rows[1] = rows[0]
    rows[3] = rows[0] + 0.002
    rows[2] = np.nan
    group[[1, 3]] = group[0]
    names = [str(1000 + i) for i in range(300)]
    write_embeddings(folder, rows, names)
    make_images(folder, [(str(i), name, i) for i, name in enumerate(names)])
    make_shard(folder, "00000", {"1000": encode(pixels(0))})
    dedupe(folder)
    return folder, rows, group, stage.cluster(folder, 5)


def test_planted_groups_are_found_by_falling_size(work):
    folder, _, group, counts = work
    table = columns.read_images(folder, "cluster")
    kept = table["label_10_cluster"].is_valid().to_numpy()
    labels = table["label_10_cluster"].fill_null(0).to_numpy()
    assert kept.tolist() == [i != 2 for i in range(300)]
    assert adjusted_rand_score(group[kept], labels[kept]) == 1
    assert list(counts) == [1, 2, 3, 4, 5] and sum(counts.values()) == 299
    assert sorted(counts.values(), reverse=True) == list(counts.values())


def test_repeats_share_label_and_position(work):
    folder, *_ = work
    rows = columns.read_images(folder, "cluster").select(["label_10_cluster", "UMAP_dim_1", "UMAP_dim_2"]).to_pylist()
    assert rows[0] == rows[1] == rows[3] != rows[4]
    assert set(rows[2].values()) == {None}


def test_centroids_are_kept(work):
    folder, rows, _, _ = work
    centroids = np.load(folder / "models" / "centroids.npy", allow_pickle=False)
    assert centroids.shape == (5, DIM) and centroids.dtype == np.float32
    labels = columns.read_images(folder, "cluster")["label_10_cluster"].to_pylist()
    distances = np.square(rows[7] - centroids).sum(axis=1)
    assert labels[7] == distances.argmin() + 1


def test_same_input_same_bytes(work):
    folder, *_ = work
    path = folder / "columns" / "cluster" / "all.arrow"
    before = path.read_bytes(), (folder / "models" / "centroids.npy").read_bytes()
    stamp = path.stat().st_mtime_ns
    stage.cluster(folder, 5)
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    stage.cluster(folder, 5)
    faiss.omp_set_num_threads(threads)
    assert (path.read_bytes(), (folder / "models" / "centroids.npy").read_bytes()) == before


def test_other_reasons_to_drop(work):
    folder, *_ = work
    links = columns.read_parts(folder / "columns" / "dedupe")
    vectors = Vectors([], pa.array([str(1000 + i) for i in range(300)]))
    vectors.starts = np.array([0, 300])
    paper, everything = (stage.stands_for(vectors, links, drop) for drop in (PAPER, ("embedding", "near")))
    assert np.flatnonzero(paper != np.arange(300)).tolist() == [1]
    assert everything[[1, 3]].tolist() == [0, 0]


def test_chains_are_followed():
    vectors = vectors_of(units(np.random.default_rng(0), 4))
    links = {"image_name": ["1", "2", "3", "0", "3"], "duplicate_of": ["0", "1", "2", None, "3"]}
    reasons = ["embedding", "pixels", "near", None, "media_id"]
    table = pa.table(links | {"duplicate_reason": reasons})
    assert stage.stands_for(vectors, table, ("embedding", "pixels", "near", "media_id")).tolist() == [0, 0, 0, 0]
    assert stage.stands_for(vectors, table, ("embedding", "near")).tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("sample", [100_000, 400])
def test_inertia_is_as_low_as_scikit_learns(sample, monkeypatch):
    monkeypatch.setattr(stage, "FIT_ROWS", sample)
    rows, _ = planted(np.random.default_rng(1), 1500, groups=12, spread=0.12)
    found = inertia(rows, stage.kmeans(vectors_of(rows), np.arange(1500), 10))
    reference = KMeans(10, n_init=10, random_state=0).fit(rows.astype(np.float32)).inertia_
    assert found <= reference * 1.01


def test_the_map_keeps_neighbours():
    rows, group = planted(np.random.default_rng(2), 500, dim=64)
    positions = stage.umap_positions(vectors_of(rows), np.arange(500))
    assert positions.shape == (500, 2) and positions.dtype == np.float32
    assert trustworthiness(rows, positions, n_neighbors=15, metric="cosine") > 0.85
    nearest = NearestNeighbors(n_neighbors=2).fit(positions).kneighbors(positions)[1][:, 1]
    assert (group[nearest] == group).mean() > 0.99


def test_rows_beyond_the_sample_are_placed(monkeypatch):
    monkeypatch.setattr(stage, "MAP_ROWS", 250)
    rows, group = planted(np.random.default_rng(3), 300)
    one, two = (stage.umap_positions(vectors_of(rows), np.arange(300)) for _ in range(2))
    assert one.tobytes() == two.tobytes() and np.isfinite(one).all()
    nearest = NearestNeighbors(n_neighbors=2).fit(one).kneighbors(one)[1][:, 1]
    assert (group[nearest] == group).mean() > 0.95


def test_exact_neighbours_equal_scikit_learn():
    rows = units(np.random.default_rng(4), 200).astype(np.float32)
    indices, distances, _ = stage.exact_neighbours(rows, 15)
    reference, places = NearestNeighbors(n_neighbors=15, metric="cosine").fit(rows).kneighbors(rows)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(distances, np.clip(reference, 0, None), atol=1e-6)


def test_too_few_images(tmp_path):
    write_embeddings(tmp_path, units(np.random.default_rng(0), 6), list("123456"))
    make_images(tmp_path, [(str(i), str(i), i) for i in range(1, 7)])
    make_shard(tmp_path, "00000", {"1": encode(pixels(0))})
    with pytest.raises(FileNotFoundError, match="twigma dedupe"):
        stage.cluster(tmp_path)
    dedupe(tmp_path)
    with pytest.raises(ValueError, match="found 6 images for k=10"):
        stage.cluster(tmp_path)
    with pytest.raises(ValueError, match="at least 4 distinct"):
        stage.umap_positions(vectors_of(units(np.random.default_rng(0), 3)), np.arange(3))
