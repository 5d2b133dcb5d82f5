"""Fetch shards with processes of this machine: the default of `twigma rehydrate`.

Owns the near side of `worker_pool.py`: how the pool is started, spoken to and ended.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from twigma.core.machine import usable_cpus
from twigma.core.pools.task_event import TaskEvent
from twigma.core.safety.worker_environment import for_worker
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images.shards import Shard

Event = TaskEvent[int]
"""Of a shard, by its number: "progress" (photos), "done", "failed", "lost"."""
MAX_PROCESSES = 32  # unless more are asked for


@contextlib.contextmanager
def local_fetch(
    attempts: Path,
    todo: Mapping[int, Shard],
    options: dict[str, Any],
    processes: int | None,
) -> Iterator[Iterator[Event]]:
    """Yield the events of processes that fetch each shard of `todo` into `attempts/NAME/`; end them, whatever happens.

    `processes` is by default two a CPU, at most MAX_PROCESSES: while one waits for slow hosts another works. The
    events end early when the pool itself is killed.
    """
    if processes is None:
        processes = min(2 * usable_cpus(), MAX_PROCESSES)
    processes = min(processes, options["connections"], len(todo))
    of_each = dict(options)
    of_each["connections"] = max(1, options["connections"] // processes)
    of_each["gate"] = str((attempts / "gate").absolute())
    tasks = []
    for number, shard in todo.items():
        attempt = attempts / shard.name
        tasks.append(
            (number, str(list_file(shard).absolute()), str(attempt.absolute()))
        )
    with contextlib.closing(PoolProcess(of_each, processes)) as pool:
        pool.send(tasks, last=True)
        yield pool.events


class PoolProcess:
    """A pool in a process group of its own: lists of tasks go in, `events` come out until the pool ends."""

    def __init__(self, options: dict[str, Any], processes: int) -> None:
        environment = for_worker() | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        module = "twigma.rehydrate.fetch.worker_pool"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.events: Iterator[Event] = _read_events(self._process.stdout)
        self.send({"parent": os.getpid(), "processes": processes, "options": options})

    def send(self, message: Any, *, last: bool = False) -> None:
        """Send the pool its job, then lists of tasks; after the last one it ends by itself."""
        assert self._process.stdin is not None
        # BrokenPipeError: the pool was killed, and its events end.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            if last:
                self._process.stdin.close()

    def close(self) -> None:
        """End every process of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # Leaving the context of the process closes its pipes and waits for it.
        with contextlib.suppress(BrokenPipeError), self._process:
            pass


def _read_events(lines: IO[str]) -> Iterator[Event]:
    for line in lines:
        # A line without its end was cut short by a kill.
        if line.endswith("\n"):
            yield TaskEvent.from_json(line)
