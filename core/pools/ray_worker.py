"""An actor as its driver sees it: what it has of the tasks, and the calls that it has not answered yet."""

import time
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from twigma.core.pools.ray_slots import Slot

K = TypeVar("K")
AHEAD = 1  # tasks that lie on the node while it works on another


@dataclass(eq=False)
class Worker(Generic[K]):
    """One actor of a run.

    ready       whether it has loaded what it needs
    alive       whether it has ever answered; until then it may wait for its place on the node
    takes_offer whether an offer, rather than the bytes themselves, is worth sending to it
    """

    actor: Any
    slot: Slot
    ready: bool = False
    alive: bool = False
    takes_offer: bool = True
    task: K | None = None  # in work
    delivering: K | None = None
    delivered: list[K] = field(default_factory=list)
    discarding: bool = False  # methods of an actor may overtake one another
    awaits_beat: bool = False
    next_beat: float = 0.0  # when to ask for the next

    def tasks(self) -> list[K]:
        """The tasks that it has, in whatever state."""
        others = [self.task, self.delivering]
        return [*self.delivered, *(task for task in others if task is not None)]

    @property
    def load(self) -> int:
        """The number of these tasks."""
        return len(self.tasks())

    @property
    def can_take(self) -> bool:
        """Whether another task may be sent to it."""
        is_free = self.delivering is None and not self.discarding
        return is_free and self.load <= AHEAD


@dataclass(frozen=True)
class Call(Generic[K]):
    """What an actor was asked, and when."""

    worker: Worker[K]
    kind: Literal["ready", "beat", "delivery", "discard", "part"]
    asked: float = field(default_factory=time.monotonic)
