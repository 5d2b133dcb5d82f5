"""The embeddings of a release or a working folder as a mapped matrix, in the precision they are stored in."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from twigma.analysis.convert import as_matrix
from twigma.analysis.tables.column_types import declared_types
from twigma.core.safety import untrusted_names
from twigma.core.safety.failures import DataError
from twigma.core.tables import Scratch, compact, united

ROWS = 16_384  # of a file that are decoded at a time: 24 MB of float16 at 768


class Embeddings(NamedTuple):
    """The stored embeddings of images, float [m, d], and the image of each, string or int64 [m] (`compact`)."""

    names: pa.ChunkedArray
    rows: NDArray[np.floating]


def release_embeddings(files: Iterable[Path], scratch: Scratch) -> Embeddings:
    """Those of the Parquet files of a release; ValueError where the columns are not called so."""
    return _stored(_tables(files), scratch)


def part_embeddings(part: pa.Table, scratch: Scratch) -> Embeddings:
    """Those of a stage's parts, a mapped table (image_name, embedding), one row per image."""
    vectors = part.select(["image_name", "embedding"])
    return _stored(
        (pa.Table.from_batches([one]) for one in vectors.to_batches(ROWS)), scratch
    )


def _tables(files: Iterable[Path]) -> Iterator[pa.Table]:
    """The rows of files, some at a time, with names that are safe."""
    for file in files:
        names = pq.read_schema(file).names
        # Without `image_name`, `declared_types` says so.
        if "embedding" not in names and "image_name" in names:
            raise DataError(
                f"{file}: expected columns image_name and embedding, found {', '.join(names)}: rename them"
            )
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(ROWS):
                table = declared_types(pa.Table.from_batches([batch]), str(file))
                untrusted_names.refuse_names(table, str(file))
                yield table


def _stored(tables: Iterable[pa.Table], scratch: Scratch) -> Embeddings:
    """The rows of all tables that have an embedding."""
    names = [compact(pa.chunked_array([pa.array([], pa.string())]))]

    def matrices() -> Iterator[NDArray[np.floating]]:
        for table in tables:
            known = table.filter(table["embedding"].is_valid())
            names.append(compact(known["image_name"]))
            if len(known):
                yield as_matrix(known["embedding"])

    rows = scratch.matrix(matrices())
    return Embeddings(united(names), rows)
