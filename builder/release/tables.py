"""The Parquet files of a release: `metadata-*`, `embeddings-*`, `embeddings-NAME-*`, rows in the same order.

They are written so that the Hub stores little of a new version: chunks are cut by content, so they stay the same when a
few rows are taken out. Several files are written at once, since cutting takes time.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.engine.vectors import as_column, read_vectors
from twigma.core import columns
from twigma.core.files import atomic
from twigma.core.names import DEFAULT, with_name
from twigma.core.progress import progress_bar
from twigma.core.workspace import Workspace
from twigma.dataset.table_files import table_name

METADATA_ROWS = 500_000  # in a file
EMBEDDING_ROWS = 100_000  # in a file
ROW_GROUP = 50_000  # rows
WRITERS = 4
EMBEDDING_TYPES = {"float16": pa.float16(), "float32": pa.float32()}

Slice = Callable[[int, int], pa.Table]  # (first row, number of rows) -> these rows


def write_metadata(folder: Path, rows: pa.Table) -> None:
    """Write the public columns of the released rows to `folder/metadata-*.parquet`."""
    names = columns.metadata(rows.column_names)
    public = rows.select(names).cast(columns.schema(names))
    _write_files(
        folder, "metadata", len(rows), METADATA_ROWS, public.slice, dictionary=True
    )


def write_embeddings(
    folder: Path,
    image_names: pa.ChunkedArray,
    work: Workspace,
    type_name: str = "float16",
    name: str = DEFAULT,
) -> int:
    """Write the embeddings of a name of these images (string[n]) to `folder/embeddings-*.parquet`, in order.

    Those of another name than the default are `embeddings-NAME-*.parquet`.
    `type_name` is float16, as embeddings are stored, or float32 with the same values. Returns the length of an
    embedding. Every image must have one in `columns/embed` of `work`.
    """
    # Parts stay mapped, and a file's rows are copied when it is written: all of them would be 1.5 KB an image.
    vectors, _ = read_vectors(work, with_name("embed", name))
    found = pc.index_in(image_names.combine_chunks(), value_set=vectors.names)
    rows = found.to_numpy().astype(np.int64)
    name_field = columns.schema(["image_name"]).field(0)
    # Of the length this model has; the declared column is the paper's.
    length = vectors.dim
    vector_type = pa.list_(EMBEDDING_TYPES[type_name], length)
    vector_field = columns.schema(["embedding"]).field(0).with_type(vector_type)
    schema = pa.schema([name_field, vector_field])

    def rows_from(first: int, count: int) -> pa.Table:
        names = image_names.slice(first, count).combine_chunks()
        taken = as_column(vectors.take(rows[first : first + count])).cast(vector_type)
        return pa.table([names, taken], schema=schema)

    _write_files(
        folder,
        with_name("embeddings", name),
        len(image_names),
        EMBEDDING_ROWS,
        rows_from,
        dictionary=False,
    )
    return length


def _write_files(
    folder: Path,
    config: str,
    rows: int,
    rows_a_file: int,
    rows_from: Slice,
    *,
    dictionary: bool,
) -> None:
    """Write all files of a configuration."""
    count = -(-rows // rows_a_file)

    def write(number: int) -> None:
        with atomic(folder / table_name(config, number, count)) as path:
            table = rows_from(number * rows_a_file, rows_a_file)
            _write_file(path, table, dictionary)

    with ThreadPoolExecutor(min(WRITERS, os.cpu_count() or 1)) as pool:
        written = pool.map(write, range(count))
        bar = progress_bar(written, total=count, desc=config, unit="file")
        for _ in bar:
            pass


def _write_file(path: Path, table: pa.Table, dictionary: bool) -> None:
    from datasets.config import DEFAULT_CDC_OPTIONS

    pq.write_table(
        table,
        path,
        compression="zstd",
        row_group_size=ROW_GROUP,
        use_dictionary=dictionary,
        use_content_defined_chunking=DEFAULT_CDC_OPTIONS,
        write_page_index=True,
    )
