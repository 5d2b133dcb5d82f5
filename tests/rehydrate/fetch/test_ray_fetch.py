"""Fetches on real Ray clusters whose workers and nodes are killed, beside the same fetch without Ray."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import Host
from support.worlds import (
    PLANTED,
    ROWS,
    alive,
    content,
    descendants,
    name,
    photo,
    populate,
    wait_until,
)

from twigma.core.pools import ray_cluster
from twigma.core.pools.task_event import TaskEvent
from twigma.rehydrate.fetch import ray_fetch
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.fetch.local_pool import Event
from twigma.rehydrate.images import shards

COUNT = 30
OURS = (
    "twigma.rehydrate.fetch.worker_pool",
    "ray::FetchActor",
    "raylet/raylet",
    "gcs_server",
)  # Ray's agents follow in 2 minutes
FETCH = """
import sys
from pathlib import Path
from twigma.core.pools.ray_pool import Engine
from twigma.rehydrate.fetch.fetch import fetch
work, base, rows, processes, address = sys.argv[1:]
options = {"rows_per_shard": int(rows), "connections": 4, "engine": Engine("ray", address or None)}
fetch(Path(work), image_base_url=base, processes=int(processes), **options)
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


def start(
    work: Path, host: Host, processes: int = 2, address: str = ""
) -> subprocess.Popen[str]:
    """A fetch on Ray in a process of its own, with photos that take a while, so that it can be hit in the middle."""
    populate(work, host, COUNT, pause=0.3)
    host.answers["/media/n10"] = photo(10)
    host.log.clear()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        FETCH,
        str(work),
        host.url,
        str(ROWS),
        str(processes),
        address,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def processes(below: int, command: str) -> list[int]:
    """The processes below `below` whose command line has this text."""
    found = []
    for pid in descendants(below):
        try:
            found += (
                [pid] if command in Path(f"/proc/{pid}/cmdline").read_text() else []
            )
        except OSError:
            continue
    return found


def kill_one(below: int, command: str) -> None:
    os.kill(processes(below, command)[-1], signal.SIGKILL)


def ends_like_a_local_fetch(
    process: subprocess.Popen[str], work: Path, host: Host, local: Path
) -> str:
    """What it wrote to the screen, after every check of its result."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    populate(local, host, COUNT)
    host.answers["/media/n10"] = photo(10)
    fetch(local, image_base_url=host.url, rows_per_shard=ROWS)
    assert content(work) == content(local)
    rows = [
        (row["image_name"], row["status"])
        for row in shards.read_sidecars(work).to_pylist()
    ]
    assert rows == [
        (name(number), PLANTED.get(number, "success")) for number in range(COUNT)
    ]
    assert not (work / "shards" / ".attempts").exists()
    assert not out
    assert {
        line.strip()[:5]
        for line in err.replace("\r", "\n").splitlines()
        if line.strip()
    } <= {"fetch", "shard"}
    return err


def test_same_tars_as_a_local_fetch_though_a_worker_was_killed(
    tmp_path: Path, host: Host
) -> None:
    process = start(tmp_path / "ray", host, processes=1)
    wait_until(lambda: len(host.log) >= 5, 150)
    kill_one(process.pid, "twigma.rehydrate.fetch.worker_pool")
    ends_like_a_local_fetch(process, tmp_path / "ray", host, tmp_path / "local")


@pytest.mark.slow
@ray_cluster._restore_sigterm()  # a Cluster sets a handler in this process
def test_a_node_and_an_actor_are_lost_in_the_middle(tmp_path: Path, host: Host) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
        process = start(tmp_path / "ray", host, address=cluster.address)
        wait_until(lambda: len(host.log) >= 8, 150)
        cluster.remove_node(first, allow_graceful=False)
        wait_until(lambda: len(host.log) >= 20, 150)
        kill_one(os.getpid(), "ray::FetchActor")
        err = ends_like_a_local_fetch(
            process, tmp_path / "ray", host, tmp_path / "local"
        )
        assert err.count("is retried") == 2
        assert max(host.hits.values()) <= 4  # two more than once, and the local fetch
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_it_leaves_nothing_running_and_goes_on(
    number: signal.Signals, tmp_path: Path, host: Host
) -> None:
    process = start(tmp_path / "ray", host)
    wait_until(lambda: len(host.log) >= 5, 150)
    below = [pid for text in OURS for pid in processes(process.pid, text)]
    assert len(below) >= 6
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    wait_until(lambda: not any(map(alive, below)), 15)
    again = start(tmp_path / "ray", host)
    ends_like_a_local_fetch(again, tmp_path / "ray", host, tmp_path / "local")


@pytest.mark.slow
def test_a_full_disk_of_a_node_is_said(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k none {disk} 2>/dev/null"):
        pytest.skip("no right to mount a small file system here")
    monkeypatch.setenv("TMPDIR", str(disk))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    try:
        process = start(tmp_path / "ray", host)
        _, err = process.communicate(timeout=200)
        assert process.returncode != 0
        assert "the disk is full in shard 0000" in err and os.uname().nodename in err
    finally:
        os.system(f"umount {disk}")


def test_a_shard_of_many_parts_is_put_together_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_fetch, "PART_BYTES", 10)
    (tmp_path / "to").mkdir()
    for size in (1, 10, 25):
        (tmp_path / f"{size}.tar").write_bytes(os.urandom(size))
        cut = list(ray_fetch._cut(tmp_path / f"{size}.tar"))
        assert len(cut) == -(-size // 10)
        shard = shards.shard_at(tmp_path, "00000")
        events: list[Event] = [TaskEvent("part", 0, part) for part in cut]
        events.append(TaskEvent("done", 0))
        stored = ray_fetch._store_parts(events, tmp_path / "to", {0: shard})
        assert list(stored) == [TaskEvent("done", 0)]
        assert (tmp_path / "to" / "00000" / f"{size}.tar").read_bytes() == (
            tmp_path / f"{size}.tar"
        ).read_bytes()
