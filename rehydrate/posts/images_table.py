"""Pages parsed once, and `WORK/images.parquet` made of them: `twigma rehydrate`, `twigma collect`, `twigma import`.

The pages of a kind are parsed in ranges of bytes that depend on the file alone, into `WORK/pages/parsed/`. A part is
parsed again when its range, or the revision of the parser, has changed; so the table is the same as one made from
nothing.
"""

import filecmp
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import (
    PARQUET,
    atomic,
    file_sha256,
    fsync,
    read_parquet,
    write_json,
)
from twigma.core.parts import part_is_current, read_part, read_provenance, write_part
from twigma.core.progress import progress_bar
from twigma.core.tables import Places
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ids.sampling import read_list
from twigma.rehydrate.posts import merge_snapshots as merge
from twigma.rehydrate.posts import parse_pages
from twigma.rehydrate.posts.merge_snapshots import (
    SKIPPED,
    merge_snapshots,
    ordered,
)
from twigma.rehydrate.posts.page_store import OF_POSTS, Page, read_pages
from twigma.rehydrate.posts.row_numbers import Part

PART_BYTES = 32 << 20  # of pages; the last part, which grows, is parsed again each time
CRC_BYTES = 1 << 20  # of pages read at a time for their checksum


class PageRange(NamedTuple):
    """Pages of one file, from byte `first` to the byte before `end`."""

    path: Path
    first: int
    end: int


class PartProvenance(TypedDict):
    """What a parsed part was made from: bytes of a file of pages, their CRC-32, and the parser."""

    bytes: list[int]
    crc32: int
    revision: int
    schema: str


class TableProvenance(TypedDict):
    """What an images table was made from: the parts by name, the list's SHA-256, and the code that merged them."""

    parts: dict[str, PartProvenance]
    list: str | None
    revision: int


class TableRecord(TypedDict):
    """The contents of `WORK/pages/parsed/made.json`: provenance and SHA-256 of the table, and what it leaves out."""

    provenance: TableProvenance
    images: str
    skipped: list[dict[str, Any]]


def write_images_table(work: AnyWorkspace) -> pa.Table:
    """Bring `WORK/images.parquet` up to the stored pages; returns (what, reason, count) of what it leaves out.

    Images that were added by hand stay. Only new pages are parsed, and a table that would not change is not written.
    """
    work = Workspace(work)
    path = work.images_file
    parts = _parse(work)
    provenance = _table_provenance(work, parts)
    record = _read_record(work.images_record)
    if path.exists() and record is not None:
        same_inputs = record["provenance"] == provenance
        if same_inputs and record["images"] == file_sha256(path):
            return pa.Table.from_pylist(record["skipped"], SKIPPED)

    # Of a folder without pages this empty part is the only one.
    opened: list[Part] = [parse_pages.PARSED.empty_table]
    opened += [partial(read_part, part) for part in parts.values()]
    schema = columns.schema(parse_pages.IMAGES)
    local = _read_local_rows(path)
    if local is not None:
        schema, local_part = _unite(schema, local, path)
        opened.append(lambda: local_part)
    merged = merge_snapshots(opened)
    weights = _read_weights(work)
    weighted = _weighted(weights)
    tables = map(weighted, ordered(opened, merged, schema))
    _write(work, tables, weighted(schema.empty_table()).schema)
    new_record: TableRecord = {
        "provenance": provenance,
        "images": file_sha256(path),
        "skipped": merged.skipped.to_pylist(),
    }
    write_json(work.images_record, new_record, private=True)
    return merged.skipped


def _table_provenance(work: Workspace, parts: Mapping[str, Path]) -> TableProvenance:
    listed = work.ids_file
    provenances: dict[str, Any] = {}
    for name, part in parts.items():
        provenances[name] = read_provenance(part)
    return {
        "parts": provenances,
        "list": file_sha256(listed) if listed.exists() else None,
        "revision": merge.REVISION,
    }


def _read_local_rows(path: Path) -> pa.Table | None:
    """The rows of images added by hand, without their weights, which are computed again; None where there are none."""
    if not path.exists():
        return None
    local = read_parquet(path, filters=pc.field("source") != "x")
    if not len(local):
        return None
    return local.select(
        [name for name in local.column_names if name != "sample_weight"]
    )


def _unite(
    schema: pa.Schema, local: pa.Table, path: Path
) -> tuple[pa.Schema, pa.Table]:
    """The schema of the images table with the columns of images added by hand, and these as a parsed part."""
    try:
        united = pa.unify_schemas([schema, local.schema])
        empty = parse_pages.PARSED.empty_table()
        part = pa.concat_tables([empty, local], promote_options="default")
    except pa.ArrowException:
        known = {one.name: one.type for one in schema}
        wrong = [
            f"{one.name} ({one.type}, expected {known[one.name]})"
            for one in local.schema
            if one.name in known and one.type != known[one.name]
        ]
        raise ValueError(
            f"{path}: columns of another type: {', '.join(wrong)}. Move the file away, then run this again and "
            "`twigma add` for images of your own"
        ) from None
    return united, part


def _write(work: Workspace, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    """Write the table slice by slice; a file that would not change stays as it is."""
    path = work.images_file
    # Not beside the table: what a killed run leaves there is deleted with the parsed pages.
    new = work.parsed_pages / path.name
    with (
        atomic(new, private=True) as file,
        pq.ParquetWriter(file, schema, **PARQUET) as writer,
    ):
        for table in progress_bar(tables, desc="images table", unit="slice"):
            writer.write_table(table)
    if path.exists() and filecmp.cmp(new, path, shallow=False):
        new.unlink()
        return
    new.replace(path)
    fsync(path.parent)


def _read_weights(work: Workspace) -> pa.Table | None:
    """(id, weight) of the list; None where it is no sample, and every weight is 1."""
    listed = read_list(work)
    if listed is None or pc.all(pc.equal(listed["weight"], 1.0)).as_py():
        return None
    return listed.select(["id", "weight"])


def _weighted(weights: pa.Table | None) -> Callable[[pa.Table], pa.Table]:
    """Adds `sample_weight` to slices of the table, null for posts outside the list; nothing without weights."""
    if weights is None:
        return lambda table: table
    places = Places(weights["id"])  # hashed once, not for every slice
    values = weights["weight"].combine_chunks()

    def add(table: pa.Table) -> pa.Table:
        return columns.add(table, sample_weight=values.take(places.of(table["id"])))

    return add


# ------------------------------------------------------------------ parts


def _parse(work: Workspace) -> dict[str, Path]:
    """The parts of all pages by name, in order: missing and stale ones are parsed, and unused ones deleted."""
    ranges: dict[Path, PageRange] = {}
    for kind in OF_POSTS:
        file = work.page_file(kind)
        for pages in _ranges(file):
            part = work.parsed_pages / f"{file.stem}-{pages.first:015}.arrow"
            ranges[part] = pages
    provenance = {part: _part_provenance(pages) for part, pages in ranges.items()}
    stale = [part for part in ranges if not part_is_current(part, provenance[part])]
    size = sum(ranges[part].end - ranges[part].first for part in stale)
    bar = progress_bar(
        total=size,
        desc="parse pages",
        unit="B",
        unit_scale=True,
    )
    with bar:
        for part in stale:
            table = parse_pages.parse(_read(ranges[part], bar))
            write_part(part, table.combine_chunks(), provenance[part])
    # Parts of files of pages that were rewritten or deleted.
    for file in set(work.parsed_pages.glob("*.arrow")) - set(ranges):
        file.unlink()
    return {part.name: part for part in ranges}


def _read(pages: PageRange, bar: Any) -> Iterator[Page]:
    """The undamaged pages of a range."""
    for start, end, page in read_pages(pages.path, pages.first):
        if start >= pages.end:
            return
        bar.update(end - start)
        if page is not None:
            yield page


def _ranges(path: Path) -> Iterator[PageRange]:
    """Cut a file of pages into ranges of complete lines, each just over PART_BYTES but for the last."""
    size = path.stat().st_size if path.exists() else 0
    first = 0
    while first < size:
        with path.open("rb") as file:
            file.seek(min(first + PART_BYTES, size))
            file.readline()  # to the end of the line that the limit is in
            end = file.tell()
        yield PageRange(path, first, end)
        first = end


def _part_provenance(pages: PageRange) -> PartProvenance:
    crc = 0
    with pages.path.open("rb") as file:
        file.seek(pages.first)
        for at in range(pages.first, pages.end, CRC_BYTES):
            crc = zlib.crc32(file.read(min(CRC_BYTES, pages.end - at)), crc)
    return {
        "bytes": [pages.first, pages.end],
        "crc32": crc,
        "revision": parse_pages.REVISION,
        "schema": str(parse_pages.PARSED),
    }


def _read_record(path: Path) -> TableRecord | None:
    """How the images table was made; None where the record is missing, damaged or of an older version."""
    try:
        record: TableRecord = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not TableRecord.__required_keys__ <= set(record):
        return None
    return record
