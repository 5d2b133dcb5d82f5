"""New images take the saved centroids and map; the images before keep label and position; drift is what was planted."""

import numpy as np
import pytest
from click.testing import CliRunner
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    planted,
    write_embeddings,
)

from twigma.builder.clusters import assign as stage
from twigma.builder.clusters.cluster import cluster
from twigma.builder.clusters.fit import read_fit
from twigma.builder.stages.dedupe import dedupe
from twigma.cli import main
from twigma.core.workspace import Workspace

OLD, ALL = 160, 240


def put(folder, rows, n, model="tiny"):
    names = [str(i) for i in range(n)]
    write_embeddings(folder, rows[:n], names, model=model)
    make_images(folder, [(name, name, i) for i, name in enumerate(names)])
    dedupe(folder)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """160 images of four groups, fitted; then 80 more, 50 of them of the third group, one a repeat of image 5."""
    folder = tmp_path_factory.mktemp("frozen")
    rows, group = planted(np.random.default_rng(8), 400, groups=4)
    late = np.flatnonzero(group == 2)[-50:]
    order = np.concatenate([np.setdiff1d(np.arange(400), late)[: ALL - 50], late])
    rows, group = rows[order].astype(np.float32), group[order]
    rows[200] = rows[5]
    make_shard(folder, "00000", {"0": encode(pixels(0))})
    put(folder, rows, OLD)
    cluster(folder, 4)
    before = Workspace(folder).read("cluster").to_pydict()
    stamp = Workspace(folder).part("cluster").stat().st_mtime_ns
    at_once = stage.assign_new_images(folder)
    assert Workspace(folder).part("cluster").stat().st_mtime_ns == stamp
    put(folder, rows, ALL)
    saved = {
        path.name: path.read_bytes() for path in Workspace(folder).cluster_fit.glob("*")
    }
    found = stage.assign_new_images(folder)
    return folder, rows, before, at_once, found, saved, group


def test_with_nothing_new_nothing_is_written(fitted):
    folder, _, _, at_once, *_ = fitted
    assert (
        at_once.added == 0
        and at_once.moved == 0
        and at_once.farther == pytest.approx(1)
        and not at_once.is_large
    )
    stamp = Workspace(folder).part("cluster").stat().st_mtime_ns
    assert stage.assign_new_images(folder).added == 0
    assert Workspace(folder).part("cluster").stat().st_mtime_ns == stamp


def test_labels_stay_and_new_images_get_the_nearest_centroid(fitted):
    folder, rows, before, _, found, saved, _ = fitted
    after = Workspace(folder).read("cluster").to_pydict()
    assert found.added == ALL - OLD
    assert {name: values[:OLD] for name, values in after.items()} == before
    centroids = read_fit(folder).centroids
    away = np.square(
        rows[:ALL, None].astype(np.float16).astype(float) - centroids[None]
    ).sum(axis=2)
    assert after["label_4_cluster"] == (away.argmin(axis=1) + 1).tolist()
    assert {
        path.name: path.read_bytes() for path in Workspace(folder).cluster_fit.glob("*")
    } == saved


def test_new_images_lie_beside_their_group(fitted):
    folder, *_, group = fitted
    table = Workspace(folder).read("cluster")
    places = np.column_stack([table["UMAP_dim_1"], table["UMAP_dim_2"]])
    away = np.linalg.norm(places[OLD:, None] - places[None, :OLD], axis=2)
    assert (group[:OLD][away.argmin(axis=1)] == group[OLD:]).mean() > 0.95
    assert places[200].tolist() == places[5].tolist()


def test_drift_is_that_of_the_shares(fitted):
    folder, *_, found, _, _ = fitted
    labels = Workspace(folder).read("cluster")["label_4_cluster"].to_numpy()
    distinct = np.arange(ALL) != 200
    now = np.bincount(labels[distinct], minlength=5)[1:] / distinct.sum()
    then = np.bincount(labels[:OLD], minlength=5)[1:] / OLD
    np.testing.assert_allclose(found.drift["share_now"].to_numpy(), now)
    np.testing.assert_allclose(found.drift["share_at_fit"].to_numpy(), then)
    assert (
        found.moved == pytest.approx(np.abs(now - then).sum() / 2)
        and found.moved > stage.MOVED
    )
    assert found.is_large and 0.9 < found.farther < 1.1


def test_the_command_says_it(fitted):
    folder, _, _, _, found, *_ = fitted
    done = CliRunner().invoke(main, ["assign", "--work", str(folder)])
    assert done.exit_code == 0 and done.output.startswith(f"0 images added to {folder}")
    assert (
        "the images have drifted" in done.output and len(done.output.splitlines()) == 7
    )
    for line, row in zip(
        done.output.splitlines()[2:6], found.drift.to_pylist(), strict=True
    ):
        shares = [f"{row[name]:.1%}" for name in ("share_at_fit", "share_now")]
        distances = [f"{row[name]:.3f}" for name in ("distance_at_fit", "distance_now")]
        assert line.split() == [str(row["label"]), *shares, *distances]


def test_bad_folders(tmp_path):
    rows = planted(np.random.default_rng(9), 60)[0].astype(np.float32)
    make_shard(tmp_path, "00000", {"0": encode(pixels(0))})
    put(tmp_path, rows, 50)
    with pytest.raises(FileNotFoundError, match="run `twigma cluster` first"):
        stage.assign_new_images(tmp_path)
    cluster(tmp_path, 3)
    put(tmp_path, rows, 60, model="other")
    with pytest.raises(
        ValueError,
        match=r"embeddings by tiny, those of today are by other: run `twigma cluster`",
    ):
        stage.assign_new_images(tmp_path)
    old = Workspace(tmp_path).map_file.read_bytes()
    put(tmp_path, rows, 60)
    cluster(tmp_path, 3)
    Workspace(tmp_path).map_file.write_bytes(old)
    with pytest.raises(ValueError, match="are of two fits"):
        stage.assign_new_images(tmp_path)
