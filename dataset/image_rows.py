"""The metadata of stored images, for those who read pictures with them: of a release, or else of a working folder.

Used by the `datasets` builder (`loader.py`) and by `streams/image_stream.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from pyarrow.parquet import filters_to_expression

from twigma.core.safety import untrusted_names

KEY = "image_name"


def rows_schema(tables: Sequence[str], wanted: Sequence[str] | None) -> pa.Schema:
    """The columns of Parquet files that are wanted (None: all), and `image_name` in any case."""
    schema = pyarrow.dataset.dataset(list(tables)).schema
    names = {KEY, *(wanted or schema.names)}
    return pa.schema([field for field in schema if field.name in names])


def require_columns(
    tables: Sequence[str], columns: Sequence[str], filters: Any, where: str
) -> None:
    """ValueError naming columns that are asked for, or filtered by, and that the tables do not have.

    Of filters lists are looked at, as `pyarrow.parquet.filters_to_expression` takes them, and no expressions.
    """
    asked = [*columns, *_filtered_by(filters)]
    if not asked:
        return
    known = rows_schema(tables, None).names
    missing = [name for name in dict.fromkeys(asked) if name not in known]
    if missing:
        raise ValueError(
            f"{where} has no column {', '.join(missing)}; it has {', '.join(known)}"
        )


def _filtered_by(filters: Any) -> list[str]:
    """The columns of conditions: a list of them, or of lists of them."""
    if not isinstance(filters, list):
        return []
    groups = [part if isinstance(part, list) else [part] for part in filters]
    return [str(condition[0]) for group in groups for condition in group]


def read_rows(
    tables: Sequence[str], release: Path | None, schema: pa.Schema, filters: Any = None
) -> pa.Table:
    """The rows of Parquet files with the columns of a schema; ValueError for names that are no file names.

    Parameters
    ----------
    release : the folder they are of; None for tables of a working folder, in which names may be long.
    filters : an expression of pyarrow, or a list as `pyarrow.parquet.filters_to_expression` takes it.
    """
    if isinstance(filters, list):
        filters = filters_to_expression(filters)
    files = pyarrow.dataset.dataset(list(tables))
    rows = files.to_table(columns=schema.names, filter=filters)
    if release is None:
        where = str(Path(tables[0]).parent)
        untrusted_names.refuse_names(rows, where, untrusted_names.LONG_NAMES)
    else:
        untrusted_names.refuse_names(rows, str(release), untrusted_names.NAMES)
    return rows


def rows_of_shard(sidecar: Any, metadata: pa.Table) -> pa.Table:
    """The metadata of the images of one shard: few rows, so that joining its blocks to them takes no time."""
    table = pyarrow.dataset.dataset(str(sidecar)).to_table(columns=[KEY])
    in_shard = pc.is_in(metadata[KEY], value_set=table[KEY].combine_chunks())
    return metadata.filter(in_shard).combine_chunks()
