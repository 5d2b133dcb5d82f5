"""Work on a Ray cluster: actors that process one task after the other. `--engine ray`.

The driver delivers each actor its next task while it works on one, and asks for the parts one by one, so a slow driver
holds the cluster back instead of filling its memory, and it may be outside the cluster (`ray://`). An actor is lost
when its process or node is, or when it gives no sign of life; not when its work takes long. That costs its task:
another actor begins it again. Ray's own retries are not used, as they do not notice an actor that hangs.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twigma import __version__
from twigma.core.pools.ray_actor import CALLS, Actor
from twigma.core.pools.ray_cluster import last_line
from twigma.core.pools.ray_fleet import Fleet
from twigma.core.pools.ray_slots import Slot, Slots
from twigma.core.pools.ray_worker import Call, Worker
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import Progress, TaskEvent

RETRY = RetryPolicy(
    attempts=6, reply_timeout=120.0, start_timeout=600.0, shutdown_timeout=5.0
)
POLL_SECONDS = 1.0  # at most, between two looks at what is due
DELIVERIES = 4  # on their way at once: all of them leave from the driver
K = TypeVar("K")


@dataclass(frozen=True)
class Engine:
    """Where heavy work runs: `local`, or `ray` on the cluster at `address` (by default one started here)."""

    name: str = "local"
    address: str | None = None


LOCAL = Engine()


def run_tasks(
    actor: type[Actor],
    arguments: Sequence[Any],
    tasks: Sequence[K],
    payload: Callable[[K], Any],
    slots: Slots,
    *,
    offer: Callable[[K], Any] | None = None,
    most: int | None = None,
    retry: RetryPolicy = RETRY,
) -> Generator[TaskEvent[K], None, None]:
    """Process every task in actors made of these `arguments`, one a slot and `most` in all; close it after use.

    `payload(task)` is what `Actor.deliver` gets, made when the task is sent; `offer(task)` is tried first, a
    description that is enough where a node sees the driver's files. Every task ends in a "done" or a "failed" event.
    Raises RuntimeError when no actor can work.
    """
    import ray

    decorator: Any = ray.remote(max_concurrency=CALLS)  # type: ignore[call-overload]
    remote = decorator(actor)

    def start(slot: Slot) -> Any:
        return remote.options(**slot.options()).remote(*arguments)

    fleet: Fleet[K] = Fleet(start, slots, retry, most)
    try:
        yield from ActorPool(fleet, tasks, payload, offer, retry).run()
    finally:
        fleet.close()


class ActorPool(Generic[K]):
    """The tasks of one run: those that wait, and those that its actors have."""

    def __init__(
        self,
        fleet: Fleet[K],
        tasks: Sequence[K],
        payload: Callable[[K], Any],
        offer: Callable[[K], Any] | None,
        retry: RetryPolicy,
    ) -> None:
        self._fleet = fleet
        self._waiting = list(reversed(tasks))  # the next one is at the end
        self._payload = payload
        self._offer = offer
        self._retry = retry
        self._losses: Counter[K] = Counter()

    def run(self) -> Iterator[TaskEvent[K]]:
        """Work until no task waits and no actor has one."""
        workers = self._fleet.workers
        while self._waiting or any(worker.load for worker in workers):
            not_begun = sum(len(worker.delivered) for worker in workers)
            self._fleet.follow_cluster(len(self._waiting) + not_begun)
            yield from self._send_tasks()
            self._fleet.ask_for_beats()
            yield from self._read_replies()
            reason = f"no sign of life for {self._retry.reply_timeout:g} s"
            for worker in self._fleet.silent():
                yield from self._lose(worker, reason)

    # -------------------------------------------------------------- tasks on their way

    def _send_tasks(self) -> Iterator[TaskEvent[K]]:
        """Begin what was delivered, and deliver what waits: first to actors without a task."""
        for worker in self._fleet.workers:
            self._begin(worker)
        in_use = self._fleet.in_use()
        self._take_back(sum(not worker.load for worker in in_use))
        on_their_way = sum(worker.delivering is not None for worker in in_use)
        for worker in sorted(in_use, key=lambda worker: worker.load):
            if not self._waiting or on_their_way >= DELIVERIES:
                return
            if worker.can_take:
                yield from self._deliver(worker, self._waiting.pop())
                on_their_way += 1

    def _begin(self, worker: Worker[K]) -> None:
        if worker.task is None and worker.delivered:
            worker.task = worker.delivered.pop()
            self._ask_for_part(worker, worker.actor.begin.remote(worker.task))

    def _ask_for_part(self, worker: Worker[K], reply: Any) -> None:
        self._fleet.calls[reply] = Call(worker, "part")

    def _take_back(self, idle: int) -> None:
        """Near the end, take tasks that lie with actors at work, for those that have none."""
        for worker in self._fleet.workers:
            if len(self._waiting) >= idle:
                return
            if worker.delivered:
                task = worker.delivered.pop()
                worker.discarding = True
                reply = worker.actor.discard.remote(task)
                self._fleet.calls[reply] = Call(worker, "discard")
                self._waiting.append(task)

    def _deliver(self, worker: Worker[K], task: K) -> Iterator[TaskEvent[K]]:
        make = self._payload
        if self._offer is not None and worker.takes_offer:
            make = self._offer
        try:
            payload = make(task)
        except (OSError, ValueError) as error:
            yield TaskEvent("failed", task, error)
            return
        worker.delivering = task
        reply = worker.actor.deliver.remote(task, payload)
        self._fleet.calls[reply] = Call(worker, "delivery")

    # -------------------------------------------------------------- replies

    def _read_replies(self) -> Iterator[TaskEvent[K]]:
        """Wait for a reply, and handle it."""
        import ray

        calls = self._fleet.calls
        if not calls:
            time.sleep(POLL_SECONDS)
            return
        # Without fetching: a part moves to the driver only when its turn has come.
        replies, _ = ray.wait(list(calls), timeout=POLL_SECONDS, fetch_local=False)
        for reply in replies:
            call = calls.pop(reply)
            try:
                value = ray.get(reply)
            except ray.exceptions.RayTaskError as error:
                yield from self._handle_error(call, error)
            except ray.exceptions.RayError as error:
                yield from self._lose(call.worker, last_line(error))
            else:
                self._fleet.heard(call)
                yield from self._record(call, value)

    def _handle_error(self, call: Call[K], error: Any) -> Iterator[TaskEvent[K]]:
        """What an actor raised, and lived on."""
        worker = call.worker
        if call.kind == "part":
            assert worker.task is not None
            yield TaskEvent("failed", worker.task, error.cause)
            worker.task = None
        elif call.kind == "delivery":
            # A node with a full disk, for example: what it works on would end there too.
            yield from self._lose(worker, last_line(error), blame=worker.delivering)
        else:
            raise RuntimeError(
                f"a node of the Ray cluster cannot work: {last_line(error)}"
            ) from error

    def _record(self, call: Call[K], value: Any) -> Iterator[TaskEvent[K]]:
        worker = call.worker
        if call.kind == "ready":
            _require_same_version(value)
        elif call.kind == "delivery":
            yield from self._record_delivery(worker, value)
        elif call.kind == "discard":
            worker.discarding = False
        elif call.kind == "part":
            yield from self._record_part(worker, value)

    def _record_delivery(
        self, worker: Worker[K], taken: bool
    ) -> Iterator[TaskEvent[K]]:
        task = worker.delivering
        assert task is not None
        worker.delivering = None
        if taken:
            worker.delivered.append(task)
            self._begin(worker)
        else:
            worker.takes_offer = False
            yield from self._deliver(worker, task)

    def _record_part(self, worker: Worker[K], value: Any) -> Iterator[TaskEvent[K]]:
        task = worker.task
        assert task is not None
        if value is None:
            worker.task = None
            self._begin(worker)
            yield TaskEvent("done", task)
            return
        # Ask for the next part before the caller handles this one, so that the two overlap.
        self._ask_for_part(worker, worker.actor.next.remote())
        if isinstance(value, Progress):
            yield TaskEvent("progress", task, value.units)
        else:
            yield TaskEvent("part", task, value)

    def _lose(
        self, worker: Worker[K], reason: str, blame: K | None = None
    ) -> Iterator[TaskEvent[K]]:
        """Do without an actor. What it worked on has lost a worker more, and so has the task to `blame`."""
        self._fleet.dismiss(worker, reason)
        lost = [worker.task, blame]
        if worker.task is None and blame is None:
            lost = [worker.delivering]
        self._waiting += [task for task in worker.tasks() if task not in lost]
        for task in lost:
            if task is None:
                continue
            self._losses[task] += 1
            event = self._retry.after_loss(task, self._losses[task], reason)
            if event.kind == "lost":
                self._waiting.append(task)
            yield event


def _require_same_version(version: str) -> None:
    if version != __version__:
        raise RuntimeError(
            f"a node of the Ray cluster has twigma {version}, this is {__version__}: "
            "install the same version on both"
        )
