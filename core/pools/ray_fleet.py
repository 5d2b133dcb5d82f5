"""The actors of one run on a Ray cluster: as many as its nodes have slots for, each of them alive.

An actor answers beats in a thread beside its work. It is lost when Ray says that its process or node has died, or when
a beat stays without an answer; however long its work takes, it is not.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twigma.core.pools.ray_slots import Demand, Slot, Slots, nodes_alive
from twigma.core.pools.ray_worker import Call, Worker
from twigma.core.pools.retry import RetryPolicy
from twigma.core.progress import notice

COUNT_SECONDS = 5.0  # between two counts of the cluster's slots
BEATS = 5  # within the time after which a silent actor is lost
MOST_DEMAND = 64  # slots to ask of an autoscaler at once
K = TypeVar("K")


class Fleet(Generic[K]):
    """The actors of one run, and the calls that they have not answered yet.

    `start` gives the handle of a new actor for a slot. There are at most `most` actors.
    """

    def __init__(
        self,
        start: Callable[[Slot], Any],
        slots: Slots,
        retry: RetryPolicy,
        most: int | None = None,
    ) -> None:
        self.workers: list[Worker[K]] = []
        self.calls: dict[Any, Call[K]] = {}
        self._start = start
        self._slots = slots
        self._retry = retry
        self._most = most
        self._counted: list[Slot] = []
        self._next_count = 0.0
        self._demand = Demand()
        self._failed_starts: Counter[str] = Counter()  # in a row, by node
        self._last_reply = time.monotonic()

    # -------------------------------------------------------------- their number

    def follow_cluster(self, tasks: int) -> None:
        """Start actors on the slots without one, now and then, for so many tasks that no actor works on."""
        if not tasks:
            self._demand.close()
            return
        now = time.monotonic()
        if now < self._next_count:
            return
        self._next_count = now + COUNT_SECONDS
        nodes = nodes_alive()
        for node, failures in self._failed_starts.items():
            if failures >= self._retry.attempts:
                nodes.pop(node, None)
        self._counted = self._slots.of(nodes)
        without_task = [
            worker for worker in self._on_counted_slots() if not worker.load
        ]
        for slot in self._free_slots()[: max(0, tasks - len(without_task))]:
            self._add(slot)
        more = min(tasks, max(1, len(self.workers)), MOST_DEMAND)
        if self._most is not None:
            more = min(more, self._most - len(self.workers))
        self._demand.show(self._slots.demand(self._counted) * more)

    def _free_slots(self) -> list[Slot]:
        taken = Counter(worker.slot for worker in self.workers)
        free = []
        for slot in self._counted:
            if taken[slot]:
                taken[slot] -= 1
            else:
                free.append(slot)
        if self._most is None:
            return free
        return free[: max(0, self._most - len(self.workers))]

    def _add(self, slot: Slot) -> None:
        worker: Worker[K] = Worker(self._start(slot), slot)
        self.workers.append(worker)
        self.calls[worker.actor.ready.remote()] = Call(worker, "ready")

    def in_use(self) -> list[Worker[K]]:
        """The actors to send tasks to: those on CPUs get no more once one on a GPU is ready."""
        preferred = [worker for worker in self._on_counted_slots() if worker.ready]
        return preferred or [worker for worker in self.workers if worker.ready]

    def _on_counted_slots(self) -> list[Worker[K]]:
        counted = set(self._counted)
        return [worker for worker in self.workers if worker.slot in counted]

    # -------------------------------------------------------------- their life

    def heard(self, call: Call[K]) -> None:
        """An actor has answered."""
        self._last_reply = time.monotonic()
        call.worker.alive = True
        if call.kind == "ready":
            call.worker.ready = True
            self._failed_starts.pop(call.worker.slot.node, None)
        elif call.kind == "beat":
            call.worker.awaits_beat = False

    def ask_for_beats(self) -> None:
        """Ask every actor for a sign of life that has not been asked lately."""
        now = time.monotonic()
        for worker in self.workers:
            if not worker.awaits_beat and now >= worker.next_beat:
                worker.awaits_beat = True
                worker.next_beat = now + self._retry.reply_timeout / BEATS
                self.calls[worker.actor.beat.remote()] = Call(worker, "beat")

    def silent(self) -> list[Worker[K]]:
        """The actors whose beat is overdue; RuntimeError where none could be started for too long."""
        import ray

        late = [reply for reply, call in self.calls.items() if self._is_late(call)]
        if late:
            # It may be our caller who took so long: a reply that is here already is not late.
            _, late = ray.wait(late, num_returns=len(late), timeout=0)
        silence = time.monotonic() - self._last_reply
        ready = any(worker.ready for worker in self.workers)
        if silence > self._retry.start_timeout and not ready:
            raise RuntimeError(
                f"the Ray cluster had no free CPU or GPU for {self._retry.start_timeout:g} s: "
                "run again when it has"
            )
        return [self.calls[reply].worker for reply in late]

    def _is_late(self, call: Call[K]) -> bool:
        if call.kind != "beat" or not call.worker.alive:
            return False  # what never answered may still wait for its place on the node
        return time.monotonic() - call.asked > self._retry.reply_timeout

    def dismiss(self, worker: Worker[K], reason: str) -> None:
        """End an actor that is lost; its slot is counted again at once.

        RuntimeError where it was not ready yet, like others on its node before it, and no other actor lives.
        """
        import ray

        # It may live on unnoticed: without this, two actors could work on one task.
        ray.kill(worker.actor)
        self.workers.remove(worker)
        for reply, call in list(self.calls.items()):
            if call.worker is worker:
                del self.calls[reply]
        self._next_count = 0.0
        if worker.ready:
            return
        node = worker.slot.node
        self._failed_starts[node] += 1
        if self._failed_starts[node] < self._retry.attempts:
            return
        if not any(other.alive for other in self.workers):
            raise RuntimeError(
                f"no worker of the Ray cluster lives until it is ready: {reason}"
            )
        notice(
            f"a node of the Ray cluster is not used: no worker starts there ({reason})"
        )

    def close(self) -> None:
        """Let the actors remove what would outlive them, and kill them."""
        import ray

        # RayError: the cluster is gone, and its actors with it.
        with contextlib.suppress(ray.exceptions.RayError):
            self._demand.close()
            ready = [worker for worker in self.workers if worker.ready]
            if ready:
                closing = [worker.actor.close.remote() for worker in ready]
                timeout = self._retry.shutdown_timeout
                ray.wait(closing, num_returns=len(closing), timeout=timeout)
            for worker in self.workers:
                ray.kill(worker.actor)
