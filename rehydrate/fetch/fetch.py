"""Fetch the photos of the images table into verified shards: `twigma rehydrate`.

Every photo is assigned once to a numbered shard (`shards/plan/`), so that a stopped fetch goes on where it was and
new posts only make new shards. A shard is written in a private folder, verified, moved into place, and its manifest
written last.
"""

import contextlib
import errno
import functools
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import file_sha256
from twigma.core.progress import detail, progress_bar
from twigma.core.workspace import Workspace
from twigma.rehydrate.fetch.http_client import LIMITS, SIZES, Limits
from twigma.rehydrate.fetch.local_pool import Event, local_fetch
from twigma.rehydrate.fetch.shard_plan import (
    ShardPlan,
    list_file,
    photos_to_fetch,
    plan_shards,
)
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard

Workers = AbstractContextManager[Iterator[Event]]  # at work while it is open
RESTARTS = 5  # of the worker processes as a whole, without one shard done between
BYTES_A_ROW = 100_000  # free space asked for before a shard is begun


def fetch(
    work: Path,
    *,
    image_base_url: str | None = None,
    size: str = "small",
    image_size: int | None = None,
    distributor: str = "local",
    ray_address: str | None = None,
    processes: int | None = None,
    connections: int = 32,
    rows_per_shard: int = 1000,
    allow_hosts: Sequence[str] = (),
    retry_failed: bool = False,
    limits: Limits = LIMITS,
) -> pa.Table:
    """Fetch every photo of `work/images.parquet` that is not in a finished shard; give the number of photos per status.

    `size` is asked from pbs.twimg.com; `image_base_url` replaces that host. `image_size` shrinks larger images to so
    many pixels. `distributor` is `local` (processes of this machine) or `ray` (the cluster at `ray_address`, or one
    that is started here); `processes` and `connections` per host are counted over all of its machines. `allow_hosts`
    (HOST or HOST:PORT) may be private addresses. `retry_failed` tries rows again that failed for a passing reason;
    they go to new shards.
    Raises RuntimeError when another fetch runs here or workers keep failing, OSError when the disk is full,
    ValueError when finished shards were made with other settings.
    """
    if size not in SIZES:
        raise ValueError(
            f"size {size!r} is not one that photos come in: choose one of {', '.join(SIZES)}"
        )
    distribute = _distributor(distributor, ray_address)
    settings = {"kind": "fetch", "size": size, "image_size": image_size}
    base_host = (
        []
        if image_base_url is None
        else [urlsplit(image_base_url).netloc.rpartition("@")[2]]
    )
    with Workspace(work).lock_shards():
        todo = plan_shards(work, settings, rows_per_shard, retry_failed=retry_failed)
        if todo.shards:
            options = {
                "rows_per_shard": max(todo.rows.values()),
                "size": size,
                "image_size": image_size,
                "image_base_url": image_base_url,
                "connections": connections,
                "limits": asdict(limits),
                "allow": [*allow_hosts, *base_host],
            }
            _fetch_shards(
                work,
                todo,
                settings,
                lambda *what: distribute(*what, options, processes),
            )
        return _reconcile(work)


def _distributor(name: str, ray_address: str | None) -> Callable[..., Workers]:
    if name == "ray":
        from twigma.rehydrate.fetch.ray_fetch import ray_fetch

        return functools.partial(ray_fetch, address=ray_address)
    if name != "local" or ray_address:
        raise ValueError(
            f"distributor {name!r} with ray_address {ray_address!r}: choose local, or ray to use a cluster"
        )
    return local_fetch


# ------------------------------------------------------------------ fetching, in processes that can die


def _fetch_shards(
    work: Path,
    plan: ShardPlan,
    settings: dict[str, Any],
    start: Callable[[Path, Mapping[int, Shard]], Workers],
) -> None:
    """Run workers until every shard of the plan is published; start them again when all of them are killed."""
    attempts = work / "shards" / ".attempts"
    shutil.rmtree(
        attempts, ignore_errors=True
    )  # of a run that was killed: we hold the lock
    attempts.mkdir(parents=True)
    todo, idle = {int(shard.name): shard for shard in plan.shards}, 0
    total = plan.done + sum(plan.rows.values())
    try:
        with progress_bar(
            total=total, initial=plan.done, desc="fetch", unit="image"
        ) as bar:
            while todo:
                _require_space(work, max(plan.rows.values()))
                before = len(todo)
                with start(attempts, todo) as events, _signals_raise():
                    for event in events:
                        _handle_event(event, todo, attempts, settings, bar)
                idle = 0 if len(todo) < before else idle + 1
                if idle >= RESTARTS:
                    raise RuntimeError(
                        f"the fetch workers ended {idle} times before one shard: see their messages above"
                    )
                bar.n = total - sum(plan.rows[shard.name] for shard in todo.values())
    finally:
        shutil.rmtree(attempts, ignore_errors=True)


def _handle_event(
    event: Event,
    todo: dict[int, Shard],
    attempts: Path,
    settings: dict[str, Any],
    bar: Any,
) -> None:
    if "rows" in event:
        bar.update(event["rows"])
    elif "done" in event:
        shard = todo[event["done"]]
        made_from = settings | {"list": file_sha256(list_file(shard))}
        shards.publish(attempts / shard.name, shard, made_from)
        shutil.rmtree(attempts / shard.name)
        del todo[event["done"]]
    elif event.get("errno") in (errno.ENOSPC, errno.EDQUOT):
        raise OSError(
            event["errno"],
            f"the disk is full in shard {event['failed']:05}{event.get('where', '')}: free some space and fetch again",
        )
    else:
        detail(event.get("trace", ""))
        raise RuntimeError(
            f"shard {event['failed']:05} cannot be fetched: {event['error']}"
        )


def _require_space(work: Path, rows: int) -> None:
    free, needed = shutil.disk_usage(work).free, rows * BYTES_A_ROW
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{free / 1e6:,.0f} MB free at {work}, a shard needs about {needed / 1e6:,.0f} MB",
        )


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that everything is put away."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    try:
        before = {
            number: signal.signal(number, leave)
            for number in (signal.SIGTERM, signal.SIGHUP)
        }
    except ValueError:  # not the main thread: signals are someone else's
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------ the books


def _reconcile(work: Path) -> pa.Table:
    """Check that every photo of the images table has exactly one row in the shards; count photos per status."""
    names = photos_to_fetch(work)["image_name"].combine_chunks()
    if not len(names):
        return pa.table(
            {"status": pa.array([], pa.string()), "images": pa.array([], pa.int64())}
        )
    rows = shards.read_sidecars(work)
    twice = len(rows) - pc.count_distinct(rows["image_name"]).as_py()
    missing = (
        len(names)
        - pc.sum(pc.is_in(names, value_set=rows["image_name"].combine_chunks())).as_py()
    )
    if twice or missing:
        raise RuntimeError(
            f"{work}: each of {len(names):,} photos should have one row in the shards, found {missing:,} without and "
            f"{twice:,} rows too many; delete the manifests of the shards concerned and fetch again"
        )
    wanted = rows.filter(pc.is_in(rows["image_name"], value_set=names))
    counts = (
        wanted.group_by("status")
        .aggregate([([], "count_all")])
        .sort_by([("count_all", "descending")])
    )
    return pa.table({"status": counts["status"], "images": counts["count_all"]})
