"""Which actors of a run get tasks when the cluster has changed."""

from twigma.core.pools.ray_fleet import Fleet
from twigma.core.pools.ray_slots import ModelSlots
from twigma.core.pools.ray_worker import Worker
from twigma.core.pools.retry import RetryPolicy


def test_a_gpu_that_joins_takes_over_once_its_model_is_loaded():
    slots = ModelSlots()
    fleet = Fleet(lambda slot: None, slots, RetryPolicy())
    before = {"a": {"CPU": 16}}
    fleet._counted = slots.of(before)
    on_cpus = [Worker(None, slot, ready=True) for slot in fleet._counted]
    fleet.workers += on_cpus
    assert len(on_cpus) == 2
    assert fleet.in_use() == on_cpus

    fleet._counted = slots.of(before | {"b": {"CPU": 16, "GPU": 1}})
    on_gpu = Worker(None, fleet._counted[0])
    fleet.workers.append(on_gpu)
    assert fleet.in_use() == on_cpus
    on_gpu.ready = True
    assert fleet.in_use() == [on_gpu]
