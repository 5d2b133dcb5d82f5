"""Where the actors of a run go on a Ray cluster, counted again whenever nodes join or leave.

A model takes a GPU, or several CPUs of a node without: two models on the same cores are no faster than one, and each
fills memory of its own. What else could be used is shown to the cluster's autoscaler as demand.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Protocol

CPUS_PER_MODEL = 8
MEMORY_PER_MODEL = 4 << 30  # bytes

THREADS = "OMP_NUM_THREADS"  # what the libraries of an actor obey

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Slot:
    """Room for an actor on one node; several of a node are equal."""

    node: str
    cpus: int
    gpus: int
    threads: int

    def options(self) -> dict[str, Any]:
        """What an actor for this slot asks of Ray."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        threads = {THREADS: str(self.threads)}
        return {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(
                self.node, soft=False
            ),
            "runtime_env": {"env_vars": threads},
        }


def threads_here() -> int:
    """The threads of the slot that this actor has."""
    return int(os.environ[THREADS])


class Slots(Protocol):
    """The slots that one kind of actor finds on a cluster."""

    def of(self, nodes: Mapping[str, Resources]) -> list[Slot]:
        """Every slot of these nodes, those of different nodes in turn."""

    def demand(self, slots: list[Slot]) -> list[dict[str, float]]:
        """What a new node should have room for, beside the slots that are there: any of these."""


@dataclass(frozen=True)
class ModelSlots:
    """Room for models: the GPUs of the cluster, unless `device` is "cpu"; where it has none, CPUs."""

    device: str | None = None

    def of(self, nodes: Mapping[str, Resources]) -> list[Slot]:
        """A slot for each GPU, or for every CPUS_PER_MODEL CPUs; of a node with fewer, for all it has."""
        by_gpu = []
        if self.device != "cpu":
            by_gpu = [_gpu_slots(node, has) for node, has in nodes.items()]
        if any(by_gpu):
            return _in_turn(by_gpu)
        return _in_turn(_cpu_slots(nodes))

    def demand(self, slots: list[Slot]) -> list[dict[str, float]]:
        """A GPU; or CPUs, where these are asked for or there is nothing to work on yet."""
        on_cpus: dict[str, float] = {"CPU": CPUS_PER_MODEL}
        on_gpu: dict[str, float] = {"GPU": 1, "CPU": 1}
        if self.device == "cpu":
            return [on_cpus]
        return [on_gpu] if slots else [on_gpu, on_cpus]


@dataclass(frozen=True)
class CpuSlots:
    """Room for actors that take one CPU each."""

    def of(self, nodes: Mapping[str, Resources]) -> list[Slot]:
        """A slot for each CPU."""
        by_node = []
        for node, has in nodes.items():
            slot = Slot(node, cpus=1, gpus=0, threads=1)
            by_node.append([slot] * int(has.get("CPU", 0)))
        return _in_turn(by_node)

    def demand(self, slots: list[Slot]) -> list[dict[str, float]]:
        """A CPU."""
        return [{"CPU": 1}]


def _gpu_slots(node: str, has: Resources) -> list[Slot]:
    gpus = int(has.get("GPU", 0))
    cpus = int(has.get("CPU", 0))
    # Its share of the cores decodes for the model, but one CPU is all it waits for.
    threads = max(1, cpus // max(1, gpus))
    return [Slot(node, min(1, cpus), 1, threads)] * gpus


def _cpu_slots(nodes: Mapping[str, Resources]) -> list[list[Slot]]:
    """Of every node that is worth a model: not of a small one, such as the head of a cluster of large ones."""
    cpus_of = {node: int(has.get("CPU", 0)) for node, has in nodes.items()}
    largest = max(cpus_of.values(), default=0)
    by_node = []
    for node, cpus in cpus_of.items():
        if not cpus or cpus < min(CPUS_PER_MODEL, largest) / 2:
            continue
        fitting = nodes[node].get("memory", math.inf) / MEMORY_PER_MODEL
        models = max(1, int(min(cpus / CPUS_PER_MODEL, fitting)))
        each = cpus // models
        by_node.append([Slot(node, each, 0, each)] * models)
    return by_node


def _in_turn(by_node: Iterable[list[Slot]]) -> list[Slot]:
    """The first slot of each node, then the second: few tasks are spread over many nodes."""
    rounds = chain.from_iterable(zip_longest(*by_node))
    return [slot for slot in rounds if slot is not None]


def nodes_alive() -> dict[str, Resources]:
    """What every node of the cluster has, by its id."""
    import ray

    nodes: Iterable[Any] = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}


class Demand:
    """Work that waits for nodes, as an autoscaler sees it: placement groups, which end with the driver."""

    def __init__(self) -> None:
        self._pending: list[tuple[dict[str, float], Any]] = []

    def show(self, wanted: list[dict[str, float]]) -> None:
        """Have a placement group pending for each of these bundles; those that found a place are given back."""
        from ray.util.placement_group import placement_group

        missing = list(wanted)
        kept = []
        for bundle, group in self._pending:
            if bundle in missing and not group.wait(0):
                missing.remove(bundle)
                kept.append((bundle, group))
            else:
                _give_back(group)
        self._pending = kept
        for bundle in missing:
            self._pending.append((bundle, placement_group([bundle])))

    def close(self) -> None:
        """Ask for nothing more."""
        self.show([])


def _give_back(group: Any) -> None:
    from ray.util.placement_group import remove_placement_group

    remove_placement_group(group)
