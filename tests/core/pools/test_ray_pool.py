"""Actors on a real Ray cluster that fail, end and hang; and addresses where there is no cluster."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import Progress


class Doubling(ray_pool.Actor):
    """Gives a number and its double, unless the number is one that goes wrong."""

    def parts(self, task: int) -> Iterator[Any]:
        yield Progress(1)
        yield task
        if task == 3:
            raise ValueError("three is bad")
        if task == 4:
            raise SystemExit(1)
        if task == 5:
            os.kill(os.getpid(), 19)  # stopped, not ended: only the timeout sees it
        yield 2 * task


class Unborn(Doubling):
    def __init__(self) -> None:
        raise ModuleNotFoundError("No module named 'twigma'")


class Unfit(Doubling):
    def ready(self) -> str:
        raise ModuleNotFoundError("no img2dataset here")


class Older(Doubling):
    def ready(self) -> str:
        return "0.0.1"


@pytest.fixture(scope="module")
def cpus() -> Iterator[int]:
    with ray_cluster.connect(cpus=2) as cpus:
        yield cpus


@pytest.mark.slow
def test_every_task_ends_done_or_failed_whatever_its_actor_does(
    cpus: int,
) -> None:
    import ray

    retry = RetryPolicy(attempts=2, reply_timeout=5, start_timeout=600)
    parts: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, Any] = {}
    actor = ray.remote(Doubling).options(num_cpus=1)
    progress: dict[int, int] = defaultdict(int)
    for event in ray_pool.run_tasks(
        actor.remote, range(8), lambda task: task, cpus, retry=retry
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
    assert {key for key, value in ends.items() if value is None} == good and set(
        ends
    ) == set(range(8))
    assert isinstance(ends[3], ValueError) and "three is bad" in str(ends[3])
    assert "was lost 2 times" in str(ends[4])
    assert "was lost 2 times: no reply for 5 s" in str(ends[5])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("actor", "needs", "sentence"),
    [
        (
            Unborn,
            1,
            "no worker of the Ray cluster lives until it is ready: .*No module named 'twigma'",
        ),
        (Unfit, 1, "a node of the Ray cluster cannot work: .*no img2dataset here"),
        (
            Older,
            1,
            "a node of the Ray cluster has twigma 0.0.1, this is .*: install the same version on both",
        ),
        (Doubling, 99, "the Ray cluster had no free CPU for 3 s"),
    ],
)
def test_actors_that_cannot_work_end_the_run(
    cpus: int, actor: type, needs: int, sentence: str
) -> None:
    import ray

    start_timeout = 3 if needs > cpus else 600
    retry = RetryPolicy(attempts=2, start_timeout=start_timeout)
    with pytest.raises(RuntimeError, match=sentence):
        list(
            ray_pool.run_tasks(
                ray.remote(actor).options(num_cpus=needs).remote,
                [1],
                lambda task: task,
                cpus,
                retry=retry,
            )
        )


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_without_a_cluster_is_said_at_once(address: str) -> None:
    with (
        pytest.raises(RuntimeError, match=f"no Ray cluster answers at '{address}'"),
        ray_cluster.connect(address),
    ):
        pass


def test_without_ray_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['ray'] = None\n"
    code += (
        "from twigma.core.pools import ray_cluster\nwith ray_cluster.connect(): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith(
        "RuntimeError: Ray is not installed here: pip install 'twigma[ray]'\n"
    )
