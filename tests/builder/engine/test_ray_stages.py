"""Stages on real Ray clusters whose workers and nodes are killed: the same bytes as in one process."""

import os
import signal
import subprocess
import threading
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
    start_slowly,
    tiny_clip,
)

from twigma.builder.engine.engine import map_shards
from twigma.builder.stages.embed import embed_shards
from twigma.core.parts import read_parts
from twigma.core.pools.ray_pool import Engine

SHARDS, IMAGES = 6, 5


@pytest.fixture
def work(tmp_path):
    for shard in range(SHARDS):
        make_shard(
            tmp_path,
            f"{shard:05d}",
            {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(IMAGES)},
        )
    return tmp_path


def parts(work: Path, name: str) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted((work / "columns" / name).glob("*.arrow"))
    }


def clear(work: Path, name: str) -> None:
    for path in (work / "columns" / name).iterdir():
        path.unlink()


def slot_pids() -> list[int]:
    """The actors of this machine that run a stage."""
    found = subprocess.run(
        ["pgrep", "-f", "ray::StageActor"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def test_embeddings_equal_those_of_one_process(work, tmp_path_factory):
    folder = str(tiny_clip(tmp_path_factory.mktemp("models") / "clip"))
    assert (
        embed_shards(work, folder, device="cpu", engine=Engine("ray"))
        == SHARDS * IMAGES
    )
    on_ray = parts(work, "embed")
    clear(work, "embed")
    assert embed_shards(work, folder, device="cpu") == SHARDS * IMAGES
    assert parts(work, "embed") == on_ray and len(on_ray) == SHARDS


@pytest.mark.slow
def test_a_worker_and_a_node_are_lost_in_the_middle(work, capfd):
    from ray.cluster_utils import Cluster

    tar = work / "shards" / "00002.tar"
    tar.write_bytes(tar.read_bytes()[:-600])  # one shard is damaged besides
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)

        def disturb() -> None:
            done = work / "columns" / "measure"
            while not (done.exists() and len(list(done.iterdir())) >= 1):
                time.sleep(0.1)
            cluster.remove_node(first, allow_graceful=False)
            while len(list(done.iterdir())) < 3:
                time.sleep(0.1)
            os.kill(slot_pids()[-1], signal.SIGKILL)

        hand = threading.Thread(target=disturb)
        hand.start()
        run = partial(
            map_shards,
            work,
            "measure",
            {},
            rows=1,
            engine=Engine("ray", cluster.address),
        )
        with pytest.raises(
            RuntimeError, match=r"1 of 6 shards could not be processed \(00002: "
        ):
            run(start_slowly, desc="measure")
        hand.join()
    finally:
        cluster.shutdown()
    assert capfd.readouterr().err.count("is retried: its worker was lost") == 2
    found = parts(work, "measure")
    clear(work, "measure")
    with pytest.raises(RuntimeError, match="00002"):
        map_shards(work, "measure", {}, start_measuring, desc="measure", device="cpu")
    assert (
        parts(work, "measure") == found
        and len(read_parts(work / "columns" / "measure")) == 25
    )


@pytest.mark.slow
def test_a_model_that_a_node_lacks_is_said(work):
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
            engine=Engine("ray"),
            device="cpu",
        )
