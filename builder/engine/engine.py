"""Run a stage over every finished shard, or over every part of another stage, and keep what is already done.

A stage is a function `Table -> Table` (see `columns.stage`); the engine reads blocks ahead of it, writes one part
`columns/NAME/<shard>.arrow` per shard, and skips parts made from the same settings and the same shard. Every
command that adds a column to images (`twigma embed`, `caption`, `nsfw`) goes through here.

A shard is the unit of work. It is treated in this process, in a process per device (`device_workers.py`), or by
actors of a Ray cluster (`ray_stages.py`); they differ in where a shard is treated, and the parts do not differ at all.
"""

import contextlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from twigma.core import columns
from twigma.core.parts import part_is_current, read_part, write_part
from twigma.core.pools.ray_pool import LOCAL, Engine, starts_here
from twigma.core.progress import notice, progress_bar
from twigma.rehydrate.images.shards import Shard, list_shards, read_images

Stage = Callable[[pa.Table], pa.Table]
Start = Callable[
    [str | None], Stage
]  # loads the model onto a device; None leaves the choice to the stage
Settings = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Prepare:
    """What the driver does before workers start, which know no token and do not ask the Hub: `fetch` their model; or
    only `check` it, where nodes of a cluster fetch it themselves."""

    fetch: Callable[[], object]
    check: Callable[[], object]


SHARD_ROWS = 256  # encoded images held per block
PART_ROWS = 16_384
AHEAD = 2  # blocks under way at once: one is decoded while the model works on the other


@dataclass(frozen=True)
class Source:
    """What one part is made from: a shard, or a part of another stage; and the provenance that the part will carry."""

    name: str
    rows: int
    made_from: Settings
    of: Shard | Path
    block: int

    def blocks(self) -> Iterator[pa.Table]:
        """Its rows, in blocks; a first, empty one shows the columns. ValueError where it is damaged."""
        if isinstance(self.of, Shard):
            yield columns.schema(["image_name", "image"]).empty_table()
            yield from read_images(self.of, self.block)
        else:
            table = read_part(self.of).replace_schema_metadata()
            yield from (
                table.slice(at, self.block)
                for at in range(0, max(1, len(table)), self.block)
            )


Event = tuple[Source, str, Any]
"""(source, "rows", number of rows treated since the last), then (source, "part", table) or (source, "failed", error);
(source, "lost", why) makes what was said of the source void: it begins again."""


def map_shards(
    work: Path,
    name: str,
    settings: Settings,
    start: Start,
    *,
    desc: str,
    rows: int = SHARD_ROWS,
    engine: Engine = LOCAL,
    device: str | None = None,
    prepare: Prepare | None = None,
) -> int:
    """Run a stage over the images of every finished shard; the number of images treated now.

    `start` loads the model and gives the stage; it is called only if a part is missing or out of date. `settings`
    must be JSON: with the shard's sha256 they say whether a part is current. A damaged shard is reported and the
    others are finished; then RuntimeError names the damaged ones. `device` may name several, as in "cuda:0,cuda:1".
    """
    sources = []
    for shard in list_shards(work):
        manifest = json.loads(shard.manifest.read_text("utf-8"))
        provenance = settings | {"shard": manifest["sha256"]}
        sources.append(Source(shard.name, manifest["samples"], provenance, shard, rows))
    return _run(
        work / "columns" / name,
        sources,
        lambda due: _spread(due, start, engine, device, prepare),
        desc=desc,
    )


def map_parts(
    work: Path,
    name: str,
    settings: Settings,
    start: Callable[[], Stage],
    *,
    of: str,
    desc: str,
    rows: int = PART_ROWS,
    check: Callable[[Path], None] = lambda part: None,
) -> int:
    """Run a stage over the parts of stage `of` instead of over images; otherwise like `map_shards`, and always here.

    `check` sees every part first and may refuse it (ValueError).
    """
    folder = work / "columns" / of
    parts = sorted(folder.glob("*.arrow"))
    if not parts:
        raise FileNotFoundError(
            f"no columns in {folder}: run `twigma {of}` on this working folder first"
        )
    sources = []
    for part in parts:
        check(part)
        table = read_part(part)
        mark = (table.schema.metadata or {})[b"fingerprint"].decode()
        sources.append(
            Source(part.stem, len(table), settings | {"part": mark}, part, rows)
        )
    return _run(
        work / "columns" / name,
        sources,
        lambda due: in_this_process(due, lambda device: start()),
        desc=desc,
    )


def _spread(
    due: Sequence[Source],
    start: Start,
    engine: Engine,
    device: str | None,
    prepare: Prepare | None,
) -> Generator[Event, None, None]:
    """The events of whoever treats these sources."""
    if engine.name == "ray":
        if prepare is not None:
            (prepare.fetch if starts_here(engine.address) else prepare.check)()
        from twigma.builder.engine.ray_stages import on_ray

        return on_ray(due, start, engine.address, device)
    if len(places := devices(device)[: len(due)]) > 1:
        from twigma.builder.engine.device_workers import on_devices

        if prepare is not None:
            prepare.fetch()
        return on_devices(due, start, places)
    return in_this_process(due, start, places[0])


def devices(device: str | None) -> list[str | None]:
    """The devices that a name means: itself, those between its commas, or without a name every GPU of this machine."""
    if device is not None:
        return [*device.split(",")]
    import torch

    return (
        [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        if torch.cuda.device_count() > 1
        else [None]
    )


def _run(
    folder: Path,
    sources: Sequence[Source],
    spread: Callable[[Sequence[Source]], Generator[Event, None, None]],
    *,
    desc: str,
) -> int:
    """Make every part in `folder` that is missing or out of date; the number of rows treated now."""
    paths = {source.name: folder / f"{source.name}.arrow" for source in sources}
    due = [
        source
        for source in sources
        if not part_is_current(paths[source.name], source.made_from)
    ]
    if not due:
        return 0
    damaged, treated, empty = list[str](), dict[str, int](), dict[str, int]()
    with (
        contextlib.closing(spread(due)) as events,
        progress_bar(
            total=sum(source.rows for source in due),
            desc=desc,
            unit="image",
        ) as bar,
    ):
        said = dict.fromkeys(paths, 0)
        for source, kind, value in events:
            if kind == "rows":
                said[source.name] += value
                bar.update(value)
            elif kind == "part":
                write_part(paths[source.name], value, source.made_from)
                treated[source.name] = len(
                    value
                )  # again where a worker was lost right after
                empty[source.name] = count_empty(value)
            elif kind == "lost":
                bar.update(-said.pop(source.name))
                said[source.name] = 0
                notice(
                    f"{desc}: {source.name} is done again: its worker was lost ({value})"
                )
            else:
                damaged.append(f"{source.name}: {value}")
                notice(f"{desc}: {source.name} is left out: {value}")
    _warn_of_empty(desc, sum(empty.values()), sum(treated.values()))
    if damaged:
        found = "; ".join(damaged)
        raise RuntimeError(
            f"{desc}: {len(damaged)} of {len(due)} shards could not be treated ({found})"
        )
    return sum(treated.values())


def count_empty(part: pa.Table) -> int:
    """Rows of a part without a value: images that could not be decoded when the stage ran."""
    added = [name for name in part.column_names if name not in columns.KEY]
    return max((part[name].null_count for name in added), default=0)


def _warn_of_empty(desc: str, empty: int, treated: int) -> None:
    if empty:
        told = "cannot be decoded and have no value; `twigma status` counts them, `twigma release` leaves them out"
        notice(f"{desc}: {empty:,} of {treated:,} images {told}")


# ------------------------------------------------------------------ in one process


def in_this_process(
    sources: Iterable[Source], start: Start, device: str | None = None
) -> Generator[Event, None, None]:
    """Treat the sources in this process."""
    yield from process(sources, start(device))


def process(
    sources: Iterable[Source], stage: Stage, ahead: int = AHEAD
) -> Generator[Event, None, None]:
    """Read blocks here while a few threads run the stage on those before, beyond the end of a source too."""
    pool = ThreadPoolExecutor(ahead)
    try:
        steps = (
            (
                source,
                pool.submit(_added, step, stage)
                if isinstance(step, pa.Table)
                else step,
            )
            for source, step in _steps(sources)
        )
        yield from _in_order(_read_ahead(steps, ahead))
    finally:
        pool.shutdown(cancel_futures=True)


def _steps(
    sources: Iterable[Source],
) -> Iterator[tuple[Source, pa.Table | ValueError | None]]:
    """The blocks of every source, each followed by what it ended with: nothing, or its damage."""
    for source in sources:
        try:
            for block in source.blocks():
                yield source, block
        except ValueError as error:
            yield source, error
        else:
            yield source, None


def _read_ahead(steps: Iterator[T], ahead: int) -> Iterator[T]:
    waiting: deque[T] = deque()
    for step in steps:
        waiting.append(step)
        if len(waiting) >= ahead:
            yield waiting.popleft()
    yield from waiting


def _in_order(
    steps: Iterator[tuple[Source, "Future[pa.Table] | ValueError | None"]],
) -> Iterator[Event]:
    done: list[pa.Table] = []
    error: ValueError | None = None
    for source, step in steps:
        if isinstance(step, Future):
            try:
                done.append(step.result())
                yield source, "rows", len(done[-1])
            except ValueError as raised:
                error = error or raised
            continue
        if error := error or step:
            yield source, "failed", error
        else:
            yield source, "part", pa.concat_tables(done).combine_chunks()
        done, error = [], None


def _added(block: pa.Table, stage: Stage) -> pa.Table:
    """Run the stage on one block; keep the key and what it added."""
    result = stage(block)
    fresh = [name for name in result.column_names if name not in block.column_names]
    return result.select(["image_name", *fresh])
