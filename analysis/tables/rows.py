"""The rows of a release, and the private columns of its working folder beside them, as a mapped table.

Parquet is decoded a row group at a time, so that the memory is that of a group, whatever the number of rows.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.analysis.tables.column_types import declared_schema, declared_types
from twigma.core import columns
from twigma.core.safety import untrusted_names
from twigma.core.safety.failures import DataError
from twigma.core.tables import Places, Scratch, joined_key, take_table
from twigma.core.workspace import Workspace
from twigma.dataset.release_folder import MANIFEST, check_files, read_manifest
from twigma.dataset.tables.table_files import select_tables

# Never in a release; taken from the working folder.
PRIVATE = ("author_id", "follower_count", "text")
ROWS = 1 << 17  # rows that are decoded at a time


def table_files(release: Path, config: str) -> list[Path]:
    """The files of a configuration: what the manifest lists, complete, or all there are where there is no manifest."""
    if not (release / MANIFEST).exists():
        names = [path.name for path in release.glob("*.parquet")]
        return [release / name for name in select_tables(config, names)]
    listed = select_tables(config, read_manifest(release)["files"])
    # Half of a download would give figures of half of the images.
    check_files(release, listed, contents=False)
    return [release / name for name in listed]


def read_metadata(release: Path, scratch: Scratch) -> pa.Table | None:
    """The metadata of a release, one row an image and post, in the declared types; None where it has none."""
    files = table_files(release, "metadata")
    if not files:
        return None
    untrusted_names.refuse_links(release, [file.name for file in files])
    empty = [declared_schema(pq.read_schema(file)).empty_table() for file in files]
    # A column that only some files have is null in the others.
    schema = pa.concat_tables(empty, promote_options="default").schema
    pieces = (piece for file in files for piece in _pieces(file, schema))
    return scratch.table(pieces, schema)


def _pieces(file: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a file, some at a time, with all columns of a schema."""
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(ROWS):
            table = declared_types(pa.Table.from_batches([batch]), str(file))
            untrusted_names.refuse_names(table, str(file))
            arrays = []
            for field in schema:
                if field.name in table.column_names:
                    arrays.append(table[field.name].cast(field.type))
                else:
                    arrays.append(pa.nulls(len(table), field.type))
            yield pa.table(arrays, schema=schema)


# ------------------------------------------------------------------ private columns


def with_private(table: pa.Table, work: Workspace, scratch: Scratch) -> pa.Table:
    """The table, one row an image and post, with the columns of a working folder that a release never carries."""
    images = work.images_file
    with _whole(images):
        there = work.image_schema()
    missing = [name for name in PRIVATE if name not in table.column_names]
    names = [name for name in missing if name in there.names]
    if not names:
        return table
    stored = pa.schema([there.field(name) for name in (*columns.KEY, *names)])
    hydrated = scratch.table(_columns(images, stored.names), stored)
    places = Places(_keys(hydrated))
    schema = columns.schema(names)
    placed = _placed(table, places, hydrated.select(names), schema)
    private = scratch.table(placed, schema)
    for name in names:
        table = table.append_column(schema.field(name), private[name])
    return table


def _columns(file: Path, names: list[str]) -> Iterator[pa.Table]:
    """Some columns of a Parquet file, some rows at a time; ValueError where it is damaged."""
    options: dict[str, Any] = {"page_checksum_verification": True}
    with _whole(file), pq.ParquetFile(file, **options) as parquet:
        for batch in parquet.iter_batches(ROWS, columns=names):
            yield pa.Table.from_batches([batch]).select(names)


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[None]:
    """ValueError, with what to do, where a file of a working folder is damaged."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} is damaged ({error}): delete it and run again the command that made it"
        ) from error


def _placed(
    table: pa.Table, places: Places, private: pa.Table, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The private columns of each row of the table, some rows at a time; null where a row is not among them."""
    for start in range(0, len(table), ROWS):
        rows = places.of(_keys(table.slice(start, ROWS)))
        yield take_table(private, rows).cast(schema)


def _keys(table: pa.Table) -> pa.ChunkedArray:
    """Post and image of each row as one text."""
    return joined_key(*(table[key].cast(pa.string()) for key in columns.KEY))
