"""Take a list of image addresses into the images table: `twigma add --urls FILE`; the fetch then stores the images.

An image is named by a hash of its address, so that a list that is added again adds nothing, and an address that is in
two lists is one image.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import PARQUET, atomic, read_parquet
from twigma.core.progress import progress_bar
from twigma.core.tables import take_rows, whole_table
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.removed_ids import read_removed
from twigma.rehydrate.sources.facts.columns import (
    NAMES,
    ROOTS,
    matched_columns,
    our_columns,
)
from twigma.rehydrate.sources.facts.records import LeftOut, Record, read_records
from twigma.rehydrate.sources.facts.unread import UnreadValues

SCHEMA = columns.schema(
    (
        "id",
        "image_name",
        "created_at",
        "source",
        *(n for n in NAMES if n != "created_at"),
    )
)
ROWS_A_BLOCK = 10_000
ROWS_A_SLICE = 50_000  # of the images table, written at once
HASH_DIGITS = 24  # 96 bits: among a billion addresses no two share them
NAMES_SHOWN = 20


@dataclass
class AddedUrls:
    """What a list held: addresses `new` to the folder, `known` before, of which some have metadata that they had not
    (`updated`), `repeated` in the list or `removed` on request;
    rows `without_url`; values that could not be read, by field; lines that are no rows; and `columns`: which column
    of the list fills which of ours.
    """

    new: int = 0
    known: int = 0
    updated: int = 0
    repeated: int = 0
    removed: int = 0
    without_url: int = 0
    unread: UnreadValues = field(default_factory=UnreadValues)
    left_out: LeftOut = field(default_factory=LeftOut)
    columns: dict[str, str] = field(default_factory=dict)


def add_urls(work: AnyWorkspace, file: Path) -> AddedUrls:
    """Give every address of a list its row in the images table (source `local`, `id` = `image_name`).

    Raises ValueError where the list has no column of addresses or cannot be read, FileNotFoundError without a file;
    nothing is added then.
    """
    work = Workspace(work)
    if not file.exists():
        raise FileNotFoundError(f"no file {file}")
    added = AddedUrls()
    with work.lock_shards():
        blocks = list(_blocks(work, file, added))
        new = pa.Table.from_batches(blocks, SCHEMA)
        if work.images_file.exists():
            names = read_parquet(work.images_file, columns=["image_name"])["image_name"]
            is_known = pc.is_in(new["image_name"], value_set=names.combine_chunks())
            added.known = pc.sum(is_known).as_py() or 0
            if added.known:
                added.updated = _fill(work, new.filter(is_known))
            new = new.filter(pc.invert(is_known))
        added.new = len(new)
        if len(new):
            _extend(work, new)
    return added


def image_name(url: str) -> str:
    """The name of the image at an address.

    >>> image_name("https://example.org/a.jpg")
    'url_700caca5ae8f856fc70b3931'
    """
    digest = hashlib.sha256(url.encode()).hexdigest()
    return f"url_{digest[:HASH_DIGITS]}"


def _blocks(work: Workspace, file: Path, added: AddedUrls) -> Iterator[pa.RecordBatch]:
    """The rows of a list, each address once, in blocks of SCHEMA."""
    rows: list[dict[str, Any]] = []
    for row in _rows(work, file, added):
        rows.append(row)
        if len(rows) == ROWS_A_BLOCK:
            yield pa.RecordBatch.from_pylist(rows, SCHEMA)
            rows.clear()
    yield pa.RecordBatch.from_pylist(rows, SCHEMA)


def _rows(work: Workspace, file: Path, added: AddedUrls) -> Iterator[dict[str, Any]]:
    removed = read_removed(work)
    seen: set[str] = set()
    records = read_records(file, ROOTS, added.left_out)
    _match_columns(added, next(records, {}), file)

    for record in progress_bar(records, desc=f"add {file.name}", unit="row"):
        row, unread = our_columns(record)
        added.unread.add(unread)
        url = row.get("url")
        if url is None:
            added.without_url += 1
            continue
        name = image_name(url)
        if name in seen:
            added.repeated += 1
            continue
        seen.add(name)
        if removed.holds(name):
            added.removed += 1
            continue
        row["id"] = row["image_name"] = name
        row["source"] = "local"
        yield row


def _match_columns(added: AddedUrls, first: Record, file: Path) -> None:
    """Note which columns of the list fill which of ours; ValueError where none holds addresses."""
    found: list[str] = first.get("names", [])
    added.columns = matched_columns(found)
    if "url" not in added.columns:
        shown = ", ".join(found[:NAMES_SHOWN]) or "none"
        raise ValueError(
            f"{file}: expected a column of addresses named url or image_url, found the columns {shown}: rename the one "
            "that holds them; a list of addresses only, one a line, is a .txt file"
        )


def _extend(work: Workspace, new: pa.Table) -> None:
    """Add rows to the images table, in its order."""
    path = work.images_file
    tables = [new.replace_schema_metadata()]
    if path.exists():
        tables.insert(0, read_parquet(path))
    _write(path, pa.concat_tables(tables, promote_options="default"))


def _fill(work: Workspace, known: pa.Table) -> int:
    """Fill what a list says of known addresses into their rows, where these say nothing: how many have new values."""
    table = read_parquet(work.images_file)
    names = known["image_name"].combine_chunks()
    rows = pc.index_in(table["image_name"].combine_chunks(), value_set=names)
    is_changed = pa.array([False] * len(table))
    for name in NAMES:
        values = take_rows(known[name], rows)
        current = pa.chunked_array([pa.nulls(len(table), values.type)])
        if name in table.column_names:
            current = table[name]
        is_new = pc.and_(pc.is_null(current), pc.is_valid(values))
        if pc.any(is_new).as_py():
            table = columns.add(table, **{name: pc.coalesce(current, values)})
            is_changed = pc.or_(is_changed, is_new)
    count = pc.sum(is_changed).as_py() or 0
    if count:
        _write(work.images_file, table)
    return int(count)


def _write(path: Path, merged: pa.Table) -> None:
    """Write the images table, in its order."""
    rows = pc.sort_indices(merged, columns.sort_keys(merged.column_names))
    wide = whole_table(merged)
    # Slice by slice: a sorted copy of the whole table would double the memory.
    with (
        atomic(path, private=True) as partial,
        pq.ParquetWriter(partial, merged.schema, **PARQUET) as writer,
    ):
        for start in range(0, len(rows), ROWS_A_SLICE):
            taken = wide.take(rows.slice(start, ROWS_A_SLICE))
            writer.write_table(taken.cast(merged.schema))
