"""Stages on several devices of this machine: one process for each, which holds the model. `twigma embed`, `caption`.

A process that is lost (out of memory, killed) costs the shards it had: another takes its place and does them again.
"""

import contextlib
import multiprocessing
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from twigma.builder.engine.engine import Event, Source, Start, process
from twigma.core.safety import worker_environment

TRIES = 3  # of a source whose process is lost
EACH = 2  # sources that a process has at once: one is read while the model is busy with the other


class Worker:
    """A process with the model on one device, and the sources it was given."""

    def __init__(self, start: Start, device: str | None) -> None:
        context = multiprocessing.get_context(
            "spawn"
        )  # a forked process cannot use a GPU
        self.device = device
        self.pipe, theirs = context.Pipe()
        self.sources: dict[str, Source] = {}
        self.process = context.Process(
            target=_work, args=(theirs, start, device), daemon=True
        )
        with worker_environment.inherited():
            self.process.start()
        theirs.close()

    def give(self, source: Source) -> None:
        """One source more to treat."""
        self.sources[source.name] = source
        self.pipe.send(source)

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def on_devices(
    sources: Sequence[Source], start: Start, devices: Sequence[str | None]
) -> Generator[Event, None, None]:
    """Treat the sources in a process for each device."""
    waiting, lost = deque(sources), Counter[str]()
    workers = [Worker(start, device) for device in devices]
    try:
        for worker in workers * EACH:
            _give(worker, waiting)
        while any(worker.sources for worker in workers):
            for pipe in wait([worker.pipe for worker in workers if worker.sources]):
                worker = next(worker for worker in workers if worker.pipe is pipe)
                try:
                    event: tuple[str, str, Any] = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    yield from _lose(worker, waiting, lost)
                    workers[workers.index(worker)] = fresh = Worker(
                        start, worker.device
                    )
                    for _ in range(EACH):
                        _give(fresh, waiting)
                    continue
                yield from _hear(worker, *event)
                _give(worker, waiting)
    finally:
        for worker in workers:
            worker.end()


def _give(worker: Worker, waiting: deque[Source]) -> None:
    if waiting and len(worker.sources) < EACH:
        worker.give(waiting.popleft())


def _hear(worker: Worker, name: str, kind: str, value: Any) -> Iterator[Event]:
    if kind == "unable":
        raise value
    source = worker.sources[name]
    if kind != "rows":
        del worker.sources[name]
    yield source, kind, value


def _lose(
    worker: Worker, waiting: deque[Source], lost: Counter[str]
) -> Iterator[Event]:
    """Put the sources of a lost process back, or give those up that were lost too often."""
    worker.end()
    why = f"its process on {worker.device or 'this machine'} ended with exit code {worker.process.exitcode}"
    for source in worker.sources.values():
        lost[source.name] += 1
        if lost[source.name] >= TRIES:
            yield source, "failed", RuntimeError(f"{why}, {TRIES} times")
        else:
            waiting.append(source)
            yield source, "lost", why


def _work(pipe: Connection, start: Start, device: str | None) -> None:
    """The process: load the model, and treat what comes through the pipe until it closes."""
    try:
        stage = start(device)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        pipe.send(("", "unable", error))
        return
    with contextlib.suppress(EOFError, BrokenPipeError):  # the driver is gone
        while True:
            for source, kind, value in process(_at_hand(pipe), stage):
                pipe.send((source.name, kind, value))


def _at_hand(pipe: Connection) -> Iterator[Source]:
    """The next source, and those after it that are there already: what is done is not held back to wait for more."""
    yield pipe.recv()
    while pipe.poll():
        yield pipe.recv()
