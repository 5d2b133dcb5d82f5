"""A real Ray cluster in this machine's processes, to which nodes come and from which they are lost."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twigma.core.pools import ray_cluster


@contextlib.contextmanager
def three_nodes() -> Iterator[Any]:
    """A head without CPUs and two nodes of one."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    with ray_cluster._restore_sigterm():  # a Cluster sets a handler in this process
        cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            add_node(cluster)
        yield cluster
    finally:
        cluster.shutdown()


def add_node(cluster: Any) -> None:
    """One node more; only the main thread can add it."""
    with ray_cluster._restore_sigterm():
        cluster.add_node(num_cpus=1)


def waits_at(gate: Path) -> None:
    """Say that this process waits, and wait until the gate is there."""
    from support.worlds import wait_until

    gate.with_name(f"{os.getpid()} waits").touch()
    wait_until(gate.exists)


def waiting(gate: Path) -> list[int]:
    """The processes alive that wait or have waited at a gate: one outlives its node for a moment."""
    from support.worlds import alive

    pids = [int(path.name.split()[0]) for path in gate.parent.glob("* waits")]
    return [pid for pid in pids if alive(pid)]
