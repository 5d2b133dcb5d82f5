"""Places that an earlier run computed are taken as they are; those of another map, or cut off, are not."""

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

from twigma.builder.clusters.assign import assign_new_images
from twigma.builder.clusters.cluster import cluster
from twigma.builder.maps import image_map as stage
from twigma.builder.maps.kept_places import KeptPlaces
from twigma.builder.stages.dedupe import dedupe
from twigma.cli import main
from twigma.core.workspace import Workspace


def block(first, count):
    return np.arange(2 * first, 2 * (first + count), dtype=np.float32).reshape(-1, 2)


def test_what_a_stopped_run_kept_is_there_again(tmp_path):
    path = tmp_path / "new" / ".places"
    with pytest.raises(KeyboardInterrupt), KeptPlaces(path, "a") as kept:
        kept.add(block(0, 3))
        kept.add(block(3, 2))
        raise KeyboardInterrupt
    with path.open("ab") as file:
        file.write(b"cut")
    with KeptPlaces(path, "a") as again:
        assert again.places.tobytes() == block(0, 5).tobytes()
        again.add(block(5, 2))
        assert KeptPlaces(path, "a").places.tobytes() == block(0, 7).tobytes()
    assert not path.exists()


def test_places_of_another_map_are_not_used(tmp_path):
    path = tmp_path / ".places"
    KeptPlaces(path, "a").add(block(0, 3))
    other = KeptPlaces(path, "b")
    assert not len(other.places)
    other.add(block(8, 1))
    assert KeptPlaces(path, "b").places.tobytes() == block(8, 1).tobytes()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """300 images of which 100 are placed, ten at a time."""
    monkeypatch.setattr(stage, "MAP_ROWS", 200)
    monkeypatch.setattr(stage, "BLOCK", 10)
    rows, _ = planted(np.random.default_rng(3), 300)
    folder = tmp_path / "work"
    names = [str(i) for i in range(300)]
    make_shard(folder, "00000", {"0": encode(pixels(0))})
    write_embeddings(folder, rows.astype(np.float32), names)
    make_images(folder, [(name, name, i) for i, name in enumerate(names)])
    dedupe(folder)
    return folder


def stopping_after(monkeypatch, count):
    """Places no more than so many blocks; the list grows with each that is placed."""
    settled, done = stage._settled, []

    def stop(*args):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(1)
        return settled(*args)

    monkeypatch.setattr(stage, "_settled", stop)
    return done


@pytest.mark.parametrize("command", ["cluster", "assign"])
def test_a_stopped_command_goes_on_and_ends_equal(work, tmp_path, monkeypatch, command):
    run = cluster if command == "cluster" else assign_new_images
    part = Workspace(work).part("cluster")
    cluster(work, 3)
    if command == "assign":
        # Without the labels all images are assigned by the saved fit.
        part.unlink()
        assign_new_images(work)
    expected = part.read_bytes()
    part.unlink()
    with monkeypatch.context() as patched:
        placed = stopping_after(patched, 4)
        if command == "cluster":
            Workspace(work).centroids_file.unlink()
        with pytest.raises(KeyboardInterrupt):
            run(work, 3) if command == "cluster" else run(work)
        assert len(placed) == 4
    assert not part.exists() and Workspace(work).kept_places_file.exists()
    with monkeypatch.context() as patched:
        placed = stopping_after(patched, 100)
        run(work, 3) if command == "cluster" else run(work)
        assert len(placed) <= 10 - 4
    assert part.read_bytes() == expected
    assert not Workspace(work).kept_places_file.exists()


def test_a_removal_deletes_what_is_kept(work, tmp_path):
    kept = Workspace(work).kept_places_file
    KeptPlaces(kept, "a").add(block(0, 3))
    asked = tmp_path / "requests.txt"
    asked.write_text("7\n")
    words = ["removals", str(asked), "--work", str(work)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert not kept.exists()
