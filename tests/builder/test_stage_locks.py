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
        while not (running(work) or {}) and time.monotonic() < deadline:
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
        ("removals", "caption"),
    ],
)
def test_every_command_that_writes_columns_is_refused(work, tmp_path, command, stage):
    options = ["--work", str(work)]
    if command == "embed":
        options += ["--model", str(tiny_clip(tmp_path / "clip")), "--device", "cpu"]
    elif command == "caption":
        options += ["--model", str(tiny_blip(tmp_path / "blip")), "--device", "cpu"]
    elif command == "removals":
        (tmp_path / "gone.txt").write_text("3\n")
        options += [str(tmp_path / "gone.txt")]
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
    assert not (work / "removed.json").exists()
