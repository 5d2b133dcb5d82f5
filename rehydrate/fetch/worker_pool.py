"""The processes of a fetch: one parent that imports img2dataset once, and the workers it forks and supervises.

`twigma rehydrate` starts it as `python -m twigma.rehydrate.fetch.worker_pool` in a process group of its own, and gives
it a job and then lists of tasks on standard input, in JSON, one a line; it reads a `TaskEvent` a line. img2dataset's
multiprocessing distributor is not used: it waits for ever when a worker is killed, leaves orphans when it is killed
itself, and says only "failed" when a disk is full. Here the shard of a dead or hanging worker is retried, and the
kernel ends every process of the group whose parent is gone.
"""

import contextlib
import json
import multiprocessing as mp
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from twigma.core.pools.child_process import die_with
from twigma.core.pools.retry import RetryPolicy
from twigma.core.pools.task_event import TaskEvent
from twigma.rehydrate.fetch.fetch_worker import Task, load_downloader, work
from twigma.rehydrate.images.decoding_note import read_note

if TYPE_CHECKING:
    from twigma.rehydrate.fetch.downloader import Downloader

RETRY = RetryPolicy(attempts=6, reply_timeout=30.0)
POLL_SECONDS = 1.0  # between two looks at the timeouts
_fork = mp.get_context("fork")


def main() -> None:
    """Read the job, then lists of tasks; fork workers, and print events until every shard is done."""
    from twigma.rehydrate.images.decode_memory import share

    job = json.loads(sys.stdin.readline())
    die_with(job["parent"])
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # img2dataset prints
    processes = job["processes"]
    downloader = load_downloader(job["options"], processes)
    pool = Pool(downloader, events, share(processes))
    for line in sys.stdin:
        tasks = [Task(*fields) for fields in json.loads(line)]
        pool.run(tasks, processes)


@dataclass
class Worker:
    """One worker process, its pipe, its task, the rows of it that are done, and when it last sent and last finished
    anything (monotonic seconds)."""

    process: Any
    pipe: Connection
    task: Task | None = None
    rows: int = 0
    last_reply: float = 0.0
    last_row: float = 0.0


class Pool:
    """Workers over a queue of shards; every shard ends in a "done" or a "failed" event."""

    def __init__(self, downloader: "Downloader", events: TextIO, memory: int) -> None:
        self._downloader = downloader
        self._events = events
        self._memory = memory
        self._waiting: list[Task] = []
        self._workers: list[Worker] = []

    def run(self, tasks: list[Task], processes: int) -> None:
        """Work until no task waits and no worker has one; the workers stay for the next list."""
        self._waiting = list(reversed(tasks))
        self._supervise()
        while len(self._workers) < min(processes, len(tasks)):
            self._workers.append(self._start())
        while self._assign():
            signs = []
            for worker in self._workers:
                signs.append(worker.pipe)
                signs.append(worker.process.sentinel)
            wait(signs, timeout=POLL_SECONDS)
            self._supervise()

    def _assign(self) -> bool:
        """Give waiting tasks to idle workers; whether any worker has one."""
        for worker in self._workers:
            if worker.task is None and self._waiting:
                worker.task = self._waiting.pop()
                worker.rows = 0
                worker.last_reply = worker.last_row = time.monotonic()
                # Of a worker that ended just now, `_supervise` retries the task.
                with contextlib.suppress(ConnectionError):
                    worker.pipe.send(worker.task)
        return any(worker.task for worker in self._workers)

    def _start(self) -> Worker:
        ours, theirs = _fork.Pipe()
        process = _fork.Process(
            target=work,
            args=(theirs, self._downloader, os.getpid(), self._memory),
            daemon=True,
        )
        process.start()
        theirs.close()
        return Worker(process, ours, last_reply=time.monotonic())

    def _supervise(self) -> None:
        """Pass on what the workers sent, and replace those that are dead or hang."""
        for at, worker in enumerate(self._workers):
            for event in _received(worker.pipe):
                self._record(worker, event)
            reason = self._timeout(worker)
            if reason is not None or not worker.process.is_alive():
                self._workers[at] = self._replace(worker, reason)

    def _record(self, worker: Worker, event: TaskEvent[int]) -> None:
        worker.last_reply = time.monotonic()
        if event.kind == "progress":
            worker.rows += event.value
            if event.value:
                worker.last_row = worker.last_reply
        else:
            worker.task = None
        self._emit(event)

    def _timeout(self, worker: Worker) -> str | None:
        """Why a worker is given up though its process is alive: it was stopped, or its decoder hangs."""
        if worker.task is None:
            return None
        now = time.monotonic()
        if now - worker.last_reply > RETRY.reply_timeout:
            return f"no sign of life for {RETRY.reply_timeout:g} s"
        # No row may take longer than its requests and its decoding.
        limits = self._downloader.limits
        longest = limits.patience + limits.deadline + 2 * RETRY.reply_timeout
        if now - worker.last_row > longest:
            return f"no row finished for {longest:g} s"
        return None

    def _replace(self, worker: Worker, reason: str | None) -> Worker:
        """Another worker in the place of one that is lost, whose task is retried."""
        worker.process.kill()
        worker.process.join()
        if reason is None:
            reason = f"its process ended with exit code {worker.process.exitcode}"
        task = worker.task
        if task is not None:
            task.losses += 1
            image = read_note(Path(task.attempt))
            if image is not None:
                task.crashes[image] += 1
            event = RETRY.after_loss(task.number, task.losses, reason)
            if event.kind == "lost":
                self._waiting.append(task)
            self._emit(event)
        return self._start()

    def _emit(self, event: TaskEvent[int]) -> None:
        print(event.to_json(), file=self._events, flush=True)


def _received(pipe: Connection) -> Iterator[TaskEvent[int]]:
    try:
        while pipe.poll():
            yield pipe.recv()
    except (EOFError, OSError):  # the worker was killed, perhaps inside a message
        return


if __name__ == "__main__":
    main()
