"""Work on a Ray cluster: actors that process one task after the other. `--engine ray`.

The driver asks each actor for the parts of its task one by one, so a slow driver holds the cluster back instead of
filling its memory, and it may be outside the cluster (`ray://`). An actor that is lost, alone or with its node, costs
its task: another actor begins the task again. Ray's own retries are not used, as they know no limit in time and do
not notice an actor that hangs.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twigma import __version__
from twigma.core.pools.ray_cluster import last_line
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import Progress, TaskEvent

RETRY = RetryPolicy(
    attempts=6, reply_timeout=300.0, start_timeout=600.0, shutdown_timeout=5.0
)
POLL_SECONDS = 1.0  # between two looks at the timeouts
K = TypeVar("K")


@dataclass(frozen=True)
class Engine:
    """Where heavy work runs: `local`, or `ray` on the cluster at `address` (by default one started here)."""

    name: str = "local"
    address: str | None = None


LOCAL = Engine()


class Actor:
    """What an actor does; a subclass yields the results of one task from `parts`."""

    _parts: Iterator[Any]

    def ready(self) -> str:
        """The version of this package on the node; a subclass may raise what is missing there."""
        return __version__

    def parts(self, task: Any) -> Iterator[Any]:
        """The parts of one task, and `Progress` between them; no part is None.

        An exception (ValueError, OSError …) fails the task on the driver; SystemExit gives the actor up.
        """
        raise NotImplementedError

    def begin(self, task: Any) -> None:
        """Turn to a task."""
        self._parts = self.parts(task)

    def next(self) -> Any:
        """The next part or `Progress` of the task; None at its end."""
        return next(self._parts, None)

    def close(self) -> None:
        """Remove what would outlive the actor."""


def run_tasks(
    new_actor: Callable[[], Any],
    tasks: Sequence[K],
    payload: Callable[[K], Any],
    actors: int,
    *,
    retry: RetryPolicy = RETRY,
) -> Generator[TaskEvent[K], None, None]:
    """Process every task in at most so many `actors`; the generator is to be closed after use.

    `new_actor` starts an `Actor` and gives its handle; `payload(task)` is what `Actor.parts` gets, made when the task
    begins. Every task ends in a "done" or a "failed" event. Raises RuntimeError when no actor can work.
    """
    pool = ActorPool(new_actor, tasks, payload, retry)
    try:
        yield from pool.run(actors)
    finally:
        pool.close()


@dataclass(frozen=True)
class Call(Generic[K]):
    """What an actor was asked for and when: a part of its task, or (where `task` is None) whether it is ready."""

    actor: Any
    task: K | None
    asked: float


class ActorPool(Generic[K]):
    """The actors of one run, the calls that wait for a reply, and the tasks that wait for an actor."""

    def __init__(
        self,
        new_actor: Callable[[], Any],
        tasks: Sequence[K],
        payload: Callable[[K], Any],
        retry: RetryPolicy,
    ) -> None:
        self._new_actor = new_actor
        self._payload = payload
        self._retry = retry
        self._waiting = list(reversed(tasks))  # the next one is at the end
        self._idle: list[Any] = []
        self._calls: dict[Any, Call[K]] = {}
        self._losses: Counter[K | None] = Counter()
        self._last_reply = time.monotonic()

    def run(self, actors: int) -> Iterator[TaskEvent[K]]:
        """Work until no task waits and no actor works."""
        import ray

        for _ in range(min(actors, len(self._waiting))):
            self._start()
        while self._assign():
            calls = list(self._calls)
            # Without fetching: a part moves to the driver only when its turn has come.
            replies, _ = ray.wait(calls, timeout=POLL_SECONDS, fetch_local=False)
            for reply in replies:
                yield from self._handle_reply(reply)
            yield from self._check_timeouts()

    def close(self) -> None:
        """Let the actors remove what would outlive them, and kill them."""
        import ray

        starting = [call.actor for call in self._calls.values() if call.task is None]
        working = [call.actor for call in self._calls.values() if call.task is not None]
        started = [*self._idle, *working]
        # RayError: the cluster is gone, and its actors with it.
        with contextlib.suppress(ray.exceptions.RayError):
            # An actor that is still starting would answer only when it is ready, so it is not asked.
            if started:
                closing = [actor.close.remote() for actor in started]
                timeout = self._retry.shutdown_timeout
                ray.wait(closing, num_returns=len(closing), timeout=timeout)
            for actor in [*started, *starting]:
                ray.kill(actor)

    def _start(self) -> None:
        actor = self._new_actor()
        self._add_call(actor, None, actor.ready.remote())

    def _add_call(self, actor: Any, task: K | None, reply: Any) -> None:
        self._calls[reply] = Call(actor, task, time.monotonic())

    def _assign(self) -> bool:
        """Give waiting tasks to idle actors; whether there is still anything to wait for."""
        while self._idle and self._waiting:
            actor = self._idle.pop()
            task = self._waiting.pop()
            # Calls of one actor run in order, so the reply to `begin` need not be awaited.
            actor.begin.remote(self._payload(task))
            self._add_call(actor, task, actor.next.remote())
        return bool(self._waiting) or self._is_working()

    def _is_working(self) -> bool:
        return any(call.task is not None for call in self._calls.values())

    def _handle_reply(self, reply: Any) -> Iterator[TaskEvent[K]]:
        import ray

        call = self._calls.pop(reply)
        try:
            value = ray.get(reply)
        except ray.exceptions.RayTaskError as error:
            if call.task is None:
                raise RuntimeError(
                    f"a node of the Ray cluster cannot work: {last_line(error)}"
                ) from error
            self._idle.append(call.actor)
            yield TaskEvent("failed", call.task, error.cause)
        except ray.exceptions.RayError as error:
            yield from self._replace(call, last_line(error))
        else:
            self._last_reply = time.monotonic()
            yield from self._record(call, value)

    def _record(self, call: Call[K], value: Any) -> Iterator[TaskEvent[K]]:
        if call.task is None:
            _require_same_version(value)
            self._losses.pop(None, None)  # the cluster can start actors after all
            self._idle.append(call.actor)
        elif value is None:
            self._idle.append(call.actor)
            yield TaskEvent("done", call.task)
        else:
            # Ask for the next part before the caller handles this one, so that the two overlap.
            self._add_call(call.actor, call.task, call.actor.next.remote())
            if isinstance(value, Progress):
                yield TaskEvent("progress", call.task, value.units)
            else:
                yield TaskEvent("part", call.task, value)

    def _replace(self, call: Call[K], reason: str) -> Iterator[TaskEvent[K]]:
        """Start another actor in the place of one that is lost, and retry its task."""
        import ray

        # It may only be slow: without this, two actors could work on one task.
        ray.kill(call.actor)
        self._losses[call.task] += 1
        losses = self._losses[call.task]
        if call.task is None and losses >= self._retry.attempts:
            raise RuntimeError(
                f"no worker of the Ray cluster lives until it is ready: {reason}"
            )
        self._start()
        if call.task is not None:
            event = self._retry.after_loss(call.task, losses, reason)
            if event.kind == "lost":
                self._waiting.append(call.task)
            yield event

    def _check_timeouts(self) -> Iterator[TaskEvent[K]]:
        """Replace actors that do not reply; RuntimeError where none could be started for too long."""
        import ray

        now = time.monotonic()
        late = []
        for reply, call in self._calls.items():
            waited = now - call.asked
            if call.task is not None and waited > self._retry.reply_timeout:
                late.append(reply)
        if late:
            # It may be our caller who took so long: a reply that is here already is not late.
            _, missing = ray.wait(late, num_returns=len(late), timeout=0)
            reason = f"no reply for {self._retry.reply_timeout:g} s"
            for reply in missing:
                yield from self._replace(self._calls.pop(reply), reason)
        silent = now - self._last_reply > self._retry.start_timeout
        if silent and not self._idle and not self._is_working():
            raise RuntimeError(
                f"the Ray cluster had no free CPU for {self._retry.start_timeout:g} s: "
                "run again when it has"
            )


def _require_same_version(version: str) -> None:
    if version != __version__:
        raise RuntimeError(
            f"a node of the Ray cluster has twigma {version}, this is {__version__}: "
            "install the same version on both"
        )
