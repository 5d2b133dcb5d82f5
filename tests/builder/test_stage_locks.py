"""Two runs of one stage on one folder: the second is refused in a sentence, and nothing is done twice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    start_measuring,
    tiny_blip,
    tiny_clip,
    units,
    write_embeddings,
)

from twigma.builder.engine.engine import map_shards
from twigma.builder.removals.removals import removals
from twigma.builder.status.free_pictures import free_pictures
from twigma.builder.status.status import running
from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.demo.demo import NSFW

SLOW = """
import sys
from support.staging import start_slowly
from twigma.builder.engine.engine import map_shards
print(map_shards(sys.argv[1], "embed", {}, start_slowly, desc="embed", rows=1))
"""


@pytest.fixture
def work(tmp_path):
    """Eight stored images with embeddings."""
    names = [str(n) for n in range(8)]
    make_shard(tmp_path, "00000", {name: encode(pixels(int(name))) for name in names})
    make_images(tmp_path, [(name, name, n) for n, name in enumerate(names)])
    return tmp_path


def test_the_second_of_two_runs_is_refused_and_the_first_finishes(work):
    command = [sys.executable, "-c", SLOW, str(work)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    ) as first:
        deadline = time.monotonic() + 60
        while not running(work) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running(work) == {"twigma embed": first.pid}
        sentence = "another process is writing the columns of `twigma embed` in .*: wait for it, or stop it first"
        with pytest.raises(RuntimeError, match=sentence):
            map_shards(work, "embed", {}, start_measuring, desc="embed")
        out, _ = first.communicate()
    assert out == "8\n"
    assert map_shards(work, "embed", {}, start_measuring, desc="embed") == 0


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ("embed", "embed"),
        ("caption", "caption"),
        ("nsfw", "nsfw"),
        ("dedupe", "dedupe"),
        ("cluster", "cluster"),
        ("assign", "cluster"),
    ],
)
def test_every_command_that_writes_columns_is_refused(work, tmp_path, command, stage):
    options = ["--work", str(work)]
    if command == "embed":
        options += ["--model", str(tiny_clip(tmp_path / "clip")), "--device", "cpu"]
    elif command == "caption":
        options += ["--model", str(tiny_blip(tmp_path / "blip")), "--device", "cpu"]
    elif command == "nsfw":
        options += ["--detector", str(NSFW)]
        rows = units(np.random.default_rng(0), 8)
        write_embeddings(
            work, rows, [str(n) for n in range(8)], model="twigma-demo-clip"
        )
    before = sorted(work.rglob("*.arrow"))
    with Workspace(work).lock_stage(stage):
        result = CliRunner().invoke(main, [command, *options])
    assert result.exit_code == 1
    assert f"writing the columns of `twigma {stage}`" in result.output
    assert sorted(work.rglob("*.arrow")) == before


NEW = "caption-new"  # a stage of which no part is written yet


@pytest.mark.parametrize("stage", ["caption", "texts", NEW])
@pytest.mark.parametrize("shared", [False, True], ids=["whole", "slice"])
def test_nothing_is_removed_while_columns_are_written(work, stage, shared):
    with (
        Workspace(work).lock_stage(stage, shared=shared),
        pytest.raises(RuntimeError, match=f"is writing columns in {work}: wait"),
    ):
        removals(work, ["3"])
    assert not (work / "removed.json").exists()
    assert removals(work, ["3"]).images == 1


def test_nothing_is_removed_while_a_run_waits_for_an_answer(work):
    with (
        Workspace(work).lock_run(),
        pytest.raises(RuntimeError, match="another run is at work"),
    ):
        removals(work, ["3"])
    assert not (work / "removed.json").exists()


def test_no_pictures_are_freed_while_columns_are_written(work):
    write_embeddings(work, units(np.random.default_rng(0), 8), list("01234567"))
    tar = work / "shards/00000.tar"
    with Workspace(work).lock_stage(NEW):
        with pytest.raises(RuntimeError, match=f"is writing columns in {work}: wait"):
            free_pictures(work, without=["caption"], go=True)
        assert free_pictures(work).before == 0  # looking is free
    assert tar.exists()


def test_no_stage_begins_while_rows_are_erased(work):
    sentence = f"`twigma removals` or `twigma free` is at work in {work}: wait"
    with (
        Workspace(work).lock_columns(),
        pytest.raises(RuntimeError, match=sentence),
    ):
        map_shards(work, NEW, {}, start_measuring, desc=NEW)
    assert not (work / "columns" / NEW).exists()
