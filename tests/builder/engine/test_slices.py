"""Slices of a stage in processes of their own, as a Slurm array starts them: real commands, side by side and killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    start_measuring,
    tiny_clip,
)

from twigma.builder.engine.engine import map_shards
from twigma.builder.engine.slices import Slice, lock_slice
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.status.status import KERNEL_LOCKS, running, status
from twigma.core.workspace import Workspace

SHARDS, IMAGES = 5, 4
TWIGMA = [sys.executable, "-c", "from twigma.cli import main; main()"]
# Every block waits until the file `go` is there.
WAITING = """
import sys, time
from pathlib import Path
from support.staging import measure
from twigma.builder.engine.engine import map_shards
from twigma.builder.engine.slices import Slice

work, only = Path(sys.argv[1]), Slice.parse(sys.argv[2])

def start(device):
    def wait(table):
        while not (work / "go").exists():
            time.sleep(0.05)
        return measure(table)
    return wait

map_shards(work, "embed", {}, start, desc="embed", device="cpu", only=only)
"""
TESTS = Path(__file__).parents[2]


def populate(work: Path) -> Path:
    for shard in range(SHARDS):
        images = {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(IMAGES)}
        make_shard(work, f"{shard:05}", images)
    return work


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return populate(tmp_path / "work")


def parts(work: Path, stage: str = "embed") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Workspace(work).part_files(stage)}


def start_slice(work: Path, only: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"
    }
    command = [sys.executable, "-c", WAITING, str(work), only]
    return subprocess.Popen(command, env=environment)


def wait_for(work: Path, runs: int) -> None:
    """Until so many runs hold a lock."""
    deadline = time.monotonic() + 60
    while len(running(work)) < runs and time.monotonic() < deadline:
        time.sleep(0.05)


def test_every_shard_is_in_one_slice() -> None:
    names = [f"{n:05}" for n in range(11)]
    for count in (1, 2, 3, 11, 20):
        slices = [Slice(number, count).of(names) for number in range(1, count + 1)]
        assert sorted(name for one in slices for name in one) == names
        sizes = [len(one) for one in slices]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/4/2", "-1/4", ""])
def test_what_is_no_slice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shards: expected I/N with I from 1 to N"):
        Slice.parse(text)


def test_commands_side_by_side_make_what_one_makes(work: Path, tmp_path: Path) -> None:
    model = str(tiny_clip(tmp_path / "clip"))
    options = ["--work", str(work), "--model", model, "--device", "cpu"]
    commands = [[*TWIGMA, "embed", *options, "--shards", f"{n}/2"] for n in (1, 2)]
    runs = [subprocess.Popen(command) for command in commands]
    assert [run.wait() for run in runs] == [0, 0]
    alone = populate(tmp_path / "alone")
    assert embed_shards(alone, model, device="cpu") == SHARDS * IMAGES
    assert parts(work) == parts(alone) and len(parts(work)) == SHARDS
    assert embed_shards(work, model, device="cpu") == 0


@pytest.mark.skipif(not KERNEL_LOCKS.exists(), reason="no list of locks here")
def test_a_killed_slice_is_named_and_made_by_the_next_run(
    work: Path, tmp_path: Path
) -> None:
    runs = [start_slice(work, f"{number}/3") for number in (1, 2, 3)]
    wait_for(work, 3)
    names = {f"twigma embed --shards {n}/3" for n in (1, 2, 3)}
    assert set(running(work)) == names
    busy = "another process is writing the columns of `twigma embed`"
    with pytest.raises(RuntimeError, match=busy):
        map_shards(work, "embed", {}, start_measuring, desc="embed")
    with pytest.raises(RuntimeError, match=r"another process runs `.* --shards 2/3`"):
        _run(work, Slice(2, 3))
    with pytest.raises(RuntimeError, match=r"1/2 would make some of the same parts"):
        _run(work, Slice(1, 2))
    runs[1].kill()
    (work / "go").touch()
    assert [run.wait() for run in runs] == [0, -signal.SIGKILL, 0]
    assert sorted(parts(work)) == ["00000.arrow", "00002.arrow", "00003.arrow"]
    make_images(work, [(f"{s}{i}", f"{s}{i}", s) for s in range(5) for i in range(4)])
    assert status(work)["stages"]["embed"]["shards"] == ["00001", "00004"]
    assert map_shards(work, "embed", {}, start_measuring, desc="embed") == 2 * IMAGES
    alone = populate(tmp_path / "alone")
    map_shards(alone, "embed", {}, start_measuring, desc="embed")
    assert parts(work) == parts(alone)


def _run(work: Path, only: Slice) -> int:
    return map_shards(work, "embed", {}, start_measuring, desc="embed", only=only)


def test_slices_with_other_settings_do_not_run_together(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    first = lock_slice(work, "embed", Slice(1, 4), {"precision": "bf16"})
    other = lock_slice(work, "embed", Slice(2, 4), {"precision": "fp32"})
    sentence = r"--shards 1/4`.* with precision bf16, and this one would with fp32"
    with first, pytest.raises(RuntimeError, match=sentence), other:
        pass
    # The first is over: what it wrote into its lock file binds nobody.
    with lock_slice(work, "embed", Slice(2, 4), {"precision": "fp32"}):
        pass


def test_many_slices_begin_at_once(tmp_path: Path) -> None:
    """Looking whether another runs does not get into the way of one that begins."""
    work, count = Workspace(tmp_path), 16
    meet, failed = threading.Barrier(count), list[str]()

    def hold_again(number: int) -> None:
        for _ in range(20):
            meet.wait(60)
            try:
                with lock_slice(work, "embed", Slice(number, count), {"a": 1}):
                    meet.wait(60)
            except RuntimeError as error:
                failed.append(str(error))
                meet.abort()
                return

    threads = [
        threading.Thread(target=hold_again, args=(number,))
        for number in range(1, count + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_later_stage_names_the_shards_that_are_missing(
    work: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_clip(tmp_path / "clip"))
    make_images(work, [(f"{s}{i}", f"{s}{i}", s) for s in range(5) for i in range(4)])
    embed_shards(work, model, device="cpu", only=Slice(1, 2))
    dedupe(work)
    told = capfd.readouterr().err
    assert "2 of 5 shards have no part in" in told
    assert "(00001 and 00003), and their images are left out: `twigma embed`" in told
    embed_shards(work, model, device="cpu", only=Slice(2, 2))
    dedupe(work)
    assert "have no part" not in capfd.readouterr().err
