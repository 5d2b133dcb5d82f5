"""Pages parsed once, and `WORK/images.parquet` made of them: `twigma rehydrate`, `twigma collect`, `twigma import`.

The pages of a kind are parsed in ranges of bytes that depend on the file alone, into `WORK/pages/parsed/`. A part is
made again when its range, or the code that read it, has changed; so the table is the same as one made from nothing.
"""

import filecmp
import json
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import atomic, file_sha256, fsync, read_parquet, write_json
from twigma.core.parts import part_is_current, read_part, read_provenance, write_part
from twigma.core.progress import progress_bar
from twigma.rehydrate.ids.sampling import read_list
from twigma.rehydrate.posts import page_content, parse_pages
from twigma.rehydrate.posts.merge_snapshots import (
    SKIPPED,
    Part,
    merge_snapshots,
    ordered,
)
from twigma.rehydrate.posts.page_store import KINDS, Page, page_file, read_pages

PART_BYTES = (
    32 << 20
)  # of pages; the last part, still growing, is parsed anew each time
Range = tuple[Path, int, int]  # pages from this byte to that


def write_images_table(work: Path) -> pa.Table:
    """Bring `WORK/images.parquet` up to the stored pages; gives the table (what, reason, count) of what it leaves out.

    Images that were added by hand stay. Only new pages are parsed, and a table that would not change is not written.
    """
    path, made = Path(work) / "images.parquet", _folder(work) / "made.json"
    parts = _parse(work)
    listed = Path(work) / "ids.parquet"
    facts: dict[str, Any] = {
        name: read_provenance(part) for name, part in parts.items()
    }
    facts["ids.parquet"] = file_sha256(listed) if listed.exists() else None
    known = _read_json(made)
    if (
        path.exists()
        and known.get("made_from") == facts
        and known.get("images") == file_sha256(path)
    ):
        return pa.Table.from_pylist(known["skipped"], SKIPPED)
    opened: list[Part] = [
        parse_pages.SAID.empty_table,
        *(partial(read_part, part) for part in parts.values()),
    ]
    schema = columns.schema(parse_pages.IMAGES)
    if path.exists() and len(
        local := read_parquet(path, filters=pc.field("source") != "x")
    ):
        local = local.select(
            [name for name in local.column_names if name != "sample_weight"]
        )
        schema = pa.unify_schemas([schema, local.schema])
        by_hand = pa.concat_tables(
            [parse_pages.SAID.empty_table(), local], promote_options="default"
        )
        opened.append(lambda: by_hand)
    found = merge_snapshots(opened)
    weights = _weights(work)
    tables = (_weighted(table, weights) for table in ordered(opened, found, schema))
    _write(path, tables, _weighted(schema.empty_table(), weights).schema)
    images = file_sha256(path)
    write_json(
        made,
        {"made_from": facts, "images": images, "skipped": found.skipped.to_pylist()},
        private=True,
    )
    return found.skipped


def _write(path: Path, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """Write the table slice by slice; a file that would not change stays as it is."""
    new = _folder(path.parent) / path.name
    options = {"compression": "zstd", "write_page_checksum": True}
    with (
        atomic(new, private=True) as file,
        pq.ParquetWriter(file, schema, **options) as writer,
    ):
        for table in progress_bar(tables, desc="images table", unit="slice"):
            writer.write_table(table)
    if path.exists() and filecmp.cmp(new, path, shallow=False):
        new.unlink()
        return
    new.replace(path)
    fsync(path.parent)


def _weights(work: Path) -> pa.Table | None:
    """The ids of the list and their weights; None where it is no sample, and every weight is 1."""
    listed = read_list(work)
    if listed is None or pc.all(pc.equal(listed["weight"], 1.0)).as_py():
        return None
    return listed.select(["id", "weight"])


def _weighted(table: pa.Table, weights: pa.Table | None) -> pa.Table:
    """The table with `sample_weight`, null for posts that are not of the list; as it is where there are no weights."""
    if weights is None:
        return table
    at = pc.index_in(table["id"], value_set=weights["id"].combine_chunks())
    return columns.add(table, sample_weight=weights["weight"].take(at))


# ------------------------------------------------------------------ parts


def _parse(work: Path) -> dict[str, Path]:
    """The parts of all pages by name, in order: missing and stale ones are made, and those of no use deleted."""
    ranges = {
        _folder(work) / f"{path.stem}-{first:015}.arrow": (path, first, after)
        for kind in KINDS
        for path, first, after in _ranges(page_file(work, kind))
    }
    facts = {part: _made_from(pages) for part, pages in ranges.items()}
    stale = [part for part in ranges if not part_is_current(part, facts[part])]
    size = sum(ranges[part][2] - ranges[part][1] for part in stale)
    with progress_bar(
        total=size,
        desc="parse pages",
        unit="B",
        unit_scale=True,
    ) as bar:
        for part in stale:
            write_part(
                part,
                parse_pages.said(_read(ranges[part], bar)).combine_chunks(),
                facts[part],
            )
    for file in set(_folder(work).glob("*.arrow")) - set(ranges):
        file.unlink()
    return {part.name: part for part in ranges}


def _read(pages: Range, bar: Any) -> Iterator[Page]:
    """The pages of a range that are whole."""
    path, first, end = pages
    for start, after, page in read_pages(path, first):
        if start >= end:
            return
        bar.update(after - start)
        if page is not None:
            yield page


def _ranges(path: Path) -> Iterator[Range]:
    """Cut a file of pages into ranges of whole lines, each just over PART_BYTES but for the last."""
    size, first = path.stat().st_size if path.exists() else 0, 0
    while first < size:
        with path.open("rb") as handle:
            handle.seek(min(first + PART_BYTES, size))
            handle.readline()
            after = handle.tell()
        yield path, first, after
        first = after


def _made_from(pages: Range) -> dict[str, Any]:
    path, first, after = pages
    crc = 0
    with path.open("rb") as handle:
        handle.seek(first)
        for step in range(first, after, 1 << 20):
            crc = zlib.crc32(handle.read(min(1 << 20, after - step)), crc)
    code = [
        file_sha256(Path(str(module.__file__)))
        for module in (parse_pages, page_content)
    ]
    return {
        "bytes": [first, after],
        "crc32": crc,
        "code": code,
        "schema": str(parse_pages.SAID),
    }


def _folder(work: Path) -> Path:
    return Path(work) / "pages" / "parsed"


def _read_json(path: Path) -> dict[str, Any]:
    """What was noted; nothing where it is missing or damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
