"""Stages on several devices of this machine: one process for each, which holds the model. `twigma embed`, `caption`.

A process that is lost (out of memory, killed) costs the shards it had: another takes its place and retries them.
"""

import contextlib
import multiprocessing
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from twigma.builder.engine.in_process import run_stage
from twigma.builder.engine.source import Event, Source, Start
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import TaskEvent
from twigma.core.safety import worker_environment
from twigma.core.storage import mirrors
from twigma.rehydrate.images.shards import Shard

# No timeouts: how long a model takes for a block depends on the model and the device.
RETRY = RetryPolicy(attempts=3)
# Sources that a process has at once: one is read while the model is busy with the other.
SOURCES_PER_WORKER = 2


class Worker:
    """A process with the model on one device, and the sources it has to process."""

    def __init__(self, start: Start, device: str | None) -> None:
        # A forked process cannot use a GPU.
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.pipe, theirs = context.Pipe()
        self.sources: dict[str, Source] = {}
        # Daemonic: a driver that ends takes its workers with it.
        self.process = context.Process(
            target=_work, args=(theirs, start, device), daemon=True
        )
        with worker_environment.inherited():
            self.process.start()
        # With our copy open, the pipe would not end when the process does.
        theirs.close()

    def assign(self, source: Source) -> None:
        """One source more to process; its tar is fetched here, as the process knows no key of a store."""
        if isinstance(source.data, Shard):
            mirrors.bring(source.data.tar)
        self.sources[source.name] = source
        # Of a process that has ended meanwhile, the next reply says so; its sources then go to another one.
        with contextlib.suppress(ConnectionError):
            self.pipe.send(source)

    def finish(self, name: str) -> Source:
        """Take a source off the process; its tar can go where it was fetched for it."""
        source = self.sources.pop(name)
        if isinstance(source.data, Shard):
            mirrors.drop(source.data.tar)
        return source

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def on_devices(
    sources: Sequence[Source], start: Start, devices: Sequence[str | None]
) -> Generator[Event, None, None]:
    """Process the sources in a process for each device; raises what a process raised when it loaded the model."""
    pool = _DevicePool(sources, start, devices)
    try:
        yield from pool.run()
    finally:
        pool.close()


class _DevicePool:
    """The processes of one run, and the sources that wait for one."""

    def __init__(
        self, sources: Sequence[Source], start: Start, devices: Sequence[str | None]
    ) -> None:
        self._start = start
        self._waiting = deque(sources)
        self._losses: Counter[str] = Counter()
        self._workers = [Worker(start, device) for device in devices]

    def run(self) -> Iterator[Event]:
        # Every process gets a first source before any gets a second.
        for _ in range(SOURCES_PER_WORKER):
            for worker in self._workers:
                self._assign(worker)
        while True:
            busy = {worker.pipe: worker for worker in self._workers if worker.sources}
            if not busy:
                return
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                yield from self._handle_reply(busy[pipe])

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _assign(self, worker: Worker) -> None:
        if self._waiting and len(worker.sources) < SOURCES_PER_WORKER:
            worker.assign(self._waiting.popleft())

    def _handle_reply(self, worker: Worker) -> Iterator[Event]:
        try:
            reply: TaskEvent[str] | Exception = worker.pipe.recv()
        except (EOFError, ConnectionError):
            # The pipe ends with the process.
            yield from self._replace(worker)
            return
        if isinstance(reply, Exception):  # the model could not be loaded
            raise reply
        source = worker.sources[reply.task]
        if reply.kind in ("done", "failed"):
            worker.finish(reply.task)
        yield TaskEvent(reply.kind, source, reply.value)
        self._assign(worker)

    def _replace(self, worker: Worker) -> Iterator[Event]:
        """Start another process in the place of one that is lost, and retry its sources."""
        worker.kill()
        place = worker.device or "this machine"
        reason = (
            f"the process on {place} ended with exit code {worker.process.exitcode}"
        )
        for name in list(worker.sources):
            source = worker.finish(name)
            self._losses[source.name] += 1
            event = RETRY.after_loss(source, self._losses[source.name], reason)
            if event.kind == "lost":
                self._waiting.append(source)
            yield event
        successor = Worker(self._start, worker.device)
        self._workers[self._workers.index(worker)] = successor
        for _ in range(SOURCES_PER_WORKER):
            self._assign(successor)


# ------------------------------------------------------------------ in the process


def _work(pipe: Connection, start: Start, device: str | None) -> None:
    """The process: load the model, and process what comes through the pipe until it closes."""
    worker_environment.forget_store_keys()
    try:
        stage = start(device)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        pipe.send(error)
        return
    with contextlib.suppress(EOFError, BrokenPipeError):  # the driver is gone
        while True:
            for event in run_stage(_received(pipe), stage):
                pipe.send(TaskEvent(event.kind, event.task.name, event.value))


def _received(pipe: Connection) -> Iterator[Source]:
    """The next source and those that have come after it; a finished part is not held back to wait for more."""
    yield pipe.recv()
    while pipe.poll():
        yield pipe.recv()
