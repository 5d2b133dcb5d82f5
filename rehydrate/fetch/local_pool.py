"""Fetch shards with processes of this machine: `twigma rehydrate --engine local`, the default.

Owns the near side of `pool.py`: how the pool is started, spoken to and ended.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twigma.core.safety.worker_environment import for_worker
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images.shards import Shard

Event = dict[str, Any]


@contextlib.contextmanager
def local_fetch(
    attempts: Path,
    todo: Mapping[int, Shard],
    options: dict[str, Any],
    processes: int | None,
) -> Iterator[Iterator[Event]]:
    """Yield the events of processes that fetch each shard of `todo` into `attempts/NAME/`; end them, whatever happens.

    `processes` is two a CPU, at most 32, unless it is given: while one waits for slow hosts another works. The events
    end early when the pool itself is killed.
    """
    processes = min(
        processes or min(2 * (os.cpu_count() or 1), 32),
        options["connections"],
        len(todo),
    )
    share = options | {
        "connections": max(1, options["connections"] // processes),
        "gate": str((attempts / "gate").absolute()),
    }
    tasks = [
        (
            number,
            str(list_file(shard).absolute()),
            str((attempts / shard.name).absolute()),
        )
        for number, shard in todo.items()
    ]
    with contextlib.closing(PoolProcess(share, processes)) as pool:
        pool.send(tasks, last=True)
        yield pool.events


class PoolProcess:
    """A pool in a process group of its own: lists of tasks go in, `events` come out until the pool ends."""

    def __init__(self, options: dict[str, Any], processes: int) -> None:
        environment = for_worker() | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "twigma.rehydrate.fetch.worker_pool",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.events: Iterator[Event] = (
            json.loads(line) for line in self._process.stdout if line.endswith("\n")
        )
        self.send({"parent": os.getpid(), "processes": processes, "options": options})

    def send(self, message: Any, *, last: bool = False) -> None:
        """Tell the pool its job, then lists of tasks; after the last one it ends by itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed: the events end
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            if last:
                self._process.stdin.close()

    def close(self) -> None:
        """End every process of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with (
            contextlib.suppress(BrokenPipeError),
            self._process,
        ):  # closes the pipes and waits
            pass
