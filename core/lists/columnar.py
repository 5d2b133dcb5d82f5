"""Parquet and Arrow files as rows of a list: the columns that are wanted, as text; a float column never."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.lists.columns import Columns, Row
from twigma.core.safety import bounded

WIDEST = 100  # bytes of a value that is no text


def parquet_names(raw: Any) -> list[str]:
    """The columns of a Parquet file."""
    with pq.ParquetFile(raw) as file:
        return list(file.schema_arrow.names)


def parquet_rows(raw: Any, columns: Columns, where: str) -> Iterator[Row]:
    """The rows of a Parquet file; ValueError where ids are floats, or it unpacks to far more than its size."""
    names = pq.read_schema(raw).names
    size = raw.seek(0, io.SEEK_END)
    wanted = _named(names, columns.places(names, where))
    present = [name for name in dict.fromkeys(wanted) if name is not None]
    with bounded.open_parquet(raw, size, where, present) as file:
        _refuse_floats(file.schema_arrow, wanted[0], where)
        batches = file.iter_batches(bounded.CELLS, columns=present)
        yield from _rows(batches, wanted, where)


def arrow_names(raw: Any) -> list[str]:
    """The columns of an Arrow file, which is what Feather is."""
    with pa.ipc.open_file(raw) as file:
        return list(file.schema.names)


def arrow_rows(raw: Any, columns: Columns, where: str) -> Iterator[Row]:
    """The rows of an Arrow file, batch by batch; ValueError as `parquet_rows`."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    with pa.ipc.open_file(raw) as file:
        names = file.schema.names
        wanted = _named(names, columns.places(names, where))
        _refuse_floats(file.schema, wanted[0], where)
        total = 0
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            # Its offsets are read from the file: a wrong one would end the process.
            batch.validate(full=True)
            total += batch.nbytes
            if total > bounded.ceiling(size):
                raise ValueError(
                    f"{where}: unpacks to over {bounded.ceiling(size):,} bytes; write it again as Parquet"
                )
            parts = range(0, len(batch), bounded.CELLS)
            slices = (batch.slice(start, bounded.CELLS) for start in parts)
            yield from _rows(slices, wanted, where)


def _named(
    names: Sequence[str], places: Sequence[int | None]
) -> tuple[str | None, ...]:
    return tuple(None if place is None else names[place] for place in places)


def _refuse_floats(schema: pa.Schema, key: str | None, where: str) -> None:
    if key is None:
        return
    # By place, so that of equal names the first counts.
    kind = schema.field(schema.names.index(key)).type
    if pa.types.is_floating(kind) or pa.types.is_nested(kind):
        raise ValueError(
            f"{where}: expected ids as string or integer, found column {key!r} of {kind}"
        )


def _rows(
    batches: Iterable[pa.RecordBatch], wanted: Sequence[str | None], where: str
) -> Iterator[Row]:
    number = 0
    for batch in batches:
        cells = [_texts(batch, name, where) for name in wanted]
        for value, *others in zip(*cells, strict=True):
            number += 1
            yield Row(number, value, "", tuple(others))


def _texts(batch: pa.RecordBatch, name: str | None, where: str) -> list[str]:
    """A column as text; empty where it is null or missing."""
    if name is None:
        return [""] * len(batch)
    column = batch.column(batch.schema.names.index(name))
    if not pa.types.is_dictionary(column.type):
        kind = column.type
        if pa.types.is_fixed_size_binary(kind) and kind.byte_width > WIDEST:
            raise ValueError(
                f"{where}, column {name!r}: expected text or numbers, found {column.type}"
            )
        column = column.cast(pa.string())
    return [_text(cell) for cell in bounded.cells(column)]


def _text(cell: Any) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return "" if cell is None else str(cell)
