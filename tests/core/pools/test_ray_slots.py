"""Slots of nodes as clusters have them: small heads, large workers, GPUs, little memory."""

from collections import Counter

import pytest

from twigma.core.pools.ray_slots import CpuSlots, ModelSlots

GB = 1 << 30


def of_each(slots, nodes):
    """(actors, CPUs, GPUs, threads) of every node that has a slot."""
    found = {}
    for slot, count in Counter(slots.of(nodes)).items():
        found[slot.node] = (count, slot.cpus, slot.gpus, slot.threads)
    return found


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"only": {"CPU": 2}}, {"only": (1, 2, 0, 2)}),
        ({"a": {"CPU": 8}, "b": {"CPU": 20}}, {"a": (1, 8, 0, 8), "b": (2, 10, 0, 10)}),
        # Ten large nodes and a small head: eighty models, none of them on the head.
        (
            {"head": {"CPU": 1}} | {str(i): {"CPU": 64} for i in range(10)},
            {str(i): (8, 8, 0, 8) for i in range(10)},
        ),
        ({"head": {}, "a": {"CPU": 4}}, {"a": (1, 4, 0, 4)}),
        ({"a": {"CPU": 64, "memory": 9 * GB}}, {"a": (2, 32, 0, 32)}),
        ({"a": {"CPU": 64, "memory": GB}}, {"a": (1, 64, 0, 64)}),
        (
            {"cpu": {"CPU": 64}, "gpu": {"CPU": 16, "GPU": 2}},
            {"gpu": (2, 1, 1, 8)},
        ),
        ({"head": {"memory": GB}}, {}),
    ],
)
def test_a_model_takes_a_gpu_or_several_cpus(nodes, expected):
    assert of_each(ModelSlots(), nodes) == expected


def test_without_its_gpus_a_node_has_its_cpus():
    nodes = {"gpu": {"CPU": 16, "GPU": 2}}
    assert of_each(ModelSlots("cpu"), nodes) == {"gpu": (2, 8, 0, 8)}


def test_few_tasks_go_to_many_nodes():
    slots = ModelSlots().of({name: {"CPU": 32} for name in "abc"})
    assert [slot.node for slot in slots] == list("abc" * 4)
    slots = CpuSlots().of({"a": {"CPU": 3}, "b": {"CPU": 1}})
    assert [slot.node for slot in slots] == ["a", "b", "a", "a"]


def test_an_autoscaler_is_shown_what_would_be_used():
    slots = ModelSlots().of({"a": {"CPU": 8}})
    assert ModelSlots().demand(slots) == [{"GPU": 1, "CPU": 1}]
    assert ModelSlots().demand([]) == [{"GPU": 1, "CPU": 1}, {"CPU": 8}]
    assert ModelSlots("cpu").demand(slots) == [{"CPU": 8}]
