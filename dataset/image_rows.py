"""The metadata of stored images, for those who read pictures with them: of a release, or else of a working folder.

Used by the `datasets` builder (`loader.py`) and by `streams/image_stream.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from twigma.core.safety import untrusted_names
from twigma.core.workspace import Workspace
from twigma.dataset.options.load_options import check_columns
from twigma.dataset.options.row_filters import check_filters
from twigma.dataset.own_release import find_rows_of_images
from twigma.rehydrate.images.image_index import Place, read_index

KEY = "image_name"


def tables_schema(tables: Sequence[str]) -> pa.Schema:
    """The columns of Parquet files."""
    return pyarrow.dataset.dataset(list(tables)).schema


def wanted_fields(schema: pa.Schema, wanted: Sequence[str] | None) -> pa.Schema:
    """The columns that are wanted (None: all), and `image_name` in any case."""
    if wanted is None:
        return schema
    names = {KEY, *wanted}
    return pa.schema([field for field in schema if field.name in names])


def read_rows(
    tables: Sequence[str],
    release: Path | None,
    schema: pa.Schema,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """The rows of Parquet files with the columns of a schema; ValueError for names that are no file names.

    Parameters
    ----------
    release : the folder they are of; None for tables of a working folder, in which names may be long.
    filters : which rows; None for all.
    """
    files = pyarrow.dataset.dataset(list(tables))
    rows = files.to_table(columns=schema.names, filter=filters)
    if release is None:
        where = str(Path(tables[0]).parent)
        untrusted_names.refuse_names(rows, where, untrusted_names.LONG_NAMES)
    else:
        untrusted_names.refuse_names(rows, str(release), untrusted_names.NAMES)
    return rows


def stored_rows(
    work: Workspace, data_dir: str | None, columns: Any, filters: Any
) -> pa.Table:
    """`image_name`, these columns and the place of every stored image that the tables list, by shard and place in it.

    Parameters
    ----------
    work, data_dir : the working folder, and the release whose rows are joined, as `find_rows_of_images` takes them.
    columns, filters : as `check_columns` and `check_filters` take them.

    Raises
    ------
    ValueError for columns or filters that are none, and where no image is left; it says why.
    """
    release, tables = find_rows_of_images(work.path, data_dir)
    rows_of = str(release or Path(tables[0]).parent)
    where = f"stream_images: {rows_of}"
    schema = tables_schema(tables)
    columns = check_columns(columns, schema, where)
    filters = check_filters(filters, schema, where)
    metadata = read_rows(tables, release, wanted_fields(schema, columns), filters)
    index = read_index(work)
    stored = index.filter(pc.invert(index["failed"])).select([KEY, *Place._fields])
    if not len(stored):
        raise ValueError(
            f"stream_images: expected stored images in {work}, found none: all {len(index):,} that were asked for "
            "failed; `twigma status` counts why, `twigma rehydrate` and `twigma add` store others"
        )
    rows = pc.index_in(stored[KEY], value_set=metadata[KEY].combine_chunks())
    listed = rows.is_valid()
    stored = stored.filter(listed)
    if not len(stored):
        raise _none_listed(work, len(rows), rows_of, len(metadata), filters)
    table = metadata.take(rows.filter(listed))
    for name in Place._fields:
        table = table.append_column(name, stored[name])
    table = table.sort_by([("shard", "ascending"), ("at", "ascending")])
    return table.combine_chunks()


def _none_listed(
    work: Workspace, images: int, rows_of: str, rows: int, filters: Any
) -> ValueError:
    """No stored image is among the rows of a release, or of a folder, that pass the filters."""
    passing = ""
    advice = "name the release of these images with data_dir="
    if filters is not None:
        passing = f" that pass the filters {filters}"
        advice = "change the filters"
    return ValueError(
        f"stream_images: none of the {images:,} images stored in {work} is among the {rows:,} rows of {rows_of}"
        f"{passing}: {advice}"
    )


def rows_of_shard(sidecar: Any, metadata: pa.Table) -> pa.Table:
    """The metadata of the images of one shard: few rows, so that joining its blocks to them takes no time."""
    table = pyarrow.dataset.dataset(str(sidecar)).to_table(columns=[KEY])
    in_shard = pc.is_in(metadata[KEY], value_set=table[KEY].combine_chunks())
    return metadata.filter(in_shard).combine_chunks()


def join_images(block: pa.Table, metadata: pa.Table) -> pa.Table:
    """The images of a block that the metadata lists, with its columns; `path` is the name of the image."""
    names = metadata[KEY].combine_chunks()
    rows = pc.index_in(block[KEY].combine_chunks(), value_set=names)
    listed = rows.is_valid()
    table = metadata.take(rows.filter(listed))
    images = block["image"].combine_chunks()
    if listed.false_count:
        images = images.filter(listed)
    paths = table[KEY].combine_chunks()
    pictures = pa.StructArray.from_arrays([images, paths], ["bytes", "path"])
    return table.add_column(0, "image", pictures)
