"""A table of results with a row an image: written, read and written again block by block, and never whole in memory.

Its Parquet file says that it is one, so that the report reads it as such too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.files import atomic

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 1 << 17  # rows
MARK = b"twigma.long"  # in the metadata of the file


@dataclass(frozen=True)
class LongTable:
    """Rows that are made, or read, each time they are asked for: tables of `schema`, one after the other.

    >>> one = pa.table({"n": [1, 2]})
    >>> table = LongTable(one.schema, 4, lambda: [one, one])
    >>> len(table), table.columns, table.to_pandas()["n"].tolist()
    (4, ['n'], [1, 2, 1, 2])
    """

    schema: pa.Schema
    rows: int
    blocks: Callable[[], Iterable[pa.Table]]

    def __len__(self) -> int:
        return self.rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    def to_pandas(self) -> "pd.DataFrame":
        """All rows and columns in memory, DataFrame [rows]."""
        rows = pa.concat_tables([self.schema.empty_table(), *self.blocks()])
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    def write(self, path: Path) -> None:
        """Write it as a Parquet file, atomically (zstd), a row group a block."""
        schema = self.schema.with_metadata({MARK: b"1"})
        options = {"compression": "zstd", "write_page_checksum": True}
        with (
            atomic(path) as partial,
            pq.ParquetWriter(partial, schema, **options) as writer,
        ):
            for block in self.blocks():
                writer.write_table(block.replace_schema_metadata(schema.metadata))


def stored_long_table(path: Path) -> LongTable | None:
    """The long table in a Parquet file; None where the file is of another kind.

    FileNotFoundError where there is none; ValueError where it is damaged, also when its rows are read.
    """
    with _opened(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    if MARK not in (schema.metadata or {}):
        return None
    return LongTable(schema.remove_metadata(), rows, lambda: _blocks(path))


def _blocks(path: Path) -> Iterator[pa.Table]:
    with _opened(path) as file:
        try:
            for batch in file.iter_batches(BLOCK):
                yield pa.Table.from_batches([batch]).replace_schema_metadata()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is damaged ({error}): delete it and run again the command that made it"
    )
