"""What is finished of a part that is being made, so that a run that was killed resumes inside a large shard.

`columns/STAGE/.SHARD.checkpoint/ROW.arrow` holds the columns of some blocks, from row ROW on. A file is written when
the last one is `SECONDS` old: cheap stages write none, and of captions that take days a minute is lost.
Checkpoints are deleted when the part is written.
"""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from twigma.builder.engine.source import Source
from twigma.core.parts import part_is_current, read_part, write_part
from twigma.rehydrate.images.shards import Shard

SECONDS = 60.0


class Checkpoints:
    """The finished blocks of one part: those of an earlier run, and those that come now."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source
        self._saved = self._read()
        self.resumed_rows = sum(len(table) for table in self._saved)
        self.restart()

    def _read(self) -> list[pa.Table]:
        """The tables of an earlier run with the same provenance, as far as they follow one another."""
        tables: list[pa.Table] = []
        row = 0
        while part_is_current(self._file(row), self._provenance(row)):
            table = read_part(self._file(row)).replace_schema_metadata()
            if not len(table):
                break
            tables.append(table)
            row += len(table)
        return tables

    def _file(self, row: int) -> Path:
        return self._folder / f"{row:09}.arrow"

    def _provenance(self, row: int) -> dict[str, object]:
        return {**self._source.provenance, "first_row": row}

    @property
    def remaining(self) -> Source:
        """The source without the images that are finished."""
        return replace(self._source, first_row=self.resumed_rows)

    def restart(self) -> None:
        """Forget what came in this run: its worker was lost, and all of it comes again."""
        self._tables = list(self._saved)
        self._pending: list[pa.Table] = []
        self._row = self.resumed_rows  # of the first pending table
        self._written = time.monotonic()

    def add(self, block: pa.Table) -> None:
        """One block more; it is written to disk when the last checkpoint is old enough."""
        self._tables.append(block)
        self._pending.append(block)
        is_due = time.monotonic() - self._written >= SECONDS
        rows = sum(len(table) for table in self._pending)
        if is_due and rows and isinstance(self._source.data, Shard):
            table = pa.concat_tables(self._pending).combine_chunks()
            write_part(self._file(self._row), table, self._provenance(self._row))
            self._row += rows
            self._pending = []
            self._written = time.monotonic()

    def table(self) -> pa.Table:
        """All blocks as one table of one chunk: parts are memory-mapped, and read without copying."""
        return pa.concat_tables(self._tables).combine_chunks()

    def delete(self) -> None:
        """Delete the files, when the part is written or its shard is damaged."""
        shutil.rmtree(self._folder, ignore_errors=True)
