"""Clusters against scikit-learn and planted groups; the map keeps neighbours; equal bytes on equal input."""

import faiss
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from support.staging import (
    DIM,
    encode,
    make_images,
    make_shard,
    pixels,
    planted,
    units,
    vectors_of,
    write_embeddings,
)

from twigma.builder.clusters import cluster as stage
from twigma.builder.clusters.assign import assign_new_images
from twigma.builder.clusters.choose_k import choose_k
from twigma.builder.clusters.distinct_images import representatives
from twigma.builder.clusters.fit import read_fit
from twigma.builder.engine import row_blocks
from twigma.builder.engine.vectors import Vectors
from twigma.builder.maps import image_map
from twigma.builder.removals.removals import removals
from twigma.builder.stages.dedupe import PAPER, dedupe
from twigma.cli import main
from twigma.core.parts import read_part, read_provenance, write_part
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.workspace import Workspace


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
    return folder, rows, group, stage.cluster(folder, 5).sizes


def test_planted_groups_are_found_by_falling_size(work):
    folder, _, group, counts = work
    table = Workspace(folder).table("cluster")
    kept = table["label_5_cluster"].is_valid().to_numpy()
    labels = table["label_5_cluster"].fill_null(0).to_numpy()
    assert kept.tolist() == [i != 2 for i in range(300)]
    assert adjusted_rand_score(group[kept], labels[kept]) == 1
    assert list(counts) == [1, 2, 3, 4, 5] and sum(counts.values()) == 299
    assert sorted(counts.values(), reverse=True) == list(counts.values())


def test_repeats_share_label_and_position(work):
    folder, *_ = work
    rows = (
        Workspace(folder)
        .table("cluster")
        .select(["label_5_cluster", "UMAP_dim_1", "UMAP_dim_2"])
        .to_pylist()
    )
    assert rows[0] == rows[1] == rows[3] != rows[4]
    assert set(rows[2].values()) == {None}


def test_the_fit_is_kept(work):
    folder, rows, _, sizes = work
    fit = read_fit(folder)
    centroids, on = fit.centroids, fit.image_map
    assert fit.provenance["embedding"]["model"] == "tiny" and fit.provenance["k"] == 5
    assert centroids.shape == (5, DIM) and centroids.dtype == np.float32
    table = Workspace(folder).table("cluster")
    assert (
        table["label_5_cluster"][7].as_py()
        == np.square(rows[7] - centroids).sum(axis=1).argmin() + 1
    )
    repeats = 2  # images 1 and 3 are counted with their group, but were not fitted
    assert (
        sum(fit.clusters["images"].to_pylist())
        == sum(sizes.values()) - repeats
        == len(on.names)
    )
    places = dict(
        zip(
            table["image_name"].to_pylist(),
            table["UMAP_dim_1"].to_pylist(),
            strict=True,
        )
    )
    assert [places[name] for name in on.names.to_pylist()] == on.positions[
        :, 0
    ].tolist()


def test_same_input_same_bytes(work):
    folder, *_ = work
    path = Workspace(folder).part("cluster")
    files = [path, *sorted(Workspace(folder).cluster_fit.glob("*.arrow"))]
    before = [file.read_bytes() for file in files]
    stamp = path.stat().st_mtime_ns
    stage.cluster(folder, 5)
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    stage.cluster(folder, 5)
    faiss.omp_set_num_threads(threads)
    assert [file.read_bytes() for file in files] == before


def test_other_reasons_to_drop(work):
    folder, *_ = work
    links = Workspace(folder).read("dedupe")
    vectors = Vectors([], pa.array([str(1000 + i) for i in range(300)]))
    vectors.starts = np.array([0, 300])
    paper, everything = (
        representatives(vectors, links, drop) for drop in (PAPER, ("embedding", "near"))
    )
    assert np.flatnonzero(paper != np.arange(300)).tolist() == [1]
    assert everything[[1, 3]].tolist() == [0, 0]


def test_chains_are_followed():
    vectors = vectors_of(units(np.random.default_rng(0), 4))
    links = {
        "image_name": ["1", "2", "3", "0", "3"],
        "duplicate_of": ["0", "1", "2", None, "3"],
    }
    reasons = ["embedding", "pixels", "near", None, "media_id"]
    table = pa.table(links | {"duplicate_reason": reasons})
    assert representatives(
        vectors, table, ("embedding", "pixels", "near", "media_id")
    ).tolist() == [0, 0, 0, 0]
    assert representatives(vectors, table, ("embedding", "near")).tolist() == [
        0,
        0,
        2,
        2,
    ]


def test_too_few_images(tmp_path):
    write_embeddings(tmp_path, units(np.random.default_rng(0), 6), list("123456"))
    make_images(tmp_path, [(str(i), str(i), i) for i in range(1, 7)])
    make_shard(tmp_path, "00000", {"1": encode(pixels(0))})
    with pytest.raises(FileNotFoundError, match="twigma dedupe"):
        stage.cluster(tmp_path)
    dedupe(tmp_path)
    with pytest.raises(
        ValueError,
        match="found 6 images for 10 clusters: name fewer, as with `twigma cluster --clusters 3`",
    ):
        stage.cluster(tmp_path, 10)


# ------------------------------------------------------------------ labels that stay


@pytest.mark.parametrize("k", [4, 6, 8])
def test_new_centroids_take_the_labels_of_the_old(k):
    rng = np.random.default_rng(5)
    before = units(rng, 6).astype(np.float32)
    fewer = min(k, 6)
    moved = np.concatenate([before[:fewer], -before[: k - fewer]]) + rng.normal(
        0, 0.01, (k, DIM)
    ).astype(np.float32)
    shuffled = moved[rng.permutation(k)]
    found = stage.numbered(shuffled, before)
    np.testing.assert_array_equal(found[:fewer], moved[:fewer])
    left = [row for row in shuffled.tolist() if row not in moved[:fewer].tolist()]
    assert found[fewer:].tolist() == left
    np.testing.assert_array_equal(stage.numbered(shuffled, None), shuffled)


def test_the_matching_is_the_cheapest():
    rng = np.random.default_rng(6)
    new, old = units(rng, 7).astype(np.float32), units(rng, 7).astype(np.float32)
    cost = np.linalg.norm(new.astype(float)[:, None] - old[None], axis=2)
    least = cost[linear_sum_assignment(cost)].sum()
    assert np.linalg.norm(
        stage.numbered(new, old) - old, axis=1
    ).sum() == pytest.approx(least, rel=1e-5)


@pytest.fixture
def grown(tmp_path):
    """A function that puts the first n of 200 planted images, and the first groups only, into a working folder."""
    rows, group = planted(np.random.default_rng(7), 200, groups=4)
    order = np.concatenate([np.flatnonzero(group > 1), np.flatnonzero(group <= 1)])
    rows, group = rows[order].astype(np.float32), group[order]
    make_shard(tmp_path, "00000", {"0": encode(pixels(0))})

    def put(n, model="tiny"):
        names = [str(i) for i in range(n)]
        write_embeddings(tmp_path, rows[:n], names, model=model)
        make_images(tmp_path, [(name, name, i) for i, name in enumerate(names)])
        dedupe(tmp_path)
        return tmp_path

    return put, group


def test_a_refit_keeps_the_labels_and_counts_what_moved(grown):
    put, group = grown
    few = int((group > 1).sum()) + 20
    folder = put(few)
    first = stage.cluster(folder, 4)
    before = read_part(Workspace(folder).part("cluster"))
    assert first.crosswalk is None
    second = stage.cluster(put(200), 4, seed=3)
    after = read_part(Workspace(folder).part("cluster"))
    sizes = list(second.sizes.values())
    assert sizes != sorted(
        sizes, reverse=True
    )  # the groups that came late are larger, and yet keep their labels
    counted = np.zeros((4, 4), int)
    for row in second.crosswalk.to_pylist():
        counted[row["old_label"] - 1, row["new_label"] - 1] = row["images"]
    labels = [table["label_4_cluster"].to_numpy() for table in (before, after)]
    expected = np.zeros((4, 4), int)
    np.add.at(expected, (labels[0] - 1, labels[1][:few] - 1), 1)
    np.testing.assert_array_equal(counted, expected)
    assert np.trace(counted) == few
    printed = CliRunner().invoke(
        main, ["cluster", "--work", str(folder), "--clusters", "3"]
    )
    assert (
        printed.exit_code == 0 and "of 200 images have the same label" in printed.output
    )
    assert "  from 4 to " in printed.output
    # The labels of the old clustering are gone with it.
    names = Workspace(folder).table("cluster").column_names
    assert [name for name in names if "cluster" in name] == ["label_3_cluster"]
    lines = (Workspace(folder).crosswalk_file).read_text().splitlines()
    assert lines[0].replace('"', "") == "old_label,new_label,images"
    moves = [[int(cell) for cell in line.split(",")] for line in lines[1:]]
    assert sum(images for _, _, images in moves) == 200
    stayed = sum(images for old, new, images in moves if old == new)
    assert f"\n{stayed} of 200 images have the same label" in printed.output


def test_what_is_removed_leaves_the_map_and_the_fit_still_serves(grown):
    put, _ = grown
    folder = put(60)
    stage.cluster(folder, 4)
    removals(folder, ["7"])
    on = read_fit(folder).image_map
    assert "7" not in on.names.to_pylist() and len(on.names) == 59
    before = read_part(Workspace(folder).part("cluster")).to_pydict()
    assert assign_new_images(folder).added == 0
    assert read_part(Workspace(folder).part("cluster")).to_pydict() == before


def test_another_model_gets_labels_of_its_own(grown):
    put, _ = grown
    stage.cluster(put(200), 4)
    sizes = list(stage.cluster(put(200, model="other"), 4).sizes.values())
    assert sizes == sorted(sizes, reverse=True)


def test_a_damaged_fit_says_what_to_do(grown):
    put, _ = grown
    folder = put(60)
    stage.cluster(folder, 4)
    path = Workspace(folder).centroids_file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        ValueError,
        match=r"centroids.arrow is damaged: delete it and run `twigma cluster` again",
    ):
        stage.cluster(folder, 4)
    path.unlink()
    assert sum(stage.cluster(folder, 4).sizes.values()) == 60


def test_labels_and_map_do_not_depend_on_the_shards_the_images_lie_in(tmp_path):
    """Groups that overlap, so that k-means has many optima; the images in other orders and parts."""
    rows, _ = planted(np.random.default_rng(4), 400, spread=0.35)
    names = [str(1000 + i) for i in range(400)]
    tables, scores = [], []
    for number in range(3):
        folder = tmp_path / str(number)
        order = np.random.default_rng(number).permutation(400)
        shuffled = [names[i] for i in order]
        write_embeddings(folder, rows[order], shuffled, parts=2 + number)
        make_images(folder, [(name, name, i) for i, name in enumerate(names)])
        make_shard(folder, "00000", {"1000": encode(pixels(0))})
        dedupe(folder, None)
        stage.cluster(folder, 6)
        part = Workspace(folder).read("cluster").sort_by("image_name")
        tables.append(part.combine_chunks())
        scores.append(choose_k(folder, [3]))
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])
    assert scores[0].equals(scores[1]) and scores[0].equals(scores[2])


def test_a_part_of_an_earlier_revision_is_read_and_then_named_by_its_k(
    grown, monkeypatch
):
    """Labels were called label_10_cluster, whatever their number."""
    put, _ = grown
    folder = put(60)
    with monkeypatch.context() as earlier:
        earlier.setattr(stage, "REVISION", 2)
        stage.cluster(folder, 4)
    path = Workspace(folder).part("cluster")
    part, provenance = read_part(path), read_provenance(path)
    names = ["image_name", "label_10_cluster", "UMAP_dim_1", "UMAP_dim_2"]
    write_part(path, part.rename_columns(names), provenance)
    assert assign_new_images(folder).added == 0
    assert sum(stage.sizes(folder).values()) == 60
    crosswalk = stage.cluster(folder, 4).crosswalk
    assert crosswalk["old_label"].equals(crosswalk["new_label"])
    assert read_part(path).column_names[1] == "label_4_cluster"


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_bytes(tmp_path, monkeypatch):
    """Clusters, map, and new images in them, computed by the tasks of a real cluster."""
    monkeypatch.setattr(row_blocks, "ROWS", 100)
    monkeypatch.setattr(image_map, "MAP_ROWS", 200)
    rows, _ = planted(np.random.default_rng(5), 400, groups=12, spread=0.15)
    rows[7] = rows[3]
    names = [str(1000 + i) for i in range(400)]
    files = {}
    for engine in (LOCAL, Engine("ray")):
        folder = tmp_path / engine.name
        make_shard(folder, "00000", {"1000": encode(pixels(0))})
        make_images(folder, [(name, name, i) for i, name in enumerate(names[:300])])
        write_embeddings(folder, rows[:300], names[:300])
        dedupe(folder)
        stage.cluster(folder, 6, engine=engine)
        write_embeddings(folder, rows, names)
        make_images(folder, [(name, name, i) for i, name in enumerate(names)])
        dedupe(folder)
        assert assign_new_images(folder, engine=engine).added == 100
        work = Workspace(folder)
        made = [work.part("cluster"), work.centroids_file, work.map_file]
        files[engine.name] = [path.read_bytes() for path in made]
    assert files["local"] == files["ray"]
