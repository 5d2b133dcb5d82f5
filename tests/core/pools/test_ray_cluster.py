"""Connections to Ray clusters: one that others started, one of another version, and addresses without any."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ray_heads import Head, free_port, started_head

from twigma.core.installing import install_command
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


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder = tmp_path_factory.mktemp("ray")
    with started_head(folder, free_port(), "--num-cpus=1") as head:
        yield head


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
    last = head.run(DRIVER, address).stderr.splitlines()[-1]
    assert f"the Ray cluster at '{address}' has Ray 2.31.0 under Python 3.9.1" in last
    assert f"this is Ray {ray.__version__} under Python 3." in last
    assert "pip install 'ray[client]==2.31.0'" in last


SCALING = """
import sys, os
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor
from twigma.core.pools.ray_slots import ModelSlots

class OnGpu(Actor):
    def parts(self, payload):
        yield os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]

with ray_cluster.connect(sys.argv[1]) as cpus:
    events = ray_pool.run_tasks(OnGpu, (), range(2), lambda task: task, ModelSlots())
    parts = {event.task: event.value for event in events if event.kind == "part"}
print(cpus, parts)
"""


@pytest.mark.slow
def test_an_autoscaler_adds_a_gpu_where_there_was_none(tmp_path: Path) -> None:
    """Ray's own autoscaler, whose nodes are processes of this machine."""
    port = free_port()
    address = f"{ray_address()}:{port}"
    kinds = {
        "ray.head.default": {"resources": {}, "node_config": {}, "max_workers": 0},
        "gpu": {"resources": {"CPU": 3, "GPU": 1}, "node_config": {}, "max_workers": 1},
    }
    config: dict[str, Any] = {
        "cluster_name": "growing",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": kinds,
        "head_node_type": "ray.head.default",
        "auth": {"ssh_user": "nobody"},
    }
    for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter"):
        config[key] = []
    for key in ("setup_commands", "start_ray_commands"):
        config |= {f"head_{key}": [], f"worker_{key}": []}
    config |= {"initialization_commands": [], "setup_commands": []}
    config |= {"file_mounts": {}, "file_mounts_sync_continuously": False}
    file = tmp_path / "autoscaler.json"
    file.write_text(json.dumps(config))
    options = ["--num-cpus=0", "--num-gpus=0", f"--autoscaling-config={file}"]
    quick = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    with started_head(tmp_path, port, *options, **quick) as head:
        done = head.run(SCALING, address)
    assert done.stdout == "0 {0: ('0', '3'), 1: ('0', '3')}\n", done.stderr


def ray_address() -> str:
    """The address of this machine, as Ray's nodes find it."""
    import ray

    return str(ray.util.get_node_ip_address())


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
        f"RuntimeError: Ray is not installed here: {install_command('ray')}\n"
    )


# As Ray's client says it on a busy machine.
CLEANED_UP = """Request can't be sent because the Ray client has already been disconnected due to an error.
<_MultiThreadedRendezvous of RPC that terminated with:
\tstatus = StatusCode.NOT_FOUND
\tdetails = "Attempted to reconnect a session that has already been cleaned up"
\tdebug_error_string = "NOT_FOUND:Attempted to reconnect a session that has already been cleaned up"
>"""


@pytest.mark.parametrize("failures", [2, 3])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionAbortedError("Initialization failure"), "Initialization failure"),
        (
            ConnectionError(CLEANED_UP),
            ": Attempted to reconnect a session .* up; check",
        ),
    ],
)
def test_a_server_of_the_cluster_that_ends_as_it_begins_is_asked_again(
    error, said, failures, monkeypatch
):
    import ray

    start, calls = ray.init, []

    def init(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) <= failures:
            raise error
        return start(*arguments, **options)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray_cluster, "PAUSE", 0.0)
    if failures < ray_cluster.ATTEMPTS:
        with ray_cluster.connect("local", cpus=1) as cpus:
            assert cpus == 1
    else:
        with (
            pytest.raises(RuntimeError, match=said),
            ray_cluster.connect("local", cpus=1),
        ):
            pass
    assert len(calls) == 3
