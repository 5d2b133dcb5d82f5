"""Work spread over workers: a Ray cluster, its scratch folders, and what every supervisor shares: events and retries.

A supervisor hands tasks to workers that may die, and reports `TaskEvent`s under a `RetryPolicy`. There are three: the
actors of a Ray cluster (`ray_pool.py`), the processes of a stage, one a device (`builder/engine/device_workers.py`),
and the processes of a fetch (`rehydrate/fetch/worker_pool.py`).
"""

from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import Progress, TaskEvent

__all__ = ["LOCAL", "Engine", "Progress", "RetryPolicy", "TaskEvent"]
