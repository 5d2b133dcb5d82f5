"""List files as rows of text: CSV, TSV, JSON lines, Parquet or plain text, and a gzip or a zip of one of them.

`twigma ids` and `twigma rehydrate --ids` read lists with it. A cell is text from the first byte to the last: no number
is parsed. A record that cannot be read is a row with its line number and the reason.
"""

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

ID = re.compile(r"[0-9]{1,20}")
NAMES = ("id_str", "tweet_id", "post_id", "id")  # the specific names first: `id` may be a row number beside them
JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", ".parquet", *JSON)
MOST_JOINED = 100  # a quoted cell may run over this many lines; a stray quote must not swallow more
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, pa.ArrowInvalid)


class Row(NamedTuple):
    """A row of a list: its line (from 1; the row in Parquet), its id cell, what is wrong with it, other cells."""

    line: int
    value: str
    reason: str
    others: tuple[str, ...] = ()


class Layout(NamedTuple):
    """How a text table is cut: its delimiter, cells a record, which is the id, and which others are wanted."""

    delimiter: str
    width: int
    id_at: int
    others: tuple[int | None, ...] = ()


class Wanted(NamedTuple):
    """Which columns are read: the id column (None: found by its name), and others, empty where there are none."""

    column: str | None
    others: tuple[str, ...]

    def places(self, found: Sequence[str]) -> tuple[int | None, ...]:
        """Where the other columns stand among these."""
        return tuple(found.index(name) if name in found else None for name in self.others)


def read_rows(path: Path, column: str | None = None, others: Sequence[str] = ()) -> Iterator[Row]:
    """Every row of a list. `column` names the id column; `others` are read along, empty in rows that lack them.

    Raises ValueError when no id column is found, or the file is cut off or not what its name says.
    """
    wanted = Wanted(column, tuple(others))
    with _open(path) as (raw, kind, where):
        if kind == ".parquet":
            yield from _parquet_rows(raw, wanted, where)
        else:
            yield from (_json_rows if kind in JSON else _csv_rows)(_lines(raw), wanted, where)


def column_names(path: Path) -> list[str]:
    """The columns of a list: those its first line names; none where there is no header."""
    with _open(path) as (raw, kind, _):
        if kind == ".parquet":
            with pq.ParquetFile(raw) as file:
                return list(file.schema_arrow.names)
        first = next(_lines(raw), "")
    if kind not in JSON:
        head = _header(first)[1]
        return [] if any(ID.fullmatch(cell) for cell in head) else head
    try:
        item = json.loads(first)
    except (ValueError, RecursionError):
        return []
    return list(item) if isinstance(item, dict) else []


@contextmanager
def _open(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    """The bytes of a list, unpacked, with the suffix that names its format and a name for messages."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _only_member(path, archive)
                with archive.open(member) as raw:
                    yield raw, Path(member).suffix.lower(), f"{path}/{member}"
        elif suffix == ".gz":
            with gzip.open(path) as unpacked:
                yield io.BufferedReader(unpacked), Path(path.stem).suffix.lower(), str(path)
        else:
            with path.open("rb") as plain:
                yield plain, suffix, str(path)
    except BROKEN as error:
        raise ValueError(f"{path}: expected a whole {suffix[1:]} file, found {error}; get it again") from None


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    tables = [name for name in names if name.lower().endswith(TABLES)] or names
    if len(tables) != 1:
        raise ValueError(f"{path}: expected a zip of one list, found {len(tables)}: {tables[:5]}; unpack it first")
    return tables[0]


def _lines(raw: IO[bytes]) -> Iterator[str]:
    r"""Lines ended by \n, \r\n or \r only; bytes that are not UTF-8 stay visible and fail as ids."""
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]
    wide = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    encoding, errors = ("utf-16", "replace") if wide else ("utf-8-sig", "surrogateescape")
    with io.TextIOWrapper(buffered, encoding, errors) as text:
        for line in text:
            yield line.removesuffix("\n")


def _pick(found: Sequence[str], column: str | None, where: str) -> int:
    """Which of these columns holds the ids."""
    if column is not None:
        if column not in found:
            raise ValueError(f"{where}: expected a column {column!r}, found {list(found)}")
        return found.index(column)
    names = [text.strip().lower().replace(" ", "_") for text in found]
    for name in NAMES:
        if name in names:
            return names.index(name)
    if len(found) == 1:
        return 0
    raise ValueError(f"{where}: expected a column named {', '.join(NAMES)}, found {list(found)}; name the id column")


# ------------------------------------------------------------------ CSV, text


def _header(first: str) -> tuple[str, list[str]]:
    """The delimiter, and the cells of the first line."""
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    return delimiter, [cell.strip() for cell in _split(first, delimiter) or [first]]


def _csv_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    first = next(lines, "")
    delimiter, head = _header(first)
    if len(head) == 1 and wanted.column is None and not re.match(r"[^\W\d]", head[0]):
        layout = Layout(delimiter, 1, 0, (None,) * len(wanted.others))
        yield from _records(iter([first]), layout, 0)  # no header: the first line is a row
    else:
        if any(ID.fullmatch(cell) for cell in head):
            raise ValueError(f"{where}: expected a first line that names the columns, found {first[:80]!r}")
        layout = Layout(delimiter, len(head), _pick(head, wanted.column, where), wanted.places(head))
    yield from _records(lines, layout, 1)


def _records(lines: Iterator[str], layout: Layout, number: int) -> Iterator[Row]:
    """One row a record. A record is a line, or more while a quote is open, if that makes it whole."""
    ahead: deque[str] = deque()
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        number += 1
        taken, cells = 0, _split(line, layout.delimiter)
        if cells is None:
            taken, cells = _join(line, ahead, lines, layout)
        if not cells:
            yield Row(number, line, "a quote is open or stray")
        elif len(cells) != layout.width and line.strip():
            yield Row(number, line, f"expected {layout.width} cells, found {len(cells)}")
        elif line.strip():
            others = tuple("" if at is None else cells[at] for at in layout.others)
            yield Row(number, cells[layout.id_at], "", others)
        for _ in range(taken):
            ahead.popleft()
        number += taken


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None if "end of data" in str(error) else []


def _join(line: str, ahead: deque[str], lines: Iterator[str], layout: Layout) -> tuple[int, list[str] | None]:
    """How many following lines make `line` a whole record with an id, and its cells; (0, None) if none do."""
    for taken in range(1, MOST_JOINED + 1):
        if len(ahead) < taken:
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        line += "\n" + ahead[taken - 1]
        cells = _split(line, layout.delimiter) if '"' in ahead[taken - 1] else None
        if cells == []:
            break
        if cells and len(cells) == layout.width and ID.fullmatch(cells[layout.id_at].strip(" \t")):
            return taken, cells
    return 0, None


# ------------------------------------------------------------------ JSON lines, Parquet


def _json_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_int=str, parse_float=str)  # numbers stay as they are written
        except (ValueError, RecursionError):
            yield Row(number, line, "not JSON")
            continue
        values = value if isinstance(value, list) else [value]
        for item in values:
            yield Row(number, *_json_id(item, wanted, where))


def _json_id(item: Any, wanted: Wanted, where: str) -> tuple[str, str, tuple[str, ...]]:
    others: tuple[str, ...] = ("",) * len(wanted.others)
    if isinstance(item, Mapping):
        found = [item.get(name) for name in wanted.others]
        others = tuple("" if cell is None else str(cell) for cell in found)
        try:
            item = list(item.values())[_pick(list(item), wanted.column, where)]
        except ValueError:
            return str(dict(item)), f"no field {wanted.column or ' or '.join(NAMES)}", others
    return (item, "", others) if isinstance(item, str) else (str(item), "not a number or text", others)


def _parquet_rows(raw: IO[bytes], wanted: Wanted, where: str) -> Iterator[Row]:
    with pq.ParquetFile(raw) as file:
        schema = file.schema_arrow
        field = schema.field(_pick(schema.names, wanted.column, where))
        if pa.types.is_floating(field.type) or pa.types.is_nested(field.type):
            raise ValueError(f"{where}: expected ids as string or integer, found column {field.name!r} of {field.type}")
        row, there = 0, [name for name in wanted.others if name in schema.names]
        for batch in file.iter_batches(columns=list(dict.fromkeys([field.name, *there]))):
            for value, *others in zip(*(_texts(batch, name) for name in (field.name, *wanted.others)), strict=True):
                row += 1
                yield Row(row, value, "", tuple(others))


def _texts(batch: pa.RecordBatch, name: str) -> list[str]:
    """A column as text; empty where it is null or absent."""
    if name not in batch.schema.names:
        return [""] * len(batch)
    return [cell or "" for cell in batch.column(name).cast(pa.string()).to_pylist()]
