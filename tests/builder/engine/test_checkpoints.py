"""A run that is killed inside a large shard resumes at its last checkpoint, with the bytes of one that is not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.staging import encode, make_shard, measure, pixels, start_measuring

from twigma.builder.engine import checkpoints, engine
from twigma.core.workspace import Workspace
from twigma.core.workspace.inventory import files, unlisted

TESTS = Path(__file__).parents[2]
IMAGES, BLOCK = 30, 4
KILLED = """
import os, signal, sys
from support.staging import measure
from twigma.builder.engine import checkpoints, engine
checkpoints.SECONDS = 0
add = checkpoints.Checkpoints.add
def add_then_die(self, block):
    add(self, block)
    if self._row >= 12:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.Checkpoints.add = add_then_die
engine.map_shards(sys.argv[1], "measure", {"a": 1}, lambda device: measure, desc="measure", rows=4)
"""


@pytest.fixture
def work(tmp_path):
    """One shard of thirty images, one of which cannot be decoded; killed after three blocks of four."""
    images = {f"{i:02}": encode(pixels(i, width=40 + i)) for i in range(IMAGES)}
    images["05"] = b"no image"
    make_shard(tmp_path / "work", "00000", images)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "work")]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == -signal.SIGKILL, run.stderr
    return tmp_path / "work"


def run(work, settings, start=start_measuring):
    return engine.map_shards(
        work, "measure", settings, start, desc="measure", rows=BLOCK
    )


def test_a_killed_run_resumes_inside_the_shard_with_the_same_bytes(work, capfd):
    part = Workspace(work).part("measure", "00000")
    assert not part.exists()
    seen = []

    def start(device):
        def stage(table):
            seen.extend(table["image_name"].to_pylist())
            return measure(table)

        return stage

    assert run(work, {"a": 1}, start) == IMAGES - 12
    assert (
        "measure: resuming after 12 images of unfinished shards"
        in capfd.readouterr().err
    )
    assert sorted(seen) == [f"{i:02}" for i in range(12, IMAGES)]
    resumed = part.read_bytes()
    assert [path.name for path in part.parent.iterdir()] == ["00000.arrow"]
    part.unlink()
    assert run(work, {"a": 1}) == IMAGES
    assert part.read_bytes() == resumed


def test_checkpoints_of_other_settings_are_not_used(work):
    assert run(work, {"a": 2}) == IMAGES
    assert not Workspace(work).checkpoint_folder("measure", "00000").exists()


def test_a_damaged_checkpoint_and_those_after_it_are_processed_again(work):
    folder = Workspace(work).checkpoint_folder("measure", "00000")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["000000000.arrow", "000000004.arrow", "000000008.arrow"]
    (folder / names[1]).write_bytes(b"cut short")
    assert run(work, {"a": 1}) == IMAGES - 4


def test_a_removal_deletes_them(work):
    folder = Workspace(work).checkpoint_folder("measure", "00000")
    assert set(folder.iterdir()) <= set(files(work, "deleted"))
    assert not [path for path in unlisted(work) if path.parent == folder]


def test_cheap_stages_write_none(work, monkeypatch):
    monkeypatch.setattr(
        checkpoints, "write_part", lambda *args: pytest.fail("a checkpoint")
    )
    assert run(work, {"a": 3}) == IMAGES
