"""Stages on a real Ray cluster of three nodes, which join, die and hang: the same bytes as in one process."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.ray_nodes import add_node, three_nodes
from support.staging import (
    encode,
    make_shard,
    measure,
    pixels,
    start_measuring,
    start_nowhere,
    tiny_blip,
    tiny_clip,
)
from support.worlds import descendants, wait_until

from twigma.builder.engine import delivery
from twigma.builder.engine.engine import Stage, map_shards
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.embed import embed_shards
from twigma.core.parts import read_parts
from twigma.core.pools.ray_pool import Engine

SHARDS, IMAGES = 6, 5


@pytest.fixture
def work(tmp_path):
    for shard in range(SHARDS):
        images = {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(IMAGES)}
        make_shard(tmp_path, f"{shard:05d}", images)
    return tmp_path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with three_nodes() as cluster:
        yield cluster


@pytest.fixture
def engine(cluster):
    return Engine("ray", cluster.address)


@pytest.fixture
def not_shared(monkeypatch):
    """Has every node take the files for other ones, as without a file system in common."""
    mark = delivery._mark

    def other(path: Path) -> delivery.FileMark:
        return delivery.FileMark(path, -1, mark(path).ends)

    monkeypatch.setattr(delivery, "_mark", other)


def parts(work: Path, name: str) -> dict[str, bytes]:
    folder = work / "columns" / name
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.arrow"))}


def clear(work: Path, name: str) -> None:
    for path in (work / "columns" / name).iterdir():
        path.unlink()


def actor_pids() -> list[int]:
    """The actors of this cluster that run a stage."""
    return living(descendants(os.getpid()))


def living(pids: Iterable[int]) -> list[int]:
    """Those of these processes that are actors which run a stage: one outlives its node for a moment."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):  # it has just ended
            if "ray::StageActor" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


@pytest.mark.parametrize(
    ("run", "model", "name"),
    [
        (embed_shards, tiny_clip, "embed"),
        (caption_shards, tiny_blip, "caption"),
    ],
)
def test_columns_equal_those_of_one_process(run, model, name, work, engine):
    folder = str(model(work / "models" / name))
    assert run(work, folder, device="cpu", engine=engine) == SHARDS * IMAGES
    on_ray = parts(work, name)
    clear(work, name)
    assert run(work, folder, device="cpu") == SHARDS * IMAGES
    assert parts(work, name) == on_ray and len(on_ray) == SHARDS


def test_without_a_shared_file_system_the_bytes_travel(work, engine, not_shared, capfd):
    tar = work / "shards" / "00002.tar"
    tar.write_bytes(tar.read_bytes()[:-600])  # one shard is damaged
    run = partial(map_shards, work, "measure", {}, rows=1)
    with pytest.raises(RuntimeError, match=f"00002: shard 00002: {tar} is damaged"):
        run(start_measuring, desc="measure", engine=engine)
    on_ray = parts(work, "measure")
    clear(work, "measure")
    with pytest.raises(RuntimeError, match="00002"):
        run(start_measuring, desc="measure", device="cpu")
    assert parts(work, "measure") == on_ray and len(on_ray) == SHARDS - 1


def start_at_gate(gate: Path, device: str | None = None) -> Stage:
    """A stage that works on the last images of a shard only when the gate is there, and says that it waits."""

    def wait(table: pa.Table) -> pa.Table:
        names = table["image_name"].to_pylist()
        if any(name.endswith("4") for name in names):
            waits_at(gate, os.getpid()).touch()
            wait_until(gate.exists)
        return measure(table)

    return wait


def waits_at(gate: Path, pid: int) -> Path:
    """What says that an actor waits."""
    return gate.with_name(f"{pid} waits")


def test_a_node_joins_and_another_and_a_worker_are_lost_in_the_middle(
    work, cluster, engine, capfd
):
    gate = work / "gate"
    start = partial(start_at_gate, gate)
    run = partial(map_shards, work, "measure", {}, start, desc="measure", rows=1)
    # Only the main thread can add a node.
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(run, engine=engine)
        wait_until(lambda: len(actor_pids()) == 2)
        add_node(cluster)
        wait_until(lambda: len(actor_pids()) == 3)
        # Each has a shard to lose.
        wait_until(lambda: all(waits_at(gate, pid).exists() for pid in actor_pids()))
        actors = actor_pids()
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        wait_until(lambda: len(living(actors)) == 2)
        os.kill(living(actors)[-1], signal.SIGKILL)
        gate.touch()
        assert result.result(timeout=100) == SHARDS * IMAGES
    found = parts(work, "measure")
    assert capfd.readouterr().err.count("is retried: its worker was lost") == 2
    clear(work, "measure")
    map_shards(work, "measure", {}, start_measuring, desc="measure", device="cpu")
    assert parts(work, "measure") == found
    assert len(read_parts(work / "columns" / "measure")) == SHARDS * IMAGES


def test_a_model_that_a_node_lacks_is_said(work, engine):
    with pytest.raises(
        RuntimeError,
        match=r"a node of the Ray cluster cannot work: .*no open_clip_config",
    ):
        map_shards(
            work,
            "embed",
            {},
            start_nowhere,
            desc="embed",
            engine=engine,
            device="cpu",
        )
