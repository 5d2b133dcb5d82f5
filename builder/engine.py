"""Run a stage over every finished shard, or over every part of another stage, and keep what is already done.

A stage is a function `Table -> Table` (see `columns.stage`); the engine reads blocks ahead of it, writes one part
`columns/NAME/<shard>.arrow` per shard, and skips parts made from the same settings and the same shard. Every
command that adds a column to images (`twigma embed`, `caption`, `nsfw`) goes through here.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from PIL.Image import Image
from tqdm import tqdm

from twigma import columns
from twigma.rehydrate.decode import open_image
from twigma.rehydrate.shards import Shard, list_shards, read_images

Stage = Callable[[pa.Table], pa.Table]
Settings = dict[str, Any]
T = TypeVar("T")

SHARD_ROWS = 256  # encoded images held per block
PART_ROWS = 16_384
AHEAD = 2  # blocks under way at once: one is decoded while the model works on the other
DECODERS = 4  # threads that decode the images of a block


@dataclass(frozen=True)
class Source:
    """What one part is made from: its name, its number of rows, its provenance, and its blocks."""

    name: str
    rows: int
    made_from: Settings
    empty: pa.Table
    blocks: Callable[[], Iterator[pa.Table]]


def map_shards(
    work: Path,
    name: str,
    settings: Settings,
    start: Callable[[], Stage],
    *,
    desc: str,
    rows: int = SHARD_ROWS,
    ahead: int = AHEAD,
) -> int:
    """Run a stage over the images of every finished shard; the number of images treated now.

    `start` loads the model and gives the stage; it is called only if a part is missing or out of date. `settings`
    must be JSON: with the shard's sha256 they say whether a part is current. A damaged shard is reported and the
    others are finished; then RuntimeError names the damaged ones.
    """
    sources = [_of_shard(shard, settings, rows) for shard in list_shards(work)]
    return run(work / "columns" / name, sources, start, desc=desc, ahead=ahead)


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
    """Run a stage over the parts of stage `of` instead of over images; otherwise like `map_shards`.

    `check` sees every part first and may refuse it (ValueError).
    """
    folder = work / "columns" / of
    parts = sorted(folder.glob("*.arrow"))
    if not parts:
        raise FileNotFoundError(f"no columns in {folder}: run `twigma {of}` on this working folder first")
    for part in parts:
        check(part)
    sources = [_of_part(part, settings, rows) for part in parts]
    return run(work / "columns" / name, sources, start, desc=desc)


def _of_shard(shard: Shard, settings: Settings, rows: int) -> Source:
    manifest = json.loads(shard.manifest.read_text("utf-8"))
    empty = columns.schema(["image_name", "image"]).empty_table()
    provenance = settings | {"shard": manifest["sha256"]}
    return Source(shard.name, manifest["samples"], provenance, empty, lambda: read_images(shard, rows))


def _of_part(path: Path, settings: Settings, rows: int) -> Source:
    table = columns.read_arrow(path)
    mark = (table.schema.metadata or {})[b"fingerprint"].decode()
    table = table.replace_schema_metadata()

    def blocks() -> Iterator[pa.Table]:
        return (table.slice(at, rows) for at in range(0, len(table), rows))

    return Source(path.stem, len(table), settings | {"part": mark}, table.slice(0, 0), blocks)


def run(folder: Path, sources: Iterable[Source], start: Callable[[], Stage], *, desc: str, ahead: int = AHEAD) -> int:
    """Make every part in `folder` that is missing or out of date; the number of rows treated now."""
    due = [source for source in sources if not columns.part_is_current(_path(folder, source), source.made_from)]
    if not due:
        return 0
    stage, damaged, treated = start(), [], 0
    with (
        ThreadPoolExecutor(ahead) as pool,
        tqdm(total=sum(source.rows for source in due), desc=desc, unit="image", mininterval=0.5) as bar,
    ):
        for source in due:
            try:
                part = _treat(source, stage, pool, ahead, bar)
            except ValueError as error:
                damaged.append(f"{source.name}: {error}")
                bar.write(f"{desc}: {source.name} is left out: {error}")
                continue
            columns.write_part(_path(folder, source), part, source.made_from)
            treated += len(part)
    if damaged:
        found = "; ".join(damaged)
        raise RuntimeError(f"{desc}: {len(damaged)} of {len(due)} shards could not be treated ({found})")
    return treated


def _path(folder: Path, source: Source) -> Path:
    return folder / f"{source.name}.arrow"


def _treat(source: Source, stage: Stage, pool: ThreadPoolExecutor, ahead: int, bar: "tqdm[Any]") -> pa.Table:
    """The finished part of one source: blocks are read here while the pool runs the stage, and kept in order."""
    under_way: deque[Future[pa.Table]] = deque()
    done = [_added(source.empty, stage)]
    try:
        for block in source.blocks():
            under_way.append(pool.submit(_added, block, stage))
            if len(under_way) >= ahead:
                _take(under_way, done, bar)
        while under_way:
            _take(under_way, done, bar)
    finally:
        for future in under_way:
            future.cancel()
    return pa.concat_tables(done).combine_chunks()


def _take(under_way: "deque[Future[pa.Table]]", done: list[pa.Table], bar: "tqdm[Any]") -> None:
    done.append(under_way.popleft().result())
    bar.update(len(done[-1]))


def _added(block: pa.Table, stage: Stage) -> pa.Table:
    """Run the stage on one block; keep the key and what it added."""
    result = stage(block)
    fresh = [name for name in result.column_names if name not in block.column_names]
    return result.select(["image_name", *fresh])


def decode(images: pa.ChunkedArray, treat: Callable[[Image], T], threads: int = DECODERS) -> list[T | None]:
    """`treat(image)` of every encoded image, in order, in a few threads; None where it cannot be decoded.

    `treat` should return something small: the full picture is dropped at once, so only a few are ever held.
    """

    def one(data: pa.Scalar) -> T | None:
        try:
            image = open_image(data.as_py())
        except (ValueError, OSError):
            return None
        return treat(image)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, images))
