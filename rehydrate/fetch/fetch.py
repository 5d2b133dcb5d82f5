"""Fetch the photos of the images table into verified shards: `twigma rehydrate`.

Every photo is assigned once to a numbered shard (`shard_plan.py`), so that a stopped fetch resumes and new posts only
make new shards. A shard is written in a private folder, verified, moved into place, and its manifest written last.
"""

import contextlib
import errno
import functools
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.files import file_sha256
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.pools.task_event import notes
from twigma.core.progress import detail, notice, progress_bar
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.fetch.http.client import LIMITS, SIZES, Limits
from twigma.rehydrate.fetch.http.image_host import check_allowed, host_of
from twigma.rehydrate.fetch.http.proxies import Proxies
from twigma.rehydrate.fetch.local_pool import Event, local_fetch
from twigma.rehydrate.fetch.shard_plan import (
    ShardPlan,
    list_file,
    photos_to_fetch,
    plan_shards,
)
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_headers import max_pixels
from twigma.rehydrate.images.shards import Shard

Workers = AbstractContextManager[Iterator[Event]]  # at work while it is open
StartWorkers = Callable[[Path, Mapping[int, Shard]], Workers]
RESTARTS = 5  # of all worker processes together, without one shard done between
BYTES_A_ROW = 100_000  # free space required before a shard is begun


def fetch(
    work: AnyWorkspace,
    *,
    image_base_url: str | None = None,
    size: str = "small",
    image_size: int | None = None,
    engine: Engine = LOCAL,
    processes: int | None = None,
    connections: int = 32,
    rows_per_shard: int = 1000,
    allow_hosts: Sequence[str] = (),
    retry: Collection[str] = (),
    limits: Limits = LIMITS,
) -> pa.Table:
    """Fetch every photo of the images table that is not in a finished shard: (status, images), most frequent first.

    `size` is asked from pbs.twimg.com; `image_base_url` replaces that host. `image_size` shrinks larger images to so
    many pixels. `engine` is `local` (processes of this machine) or `ray` (a cluster); `processes` and `connections`
    per host are counted over all of its machines. `allow_hosts` (HOST or HOST:PORT) may be private addresses.
    `retry` names classes of failure, or `failed` for all that say nothing final of a photo: their photos are tried
    again, in new shards.
    Raises RuntimeError when another fetch runs here, workers keep failing or all photos fail alike, OSError when the
    disk is full, ValueError for an address that is none, an unknown class of failure, and when finished shards were
    made with other settings.
    """
    work = Workspace(work)
    if size not in SIZES:
        raise ValueError(
            f"size {size!r} is not one that photos come in: choose one of {', '.join(SIZES)}"
        )
    if image_size is not None and image_size < 1:
        raise ValueError(
            f"expected an image_size of 1 pixel or more, or None for images as they are, found {image_size}"
        )
    if connections < 1:
        raise ValueError(f"expected at least 1 connection, found {connections}")
    max_pixels()  # a value that is no number stops the run here, not in every worker
    start_on = _workers_of(engine)
    settings = {"kind": "fetch", "size": size, "image_size": image_size}
    allow = check_addresses(image_base_url, allow_hosts)
    with work.lock_shards():
        plan = plan_shards(work, settings, rows_per_shard, retry=retry)
        if plan.shards:
            options = {
                "rows_per_shard": max(plan.rows.values()),
                "size": size,
                "image_size": image_size,
                "image_base_url": image_base_url,
                "connections": connections,
                "limits": asdict(limits),
                "allow": allow,
                "hosts": plan.hosts,
            }

            def start(attempts: Path, todo: Mapping[int, Shard]) -> Workers:
                return start_on(attempts, todo, options, processes)

            _fetch_shards(work, plan, settings, start)
        return _reconcile(work)


def check_addresses(
    image_base_url: str | None, allow_hosts: Sequence[str]
) -> list[str]:
    """The hosts that may be private addresses; ValueError for an address that no request could use.

    What every request would meet is refused before the first, so that no photo is marked as failed for it.
    """
    allow = check_allowed(allow_hosts)
    if image_base_url is not None:
        allow.append(host_of(image_base_url))
    Proxies()
    return allow


def _workers_of(engine: Engine) -> Callable[..., Workers]:
    if engine.name == "ray":
        from twigma.rehydrate.fetch.ray_fetch import ray_fetch

        return functools.partial(ray_fetch, address=engine.address)
    if engine != LOCAL:
        raise ValueError(
            f"engine {engine.name!r} with the address {engine.address!r}: choose local, or ray to use a cluster"
        )
    return local_fetch


# ------------------------------------------------------------------ fetching, in processes that can die


def _fetch_shards(
    work: Workspace, plan: ShardPlan, settings: dict[str, Any], start: StartWorkers
) -> None:
    """Run workers until every shard of the plan is published; start them again when all of them are killed."""
    # Those of a run that was killed: we hold the lock, so no other is at work.
    shutil.rmtree(work.shard_attempts, ignore_errors=True)
    work.shard_attempts.mkdir(parents=True)
    total = plan.done + sum(plan.rows.values())
    restarts = 0
    try:
        with progress_bar(
            total=total, initial=plan.done, desc="fetch", unit="image"
        ) as bar:
            run = _Run(work, plan, settings, bar)
            while run.todo:
                _require_space(work, max(plan.rows.values()))
                before = len(run.todo)
                with start(work.shard_attempts, run.todo) as events, _signals_raise():
                    for event in events:
                        run.handle(event)
                restarts = 0 if len(run.todo) < before else restarts + 1
                if restarts >= RESTARTS:
                    raise RuntimeError(
                        f"the fetch workers ended {restarts} times before one shard: see their messages above"
                    )
                run.discard_progress()
                left = sum(plan.rows[shard.name] for shard in run.todo.values())
                bar.n = total - left
    finally:
        shutil.rmtree(work.shard_attempts, ignore_errors=True)


@dataclass
class _Run:
    """Publishes the shards of a plan as their events come; `todo` holds the others by number."""

    work: Workspace
    plan: ShardPlan
    settings: dict[str, Any]
    bar: Any
    todo: dict[int, Shard] = field(init=False)
    progress: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.todo = {int(shard.name): shard for shard in self.plan.shards}

    def handle(self, event: Event) -> None:
        number = event.task
        if event.kind == "progress":
            self.progress[number] += event.value
            self.bar.update(event.value)
        elif event.kind == "done":
            self._publish(self.todo.pop(number))
        elif event.kind == "lost":
            self.bar.update(-self.progress.pop(number, 0))
            sentence = f"is retried: its worker was lost ({event.value})"
            notice(f"shard {number:05} {sentence}")
        elif event.kind == "failed":
            _raise(number, event.value)

    def discard_progress(self) -> None:
        """Forget the progress of shards whose workers are all gone."""
        self.progress.clear()

    def _publish(self, shard: Shard) -> None:
        attempt = self.work.shard_attempts / shard.name
        made_from = self.settings | {"list": file_sha256(list_file(shard))}
        shards.publish(attempt, shard, made_from)
        shutil.rmtree(attempt)


def _raise(number: int, error: Exception) -> None:
    """End the run for a shard that failed: what stopped it would stop the others."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        assert isinstance(error, OSError)
        raise OSError(
            code,
            f"the disk is full in shard {number:05} ({error.strerror}): free some space and fetch again",
        )
    if code == errno.ECONNABORTED:
        assert isinstance(error, OSError)
        raise RuntimeError(error.strerror)
    detail(notes(error))
    raise RuntimeError(f"shard {number:05} cannot be fetched: {error}")


def _require_space(work: Workspace, rows: int) -> None:
    free = shutil.disk_usage(work).free
    needed = rows * BYTES_A_ROW
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{free / 1e6:,.0f} MB free at {work}, a shard needs about {needed / 1e6:,.0f} MB",
        )


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that processes and folders are removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {}
    try:
        for each in (signal.SIGTERM, signal.SIGHUP):
            before[each] = signal.signal(each, leave)
    except ValueError:  # not the main thread, which alone handles signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------ reconciliation


def _reconcile(work: Workspace) -> pa.Table:
    """Check that every photo of the images table has exactly one row in the shards; count photos per status."""
    names = photos_to_fetch(work)["image_name"].combine_chunks()
    if not len(names):
        schema = pa.schema([("status", pa.string()), ("images", pa.int64())])
        return schema.empty_table()
    rows = shards.read_sidecars(work, ["image_name", "status"])
    row_names = rows["image_name"].combine_chunks()
    extra = len(rows) - pc.count_distinct(row_names).as_py()
    missing = len(names) - pc.sum(pc.is_in(names, value_set=row_names)).as_py()
    if extra or missing:
        raise RuntimeError(
            f"{work}: each of {len(names):,} photos should have one row in the shards, found {missing:,} without and "
            f"{extra:,} rows too many; delete the manifests of the shards concerned and fetch again"
        )
    rows_of_photos = rows.filter(pc.is_in(rows["image_name"], value_set=names))
    counts = rows_of_photos.group_by("status").aggregate([([], "count_all")])
    counts = counts.sort_by([("count_all", "descending")])
    return pa.table({"status": counts["status"], "images": counts["count_all"]})
