"""Actors on a real Ray cluster that fail, end, hang, or only take long."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.worlds import wait_until

from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor
from twigma.core.pools.ray_slots import CpuSlots
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import Progress

TIMEOUT = 5  # seconds in which an actor has to answer a beat


class Doubling(Actor):
    """Gives a number and its double, unless the number is one that goes wrong."""

    def parts(self, payload: int) -> Iterator[Any]:
        yield Progress(1)
        yield payload
        if payload == 3:
            raise ValueError("three is bad")
        if payload == 4:
            raise SystemExit(1)
        if payload == 5:
            os.kill(os.getpid(), signal.SIGSTOP)  # its process is still there
        if payload == 6:
            time.sleep(2.5 * TIMEOUT)  # it is only slow
        yield 2 * payload


class Unborn(Doubling):
    def __init__(self) -> None:
        raise ModuleNotFoundError("No module named 'twigma'")


class Unfit(Doubling):
    def ready(self) -> str:
        raise ModuleNotFoundError("no img2dataset here")


class Older(Doubling):
    def ready(self) -> str:
        return "0.0.1"


class Looking(Actor):
    """Gives what lies there of the task that comes next, once something does."""

    def parts(self, payload: int) -> Iterator[Any]:
        wait_until(lambda: bool(self._delivered) or payload == 2)
        yield list(self._delivered)


class Waiting(Actor):
    """Writes a file for each task; the first ends when those of all others are there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def parts(self, payload: int) -> Iterator[Any]:
        if payload == 0:
            wait_until(lambda: len(list(self._folder.iterdir())) == 4)
        (self._folder / str(payload)).touch()
        yield payload


class Choosy(Actor):
    """Has no use for what it is offered."""

    def deliver(self, task: int, payload: str) -> bool:
        return payload.startswith("bytes") and super().deliver(task, payload)

    def parts(self, payload: str) -> Iterator[Any]:
        yield payload


class Full(Actor):
    """Has no room for one of the tasks."""

    def deliver(self, task: int, payload: int) -> bool:
        if payload == 1:
            raise OSError(28, "No space left on device, on node7")
        return super().deliver(task, payload)

    def parts(self, payload: int) -> Iterator[Any]:
        yield payload


def parts_of(
    actor: type, tasks: int, *arguments: Any, **options: Any
) -> dict[int, Any]:
    """The last part of every task; the exception of one that has failed."""
    found: dict[int, Any] = {}
    for event in ray_pool.run_tasks(
        actor, arguments, range(tasks), lambda task: task, CpuSlots(), **options
    ):
        if event.kind in ("part", "failed"):
            found[event.task] = event.value
    return found


@pytest.fixture(scope="module", autouse=True)
def cpus() -> Iterator[int]:
    with ray_cluster.connect(cpus=2) as cpus:
        yield cpus


def test_every_task_ends_done_or_failed_whatever_its_actor_does() -> None:
    retry = RetryPolicy(attempts=2, reply_timeout=TIMEOUT, start_timeout=600)
    parts: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, Any] = {}
    progress: dict[int, int] = defaultdict(int)
    for event in ray_pool.run_tasks(
        Doubling, (), range(8), lambda task: task, CpuSlots(), retry=retry
    ):
        if event.kind == "part":
            parts[event.task].append(event.value)
        elif event.kind == "progress":
            progress[event.task] += event.value
        elif event.kind == "lost":
            del parts[event.task], progress[event.task]
        else:
            assert event.task not in ends
            assert (event.kind == "done") == (event.value is None)
            ends[event.task] = event.value
    good = {0, 1, 2, 6, 7}
    assert {key: parts[key] for key in good} == {key: [key, 2 * key] for key in good}
    assert {key: progress[key] for key in good} == dict.fromkeys(good, 1)
    assert {key for key, value in ends.items() if value is None} == good
    assert set(ends) == set(range(8))
    assert isinstance(ends[3], ValueError) and "three is bad" in str(ends[3])
    assert "was lost 2 times" in str(ends[4])
    assert f"was lost 2 times: no sign of life for {TIMEOUT} s" in str(ends[5])


def test_the_next_task_lies_there_while_an_actor_works() -> None:
    assert parts_of(Looking, 3, most=1) == {0: [1], 1: [2], 2: []}


def test_an_idle_actor_takes_what_lies_with_a_busy_one(tmp_path: Path) -> None:
    assert parts_of(Waiting, 5, tmp_path) == {i: i for i in range(5)}


def test_an_offer_is_made_once_and_then_the_bytes_are_sent() -> None:
    offered = []

    def offer(task: int) -> str:
        offered.append(task)
        return f"path {task}"

    events = ray_pool.run_tasks(
        Choosy, (), range(3), lambda i: f"bytes {i}", CpuSlots(), offer=offer, most=1
    )
    parts = [event.value for event in events if event.kind == "part"]
    assert parts == ["bytes 0", "bytes 1", "bytes 2"]
    assert offered == [0]


def test_a_node_without_room_for_a_task_fails_that_task_alone() -> None:
    found = parts_of(Full, 3, retry=RetryPolicy(attempts=2))
    assert found[0] == 0 and found[2] == 2
    assert (
        "was lost 2 times: OSError: [Errno 28] No space left on device, on node7"
        in str(found[1])
    )


def test_what_the_driver_cannot_read_fails_that_task_alone() -> None:
    def payload(task: int) -> int:
        if task == 1:
            raise FileNotFoundError("no 00001.tar")
        return task

    events = ray_pool.run_tasks(Doubling, (), range(3), payload, CpuSlots())
    ends = {e.task: e.value for e in events if e.kind in ("done", "failed")}
    assert ends[0] is None and ends[2] is None
    assert str(ends[1]) == "no 00001.tar"


@pytest.mark.parametrize(
    ("actor", "sentence"),
    [
        (
            Unborn,
            "no worker of the Ray cluster lives until it is ready: .*No module named 'twigma'",
        ),
        (Unfit, "a node of the Ray cluster cannot work: .*no img2dataset here"),
        (
            Older,
            "a node of the Ray cluster has twigma 0.0.1, this is .*: install the same version on both",
        ),
    ],
)
def test_actors_that_cannot_work_end_the_run(actor: type, sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        parts_of(actor, 1, retry=RetryPolicy(attempts=2))


def test_a_cluster_that_is_busy_with_other_work_is_said(cpus: int) -> None:
    import ray

    other = ray.remote(Doubling).options(num_cpus=cpus).remote()
    ray.get(other.ready.remote())
    with pytest.raises(RuntimeError, match="had no free CPU or GPU for 3 s"):
        parts_of(Doubling, 1, retry=RetryPolicy(start_timeout=3))
    ray.kill(other)
