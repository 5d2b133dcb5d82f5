"""A process per device: the same parts as in one process, whatever is killed; damage and bad devices are said."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from support.staging import (
    encode,
    make_shard,
    pixels,
    start_measuring,
    start_nowhere,
    tiny_clip,
)

from twigma.builder.engine import checkpoints, device_workers, engine
from twigma.builder.engine.source import Source
from twigma.builder.stages.embed import embed_shards
from twigma.core.parts import read_parts


@pytest.fixture
def work(tmp_path):
    for shard in range(5):
        make_shard(
            tmp_path,
            f"{shard:05d}",
            {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(6)},
        )
    return tmp_path


def parts(work, name):
    return {
        path.name: path.read_bytes()
        for path in sorted((work / "columns" / name).glob("*.arrow"))
    }


def test_the_same_bytes_as_in_one_process(work, tmp_path_factory):
    folder = str(tiny_clip(tmp_path_factory.mktemp("models") / "clip"))
    assert embed_shards(work, folder, device="cpu,cpu") == 30
    two = parts(work, "embed")
    for path in (work / "columns" / "embed").iterdir():
        path.unlink()
    assert embed_shards(work, folder, device="cpu") == 30
    assert parts(work, "embed") == two and len(two) == 5


def kill_one(marker: Path, device: str | None) -> engine.Stage:
    """A stage whose process is killed in its first shard, once."""
    stage = start_measuring(device)

    def treat(table):
        if len(table) and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)  # so that both processes get something
        return stage(table)

    return treat


def test_a_killed_process_costs_its_shards_only(work, tmp_path, capfd):
    run = {"desc": "measure", "rows": 2, "device": "one,two"}
    assert (
        engine.map_shards(
            work, "measure", {}, partial(kill_one, tmp_path / "marker"), **run
        )
        == 30
    )
    assert "is retried: its worker was lost" in capfd.readouterr().err
    assert len(read_parts(work / "columns" / "measure")) == 30


def killed(device: str | None, image: str = "30") -> engine.Stage:
    """A stage that is killed at one image."""
    stage = start_measuring(device)

    def treat(table):
        if image in table["image_name"].to_pylist():
            time.sleep(0.3)  # so that what was made before is sent
            os.kill(os.getpid(), signal.SIGKILL)
        return stage(table)

    return treat


def test_a_shard_that_kills_every_process_is_given_up(work, monkeypatch):
    monkeypatch.setattr(device_workers, "SOURCES_PER_WORKER", 1)
    with pytest.raises(
        RuntimeError,
        match=r"1 of 5 shards could not be processed \(00003: .*lost 3 times: .* exit code -9",
    ):
        engine.map_shards(work, "measure", {}, killed, desc="measure", device="one,two")
    assert len(read_parts(work / "columns" / "measure")) == 24


def test_what_was_made_of_a_shard_before_it_was_given_up_is_not_made_again(
    work, monkeypatch, capfd
):
    monkeypatch.setattr(device_workers, "SOURCES_PER_WORKER", 1)
    monkeypatch.setattr(checkpoints, "SECONDS", 0)
    run = {"desc": "measure", "rows": 2}
    at_34 = partial(killed, image="34")
    with pytest.raises(RuntimeError, match="lost 3 times"):
        engine.map_shards(work, "measure", {}, at_34, device="one,two", **run)
    capfd.readouterr()
    rows = engine.map_shards(work, "measure", {}, start_measuring, device="one", **run)
    assert 0 < rows < 6
    assert "measure: resuming after" in capfd.readouterr().err


def test_a_damaged_shard_and_a_stage_that_cannot_start_are_said(work):
    tar = work / "shards" / "00001.tar"
    tar.write_bytes(tar.read_bytes()[:-600])
    with pytest.raises(
        RuntimeError, match=r"1 of 5 shards could not be processed \(00001: .*sha256"
    ):
        engine.map_shards(
            work, "measure", {}, start_measuring, desc="measure", device="one,two"
        )
    with pytest.raises(FileNotFoundError, match=r"no open_clip_config"):
        engine.map_shards(
            work, "measure", {}, start_nowhere, desc="measure", device="one,two"
        )


def test_a_process_that_has_ended_is_found_by_its_next_reply():
    """It may end between its last answer and the next source."""
    worker = device_workers.Worker(start_measuring, None)
    worker.process.kill()
    worker.process.join()
    for name in ("00000", "00001"):
        worker.assign(Source(name, 1, {}, Path(name), 1))
    assert list(worker.sources) == ["00000", "00001"]
    with pytest.raises((EOFError, ConnectionError)):
        worker.pipe.recv()
    worker.kill()
