"""Run a stage over every finished shard, or over every part of another stage, and skip what is already done.

A stage is a function `Table -> Table` (see `core/stage.py`); the engine reads blocks ahead of it, writes one part
`columns/NAME/SHARD.arrow` per shard, and skips parts made from the same settings and the same shard. Every command
that adds a column to images (`twigma embed`, `caption`, `nsfw`) goes through here.

A shard is the unit of work. It is processed in this process (`in_process.py`), in a process per device
(`device_workers.py`), or by actors of a Ray cluster (`ray_stages.py`); the parts do not differ at all.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from twigma.builder.engine.checkpoints import Checkpoints
from twigma.builder.engine.in_process import in_this_process
from twigma.builder.engine.slices import Slice, lock_slice
from twigma.builder.engine.source import Event, Settings, Source, Stage, Start
from twigma.core import columns
from twigma.core.parts import (
    announce_recreated,
    part_is_current,
    read_model,
    read_part,
    write_part,
)
from twigma.core.pools.ray_cluster import starts_here
from twigma.core.pools.ray_pool import LOCAL, Engine
from twigma.core.progress import notice, progress_bar
from twigma.core.storage import mirrors
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.shards import Shard, list_shards, read_manifest

__all__ = ["Prepare", "Stage", "count_empty", "devices", "map_parts", "map_shards"]

SHARD_ROWS = 256  # encoded images held per block
PART_ROWS = 16_384

T = TypeVar("T")


@dataclass(frozen=True)
class Prepare:
    """What the driver does before workers start, which know no token and do not ask the Hub.

    It fetches their model, or only checks it where the nodes of a cluster fetch it themselves.
    """

    fetch: Callable[[], object]
    check: Callable[[], object]


def map_shards(
    work: AnyWorkspace,
    name: str,
    settings: Settings,
    start: Start,
    *,
    desc: str,
    rows: int = SHARD_ROWS,
    engine: Engine = LOCAL,
    device: str | None = None,
    prepare: Prepare | None = None,
    only: Slice | None = None,
) -> int:
    """Run a stage over the images of every finished shard, or of one slice of them; the images processed now.

    `start` loads the model and returns the stage; it is called only if a part is missing or out of date. `settings`
    must be JSON: with the shard's sha256 they say whether a part is current. `rows` is the number of images a block
    that the stage sees at once. A damaged shard is reported and the others are finished; then RuntimeError names the
    damaged ones. `device` may name several, as in "cuda:0,cuda:1". RuntimeError when another process runs this stage.
    """
    work = Workspace(work)
    sources = []
    for shard in _in_slice(list_shards(work), only):
        manifest = read_manifest(shard)
        provenance = settings | {"shard": manifest.sha256}
        source = Source(shard.name, manifest.samples, provenance, shard, rows)
        sources.append(source)

    def process(due: Sequence[Source]) -> Generator[Event, None, None]:
        return _process(due, start, engine, device, prepare)

    with lock_slice(work, name, only, settings):
        return _make_parts(work, name, sources, process, desc=desc)


def map_parts(
    work: AnyWorkspace,
    name: str,
    settings: Settings,
    start: Start,
    *,
    of: str,
    desc: str,
    rows: int = PART_ROWS,
    engine: Engine = LOCAL,
    only: Slice | None = None,
) -> int:
    """Run a stage over the parts of stage `of` instead of over images; otherwise like `map_shards`, and on CPUs.

    FileNotFoundError when stage `of` has not run, ValueError when its parts are of two models.
    """
    work = Workspace(work)
    read_model(work.stage_folder(of))
    sources = []
    for part in _in_slice(work.part_files(of), only):
        table = read_part(part)
        fingerprint = table.schema.metadata[b"fingerprint"].decode()
        provenance = settings | {"part": fingerprint}
        sources.append(Source(part.stem, len(table), provenance, part, rows))

    def process(due: Sequence[Source]) -> Generator[Event, None, None]:
        return _process(due, start, engine, "cpu", None)

    with lock_slice(work, name, only, settings):
        return _make_parts(work, name, sources, process, desc=desc)


def _in_slice(items: Sequence[T], only: Slice | None) -> Sequence[T]:
    return items if only is None else only.of(items)


def _process(
    due: Sequence[Source],
    start: Start,
    engine: Engine,
    device: str | None,
    prepare: Prepare | None,
) -> Generator[Event, None, None]:
    """The events of whichever workers process these sources."""
    if engine.name == "ray":
        from twigma.builder.engine.ray_stages import on_ray

        if prepare is not None and starts_here(engine.address):
            prepare.fetch()
        elif prepare is not None:
            prepare.check()
        return on_ray(due, start, engine.address, device)
    # No more devices than sources: a process that gets nothing would load its model in vain.
    used = devices(device)[: len(due)]
    if len(used) > 1:
        from twigma.builder.engine.device_workers import on_devices

        if prepare is not None:
            prepare.fetch()
        return on_devices(due, start, used)
    return in_this_process(due, start, used[0])


def devices(device: str | None) -> list[str | None]:
    """The devices that a name means: itself, those between its commas, or without a name every GPU of this machine.

    [None] where there is at most one GPU: the stage chooses.
    """
    if device is not None:
        return [*device.split(",")]
    import torch

    count = torch.cuda.device_count()
    if count <= 1:
        return [None]
    return [f"cuda:{number}" for number in range(count)]


# ------------------------------------------------------------------ parts


def _make_parts(
    work: Workspace,
    name: str,
    sources: Sequence[Source],
    process: Callable[[Sequence[Source]], Generator[Event, None, None]],
    *,
    desc: str,
) -> int:
    """Make every part of a stage that is missing or out of date; the number of rows processed now."""
    folder = work.stage_folder(name)
    due = []
    for source in sources:
        if not part_is_current(_part_file(folder, source), source.provenance):
            due.append(source)
    if not due:
        return 0  # without loading a model
    checkpoints: dict[str, Checkpoints] = {}
    for source in due:
        place = work.checkpoint_folder(name, source.name)
        checkpoints[source.name] = Checkpoints(place, source)
    remaining = [checkpoints[source.name].remaining for source in due]
    resumed = sum(one.resumed_rows for one in checkpoints.values())
    if resumed:
        notice(f"{desc}: resuming after {resumed:,} images of unfinished shards")
    total = sum(source.rows for source in due) - resumed
    announce_recreated(
        desc, [(_part_file(folder, source), source.provenance) for source in due]
    )
    mirrors.will_read(one.data.tar for one in due if isinstance(one.data, Shard))
    with (
        contextlib.closing(process(remaining)) as events,
        progress_bar(total=total, desc=desc, unit="image") as bar,
    ):
        run = _Run(folder, desc, bar, checkpoints)
        for event in events:
            run.handle(event)
    rows = sum(run.rows.values())
    empty = sum(run.empty.values())
    if empty:
        notice(
            f"{desc}: {empty:,} of {rows:,} images cannot be decoded and have no value; "
            "`twigma status` counts them, `twigma release` leaves them out"
        )
    if run.failures:
        reasons = "; ".join(run.failures)
        raise RuntimeError(
            f"{desc}: {len(run.failures)} of {len(due)} shards could not be processed ({reasons})"
        )
    return rows


def _part_file(folder: Path, source: Source) -> Path:
    return folder / f"{source.name}.arrow"


@dataclass
class _Run:
    """Writes the parts of one run as their events come; `rows` and `empty` count by part what was written."""

    folder: Path
    desc: str
    bar: Any
    checkpoints: dict[str, Checkpoints]
    rows: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    progress: Counter[str] = field(default_factory=Counter)

    def handle(self, event: Event) -> None:
        source = event.task
        if event.kind == "progress":
            self.progress[source.name] += event.value
            self.bar.update(event.value)
        elif event.kind == "part":
            self.checkpoints[source.name].add(event.value)
        elif event.kind == "done":
            self._write(source)
        elif event.kind == "lost":
            # The source begins again, and its rows will be counted once more.
            self.checkpoints[source.name].restart()
            self.bar.update(-self.progress.pop(source.name, 0))
            self._say(source, f"is retried: its worker was lost ({event.value})")
        elif event.kind == "failed":
            # Only what was made of damaged data is void: after lost workers the next run resumes.
            if isinstance(event.value, ValueError):
                self.checkpoints[source.name].delete()
            self.failures.append(f"{source.name}: {event.value}")
            self._say(source, f"is skipped: {event.value}")

    def _write(self, source: Source) -> None:
        """Write the part of a source that is finished; its checkpoints are in vain then."""
        blocks = self.checkpoints.pop(source.name)
        part = blocks.table()
        write_part(_part_file(self.folder, source), part, source.provenance)
        blocks.delete()
        self.rows[source.name] = len(part) - blocks.resumed_rows
        self.empty[source.name] = count_empty(part)

    def _say(self, source: Source, sentence: str) -> None:
        notice(f"{self.desc}: {source.name} {sentence}")


def count_empty(part: pa.Table) -> int:
    """Rows without a value in a part of one row per image: images that could not be decoded when the stage ran."""
    added = [name for name in part.column_names if name not in columns.KEY]
    # Whatever a stage adds is null together where an image cannot be decoded.
    return max((part[name].null_count for name in added), default=0)
