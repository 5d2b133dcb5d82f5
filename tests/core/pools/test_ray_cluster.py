"""Connections to Ray clusters: one that others started, one of another version, and addresses without any."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from twigma.core.pools import ray_cluster

DRIVER = """
import logging, sys
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor
from twigma.core.pools.ray_slots import CpuSlots

class Noisy(Actor):
    def parts(self, payload):
        print("printed by a worker", flush=True)
        logging.getLogger("anything").warning("logged by a worker")
        yield payload + 1

with ray_cluster.connect(sys.argv[1]):
    events = ray_pool.run_tasks(Noisy, (), range(3), lambda task: task, CpuSlots())
    parts = {event.task: event.value for event in events if event.kind == "part"}
    __import__("time").sleep(2)  # for the last lines of the workers
print(sorted(parts.items()))
"""
# What a cluster says of itself to those who join.
OLDER = """
import json, sys, ray
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

ray.init(sys.argv[1], log_to_driver=False)
place = {"namespace": b"cluster"}
facts = json.loads(_internal_kv_get(b"CLUSTER_METADATA", **place))
facts |= {"ray_version": "2.31.0", "python_version": "3.9.1"}
_internal_kv_put(b"CLUSTER_METADATA", json.dumps(facts), overwrite=True, **place)
"""


@dataclass(frozen=True)
class Head:
    """A head that `ray start` has started, and what a driver needs of its environment."""

    port: int
    client_port: int
    environment: dict[str, str]

    def run(self, code: str, address: str) -> "subprocess.CompletedProcess[str]":
        """A process of its own, as a connection leaves traces in one."""
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, address],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder = tmp_path_factory.mktemp("ray", numbered=True)
    port, client_port = free_port(), free_port()
    environment = dict(os.environ) | {
        "HOME": str(folder),  # of the token
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--head",
        "--block",
        f"--port={port}",
        f"--ray-client-server-port={client_port}",
        f"--temp-dir=/tmp/ray-{port}",  # a short path: there are sockets in it
        "--num-cpus=1",
        "--min-worker-port=0",
        "--max-worker-port=0",
        "--include-dashboard=false",
    ]
    token = [command[0], "get-auth-token", "--generate"]
    subprocess.run(token, env=environment, check=True, capture_output=True)
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        for place in (port, client_port):
            wait_for_port(place, output)
        yield Head(port, client_port, environment)
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        for each in [process, *below]:
            each.kill()
        process.wait()


def wait_for_port(port: int, output: Path) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(output.read_text())


def test_a_driver_outside_the_cluster_works_and_shows_what_workers_say(
    head: Head,
) -> None:
    done = head.run(DRIVER, f"ray://127.0.0.1:{head.client_port}")
    assert done.stdout == "[(0, 1), (1, 2), (2, 3)]\n", done.stderr
    lines = [line for line in done.stderr.splitlines() if "by a worker" in line]
    assert any("printed" in line for line in lines)
    assert any("logged" in line for line in lines)
    assert all("(Noisy pid=" in line for line in lines)


def test_a_cluster_of_another_version_is_said_with_both(head: Head) -> None:
    import ray

    address = f"127.0.0.1:{head.port}"
    changed = head.run(OLDER, address)
    assert changed.returncode == 0, changed.stderr
    for place in (address, f"ray://127.0.0.1:{head.client_port}"):
        last = head.run(DRIVER, place).stderr.splitlines()[-1]
        assert f"the Ray cluster at '{place}' has Ray 2.31.0 under Python 3.9.1" in last
        assert f"this is Ray {ray.__version__} under Python 3." in last
        assert "pip install 'ray[client]==2.31.0'" in last


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
