"""The Parquet files of a release: `metadata-*`, and how all its tables are written.

They are written so that the Hub stores little of a new version: chunks are cut by content, so they stay the same when a
few rows are taken out. Several files are written at once, since cutting takes time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import atomic
from twigma.core.machine import usable_cpus
from twigma.core.progress import progress_bar
from twigma.dataset.tables.table_files import table_name

METADATA_ROWS = 500_000  # in a file
ROW_GROUP = 50_000  # rows
WRITERS = 4


def write_metadata(folder: Path, rows: pa.Table) -> None:
    """Write the public columns of the released rows to `folder/metadata-*.parquet`."""
    names = columns.metadata(rows.column_names)
    public = rows.select(names).cast(columns.schema(names))

    def file_table(number: int) -> pa.Table:
        return public.slice(number * METADATA_ROWS, METADATA_ROWS)

    count = file_count(len(rows), METADATA_ROWS)
    write_files(folder, "metadata", count, file_table, dictionary=True)


def file_count(rows: int, rows_a_file: int) -> int:
    """How many files hold so many rows."""
    return -(-rows // rows_a_file)


def write_files(
    folder: Path,
    config: str,
    count: int,
    file_table: Callable[[int], pa.Table],
    *,
    dictionary: bool,
) -> None:
    """Write all files of a configuration, a few at a time; `file_table(i)` is the table of file i."""

    def write(number: int) -> None:
        with atomic(folder / table_name(config, number, count)) as path:
            write_table(path, file_table(number), dictionary=dictionary)

    with ThreadPoolExecutor(min(WRITERS, usable_cpus())) as pool:
        written = pool.map(write, range(count))
        bar = progress_bar(written, total=count, desc=config, unit="file")
        for _ in bar:
            pass


def write_table(
    where: Path | pa.BufferOutputStream, table: pa.Table, *, dictionary: bool
) -> None:
    """Write one table of a release as a Parquet file, to a path or into memory: the same bytes."""
    from datasets.config import DEFAULT_CDC_OPTIONS

    pq.write_table(
        table,
        where,
        compression="zstd",
        row_group_size=ROW_GROUP,
        use_dictionary=dictionary,
        use_content_defined_chunking=DEFAULT_CDC_OPTIONS,
        write_page_index=True,
    )
