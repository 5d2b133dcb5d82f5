"""Fetch shards on a Ray cluster: `twigma rehydrate` with the engine `ray`.

Each actor runs a pool of its own (`worker_pool.py`) with one worker, in a folder of its node, and hands finished shards
back part by part. The driver alone locks, verifies and writes the working folder: nodes share no file system.

img2dataset's own Ray distributor is not used: it starts a task for every shard at once, drops the status that each
returns, so that failed shards are never retried, waits for all results together, and writes from the nodes into the
place of finished shards.
"""

import contextlib
import importlib.util
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twigma.core.installing import install_command
from twigma.core.pools import ray_cluster, ray_pool
from twigma.core.pools.ray_actor import Actor, on_this_node
from twigma.core.pools.ray_slots import CpuSlots
from twigma.core.pools.scratch import Scratch
from twigma.core.pools.task_event import Progress, TaskEvent
from twigma.rehydrate.fetch.local_pool import Event, PoolProcess
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images.shards import Shard

PART_BYTES = 16 << 20  # of a shard handed over at once
REPORT_SECONDS = 1.0  # between two reports of progress
REQUIRED = ("aiohttp", "img2dataset", "PIL")  # on every node

FilePart = tuple[str, bytes]  # the name of a file, and the bytes that follow


@contextlib.contextmanager
def ray_fetch(
    attempts: Path,
    todo: Mapping[int, Shard],
    options: dict[str, Any],
    processes: int | None,
    address: str | None = None,
) -> Iterator[Iterator[Event]]:
    """Yield the events of actors that fetch each shard of `todo` into `attempts/NAME/`; end them, whatever happens.

    There is an actor per CPU that the cluster has now, and at most one per connection; `processes` limits them further.
    """
    with ray_cluster.connect(address, processes) as cpus:
        actors = max(1, min(processes or cpus, len(todo), options["connections"]))
        of_each = dict(options)
        of_each["connections"] = max(1, options["connections"] // actors)

        def payload(number: int) -> tuple[int, bytes]:
            return number, list_file(todo[number]).read_bytes()

        events = ray_pool.run_tasks(
            FetchActor,
            (uuid.uuid4().hex, of_each),
            list(todo),
            payload,
            CpuSlots(),
            most=actors,
        )
        with contextlib.closing(events):
            yield _store_parts(events, attempts, todo)


def _store_parts(
    events: Iterable[Event], attempts: Path, todo: Mapping[int, Shard]
) -> Iterator[Event]:
    """Write the parts that come back from the nodes into the private folders; pass the other events on."""
    for event in events:
        folder = attempts / todo[event.task].name
        if event.kind == "part":
            try:
                _append(folder, *event.value)
            except OSError as error:
                yield TaskEvent("failed", event.task, error)
            continue
        if event.kind == "lost":
            shutil.rmtree(folder, ignore_errors=True)
        yield event


def _append(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(data)


class FetchActor(Actor):
    """Fetches shards on a node, in a pool process with one worker that stays from shard to shard."""

    def __init__(self, run: str, options: dict[str, Any]) -> None:
        super().__init__()
        self._run = run
        self._options = options

    def ready(self) -> str:
        """Start the pool, in a private folder; ModuleNotFoundError where this node lacks a package."""
        for name in REQUIRED:
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(
                    f"{socket.gethostname()} has no {name}: {install_command('rehydrate')} there"
                )
        self._scratch = Scratch(self._run)
        gate = self._scratch.shared / "gate"
        self._pool = PoolProcess(self._options | {"gate": str(gate)}, 1)
        return super().ready()

    def parts(self, payload: tuple[int, bytes]) -> Iterator[Progress | FilePart]:
        """Fetch one shard: its rows as `Progress`, then its tar and its sidecar in parts."""
        number, photos = payload
        source = self._scratch.own / "list.parquet"
        source.write_bytes(photos)
        attempt = self._scratch.own / f"{number:05}"
        self._pool.send([(number, str(source), str(attempt))])
        yield from self._wait(number)
        for suffix in ("tar", "parquet"):
            yield from _cut(attempt / f"{number:05}.{suffix}")
        shutil.rmtree(attempt)

    def _wait(self, number: int) -> Iterator[Progress]:
        """Report the rows of a shard until it is done; SystemExit where the pool was killed."""
        total = unreported = 0
        reported = time.monotonic()
        for event in self._pool.events:
            if event.kind == "failed":
                raise on_this_node(event.value)
            if event.kind == "progress":
                total += event.value
                unreported += event.value
            elif event.kind == "lost":  # by the pool, which retries the shard itself
                unreported -= total
                total = 0
            if event.kind == "done" or time.monotonic() - reported > REPORT_SECONDS:
                yield Progress(unreported)
                unreported = 0
                reported = time.monotonic()
            if event.kind == "done":
                return
        raise SystemExit(1)

    def close(self) -> None:
        """End the pool and leave nothing on the node."""
        self._pool.close()
        self._scratch.close()


def _cut(path: Path) -> Iterator[FilePart]:
    with path.open("rb") as file:
        while data := file.read(PART_BYTES):
            yield path.name, data
