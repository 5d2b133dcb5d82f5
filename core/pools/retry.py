"""How often a task is retried, and how long a supervisor waits for its workers: one policy for all of them."""

import math
from dataclasses import dataclass
from typing import TypeVar

from twigma.core.pools.task_event import TaskEvent

K = TypeVar("K")


@dataclass(frozen=True)
class RetryPolicy:
    """When a worker is replaced, and when a task or the entire run is abandoned. Times are seconds.

    attempts            workers that one task may lose before it fails
    reply_timeout       without a sign of life from a worker that has a task, after which it is replaced
    start_timeout       in which no worker could be started, after which the run fails
    shutdown_timeout    that workers have to remove what would outlive them, before they are killed
    """

    attempts: int = 6
    reply_timeout: float = math.inf
    start_timeout: float = math.inf
    shutdown_timeout: float = 0.0

    def after_loss(self, task: K, losses: int, reason: str) -> TaskEvent[K]:
        """What becomes of a task that has now lost so many workers: "lost" (it is retried) or "failed"."""
        if losses < self.attempts:
            return TaskEvent("lost", task, reason)
        error = RuntimeError(f"its worker was lost {losses} times: {reason}")
        return TaskEvent("failed", task, error)
