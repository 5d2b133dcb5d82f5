"""Slots on a real Ray cluster that fail, end and fall silent; and addresses where there is no cluster."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from twigma.core.pools import ray_pool


class Doubling(ray_pool.Actor):
    """Gives a number and its double, unless the number is one that goes wrong."""

    def pieces(self, task: int) -> Iterator[int]:
        yield task
        if task == 3:
            raise ValueError("three is bad")
        if task == 4:
            raise SystemExit(1)
        if task == 5:
            os.kill(os.getpid(), 19)  # stopped, not ended: nothing but silence tells
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
    with ray_pool.connect(cpus=2) as cpus:
        yield cpus


@pytest.mark.slow
def test_every_task_ends_done_or_failed_whatever_its_slot_does(
    cpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray_pool, "MAX_ATTEMPTS", 2)
    pieces: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, Any] = {}
    actor = ray.remote(Doubling).options(num_cpus=1)
    for key, kind, value in ray_pool.run_tasks(
        actor.remote, range(8), lambda key: key, cpus, silence=5
    ):
        if kind == "piece":
            pieces[key].append(value)
        elif kind == "lost":
            del pieces[key]
        else:
            assert key not in ends
            ends[key] = value
    good = {0, 1, 2, 6, 7}
    assert {key: pieces[key] for key in good} == {key: [key, 2 * key] for key in good}
    assert {key for key, value in ends.items() if value is None} == good and set(
        ends
    ) == set(range(8))
    assert isinstance(ends[3], ValueError) and "three is bad" in str(ends[3])
    assert "was lost 2 times" in str(ends[4])
    assert "was lost 2 times: no word from it for 5 s" in str(ends[5])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slot", "needs", "sentence"),
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
            "a node of the Ray cluster has twigma 0.0.1, this is .*: make them equal",
        ),
        (Doubling, 99, "the Ray cluster had no free CPU for 3 s"),
    ],
)
def test_slots_that_cannot_work_end_the_run(
    cpus: int, slot: type, needs: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray_pool, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(ray_pool, "START_TIMEOUT", 3 if needs > cpus else 600)
    with pytest.raises(RuntimeError, match=sentence):
        list(
            ray_pool.run_tasks(
                ray.remote(slot).options(num_cpus=needs).remote,
                [1],
                lambda key: key,
                cpus,
            )
        )


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_without_a_cluster_is_said_at_once(address: str) -> None:
    with (
        pytest.raises(RuntimeError, match=f"no Ray cluster answers at '{address}'"),
        ray_pool.connect(address),
    ):
        pass


def test_without_ray_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['ray'] = None\n"
    code += "from twigma.core.pools.ray_pool import connect\nwith connect(): pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith(
        "RuntimeError: Ray is not installed here: pip install 'twigma[ray]'\n"
    )
