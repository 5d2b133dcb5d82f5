"""The rows of a table as records: Parquet, CSV, TSV, JSON, JSON lines or plain text, plain or packed.

A record is a dict with the names that the table has. Used for lists of addresses, and for what is known of pictures.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core.lists import json_values
from twigma.core.lists.columns import first_places
from twigma.core.lists.delimited import LONGEST_LINE, LineBuffer, table_rows
from twigma.core.lists.encoding import text_blocks, text_lines
from twigma.core.lists.formats import format_of
from twigma.core.lists.packed import Content, open_content
from twigma.core.safety import bounded
from twigma.rehydrate.sources.facts.columns import flat_name

ROWS_A_BATCH = 1024  # of Parquet
ADDRESS = re.compile(r"https?://", re.IGNORECASE)
WRAPPED = re.compile(r""""[^"]*"|'[^']*'|<[^<>]*>""")  # as quoted or copied
LONGEST_TEXT = 1 << 16  # bytes of a text that may be on many rows of Parquet
ROWS_SHOWN = 5  # of those left out, in a message

Record = dict[str, Any]


@dataclass
class LeftOut:
    """Lines of a list that hold no record: how many, and the first few with the reason."""

    lines: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Count the line of this number."""
        self.lines += 1
        if len(self.first) < ROWS_SHOWN:
            self.first.append(f"line {line}: {reason}")


def read_records(
    path: Path, roots: frozenset[str], left_out: LeftOut
) -> Iterator[Record]:
    """The records of a list; what is none is counted in `left_out`.

    The first record has one field, `names`: the columns of the file. Of Parquet only the columns are read whose name,
    as `flat_name` writes it, is one of `roots`.

    Raises ValueError for a file that is cut off or not what its name says.
    """
    with open_content(path) as (content, stack):
        yield from content_records(content, stack, roots, left_out)


def content_records(
    content: Content, stack: ExitStack, roots: frozenset[str] | None, left_out: LeftOut
) -> Iterator[Record]:
    """As `read_records`, of an open content; with `roots` of None every column is read."""
    kind = format_of(content)
    where = content.where
    if kind == "parquet":
        raw = content.seekable(stack).raw
        yield from _parquet_records(raw, where, roots)
    elif kind == "json":
        lines = text_lines(content, json_values.LONGEST)
        yield from _json_records(lines, where, left_out)
    elif kind == "text":
        lines = LineBuffer(text_blocks(content, LONGEST_LINE))
        yield from _text_records(lines, where, left_out)
    else:
        raise ValueError(
            f"{where}: expected a table as Parquet, CSV, JSON or text, found {kind}: save it as one of these"
        )


# ------------------------------------------------------------------ Parquet


def _parquet_records(
    raw: IO[bytes], where: str, roots: frozenset[str] | None
) -> Iterator[Record]:
    names = pq.read_schema(raw).names
    present = names
    if roots is not None:
        present = [name for name in names if flat_name(name) in roots]
    yield {"names": names}
    if not present:
        return
    _refuse_long_cells(raw, where, present)
    raw.seek(0)
    # Without dictionaries: those of long columns of distinct texts would take more than the rows.
    with pq.ParquetFile(raw) as file:
        for batch in file.iter_batches(ROWS_A_BATCH, columns=present):
            places = first_places(batch.schema.names)
            yield from batch.select(places).to_pylist()


def _refuse_long_cells(raw: IO[bytes], where: str, names: list[str]) -> None:
    """ValueError where a batch of rows could unpack to gigabytes.

    The bytes of a text that is written out count in what the file says it unpacks to. One in a dictionary may be on
    any number of rows at no cost: the first row of a group brings the dictionaries of its columns.
    """
    size = raw.seek(0, 2)
    raw.seek(0)
    with bounded.open_parquet(raw, size, where, names) as file:
        for group in range(file.num_row_groups):
            batch = next(file.iter_batches(1, [group], columns=names), None)
            for column in batch.columns if batch is not None else []:
                _refuse_long_texts(column, where)


def _refuse_long_texts(column: pa.Array, where: str) -> None:
    if pa.types.is_struct(column.type):
        for inner in column.flatten():
            _refuse_long_texts(inner, where)
    if not pa.types.is_dictionary(column.type):
        return
    longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
    if longest > LONGEST_TEXT:
        raise ValueError(
            f"{where}: expected texts of at most {LONGEST_TEXT:,} bytes, found one of {longest:,}: remove that column"
        )


# ------------------------------------------------------------------ text


def _text_records(lines: LineBuffer, where: str, left_out: LeftOut) -> Iterator[Record]:
    """The rows of a table with a header, or one address a line."""
    first = lines.next_filled()
    if not ADDRESS.match(_bare(first)) and not first.startswith("#"):
        yield from _table_records(lines, where, left_out)
        return
    yield {"names": ["url"]}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield {"url": _bare(line)}


def _bare(line: str) -> str:
    """An address without the quotes or angle brackets around it."""
    text = line.strip()
    return text[1:-1].strip() if WRAPPED.fullmatch(text) else text


def _table_records(
    lines: LineBuffer, where: str, left_out: LeftOut
) -> Iterator[Record]:
    names, rows = table_rows(lines, where)
    yield {"names": names}
    for row in rows:
        if row.reason:
            left_out.add(row.line, row.reason)
        else:
            yield dict(zip(names, row.others, strict=True))


# ------------------------------------------------------------------ JSON


def _json_records(
    lines: Iterator[str], where: str, left_out: LeftOut
) -> Iterator[Record]:
    """Objects, one a line or in lists; of an answer of an API those in its list `items` or `data`."""
    is_first = True
    for line, value, reason in json_values.values(lines, where):
        if reason:
            left_out.add(line, reason)
            continue
        for item in _items(value):
            if not isinstance(item, dict):
                left_out.add(line, "not an object")
                continue
            if is_first:
                yield {"names": list(item)}
                is_first = False
            yield item


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        for name in ("items", "data"):
            inner = value.get(name)
            if isinstance(inner, list):
                return inner
    return value if isinstance(value, list) else [value]
