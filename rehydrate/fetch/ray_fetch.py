"""Fetch shards on a Ray cluster: `twigma rehydrate --engine ray`.

Each slot of the cluster runs a pool of its own (`pool.py`) with one worker, in a folder of its node, and hands finished
shards back piece by piece. The driver alone locks, verifies and writes the working folder: nodes share no file system.

img2dataset's own Ray distributor is not used: it starts a task for every shard at once, drops the status each gives
back, so that failed shards are never done again, waits for all results together, and writes from the nodes into the
place where finished shards stand.
"""

import contextlib
import importlib.util
import shutil
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twigma.core.pools import ray_pool
from twigma.core.pools.scratch import Scratch
from twigma.core.progress import notice
from twigma.rehydrate.fetch.local_pool import Event, PoolProcess
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images.shards import Shard

PIECE = 16 << 20  # bytes of a shard handed over at once
NEEDED = ("aiohttp", "img2dataset", "PIL")  # on every node


@contextlib.contextmanager
def ray_fetch(
    attempts: Path,
    todo: Mapping[int, Shard],
    options: dict[str, Any],
    processes: int | None,
    address: str | None = None,
) -> Iterator[Iterator[Event]]:
    """Yield the events of slots that fetch each shard of `todo` into `attempts/NAME/`; end them, whatever happens.

    There is a slot per CPU of the cluster, and at most one per connection; `processes` limits them further.
    """
    with ray_pool.connect(address, processes) as cpus:
        import ray

        slots = max(1, min(processes or cpus, len(todo), options["connections"]))
        share = options | {"connections": max(1, options["connections"] // slots)}
        actor, name = ray.remote(FetchActor).options(num_cpus=1), uuid.uuid4().hex
        results = ray_pool.run_tasks(
            lambda: actor.remote(name, share),
            list(todo),
            lambda number: (number, list_file(todo[number]).read_bytes()),
            slots,
        )
        with contextlib.closing(results):
            yield _events(results, attempts, todo)


def _events(
    results: Iterable[tuple[int, str, Any]], attempts: Path, todo: Mapping[int, Shard]
) -> Iterator[Event]:
    """Write what comes back from the nodes into the private folders, and say how it goes as the local pool does."""
    rows: Counter[int] = Counter()
    for number, kind, value in results:
        folder = attempts / todo[number].name
        if kind == "piece" and isinstance(value, int):
            rows[number] += value
            yield {"rows": value}
        elif kind == "piece":
            try:
                _append(folder, *value)
            except OSError as error:
                yield {"failed": number, "errno": error.errno, "error": str(error)}
        elif kind == "done":
            yield {"done": number}
        elif kind == "lost":
            notice(f"shard {number:05} is done again: its worker was lost ({value})")
            shutil.rmtree(folder, ignore_errors=True)
            yield {"rows": -rows.pop(number, 0)}
        else:
            where = f" on {value.filename}" if isinstance(value, OSError) else ""
            yield {
                "failed": number,
                "errno": getattr(value, "errno", None),
                "error": str(value),
                "where": where,
            }


def _append(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(data)


class FetchActor(ray_pool.Actor):
    """Fetches shards on a node, in a pool process with one worker that stays from shard to shard."""

    def __init__(self, run: str, options: dict[str, Any]) -> None:
        self._run, self._options = run, options

    def ready(self) -> str:
        """Start the pool, in a private folder."""
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ModuleNotFoundError(
                f"{socket.gethostname()} has no {missing[0]}: pip install 'twigma[rehydrate]' there"
            )
        self._scratch = Scratch(self._run)
        self._pool = PoolProcess(
            self._options | {"gate": str(self._scratch.shared / "gate")}, 1
        )
        return super().ready()

    def pieces(self, task: tuple[int, bytes]) -> Iterator[int | tuple[str, bytes]]:
        """Fetch one shard: numbers of rows as it goes on, then its tar and its sidecar as (file name, bytes)."""
        number, listed = task
        source, attempt = (
            self._scratch.own / "list.parquet",
            self._scratch.own / f"{number:05}",
        )
        source.write_bytes(listed)
        self._pool.send([(number, str(source), str(attempt))])
        rows, said = 0, time.monotonic()
        for event in self._pool.events:
            if "failed" in event:
                raise _error(event)
            rows += event.get("rows", 0)
            if "done" in event or time.monotonic() - said > 1:
                yield rows
                rows, said = 0, time.monotonic()
            if "done" in event:
                for path in (
                    attempt / f"{number:05}.tar",
                    attempt / f"{number:05}.parquet",
                ):
                    yield from _cut(path)
                shutil.rmtree(attempt)
                return
        raise SystemExit(1)  # the pool was killed

    def close(self) -> None:
        """End the pool and leave nothing on the node."""
        self._pool.close()
        self._scratch.close()


def _error(event: Event) -> Exception:
    if event["errno"] is not None:
        return OSError(event["errno"], event["error"], socket.gethostname())
    return RuntimeError(
        f"{event['error']}, on {socket.gethostname()}\n{event.get('trace', '')}".strip()
    )


def _cut(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        while data := file.read(PIECE):
            yield path.name, data
