"""List files as rows of text: CSV, TSV, JSON lines, Parquet or plain text, and a gzip or a zip of one of them.

`twigma ids` and `twigma rehydrate --ids` read lists with it. A cell is text from the first byte to the last: no number
is parsed. A record that cannot be read is a row with its line number and the reason.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.safety import bounded
from twigma.core.safety.bounded import Cut
from twigma.rehydrate.ids.list_columns import ID, NAMES, Row, Wanted
from twigma.rehydrate.ids.text_lists import LONGEST_LINE, read_header, text_rows

JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", ".parquet", *JSON)
LONGEST_JSON = 32 << 20  # characters of a line of JSON: all ids may be on one
WIDEST = 100  # bytes of a Parquet value that is no text
UNREADABLE = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    pa.ArrowException,
    RuntimeError,
)


def read_rows(
    path: Path, column: str | None = None, others: Sequence[str] = ()
) -> Iterator[Row]:
    """Every row of a list. `column` names the id column; `others` are read along, empty in rows without them.

    Raises ValueError when no id column is found, or the file is cut off or not what its name says.
    """
    wanted = Wanted(column, tuple(others))
    with open_list(path) as (raw, kind, where):
        if kind == ".parquet":
            yield from _parquet_rows(raw, wanted, where)
        elif kind in JSON:
            yield from _json_rows(_lines(raw, kind), wanted, where)
        else:
            yield from text_rows(_lines(raw, kind), wanted, where)


def column_names(path: Path) -> list[str]:
    """The columns of a list: those its first line names; none where there is no header."""
    with open_list(path) as (raw, kind, _):
        if kind == ".parquet":
            with pq.ParquetFile(raw) as file:
                return list(file.schema_arrow.names)
        first = next(_lines(raw, kind), "")
    if kind not in JSON:
        _, names = read_header(first)
        has_id = any(ID.fullmatch(name) for name in names)
        return [] if has_id else names
    try:
        item = bounded.load_json(first)
    except (ValueError, RecursionError):
        return []
    return list(item) if isinstance(item, dict) else []


# ------------------------------------------------------------------ files


@contextmanager
def open_list(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    """The bytes of a list, unpacked, with the suffix that names its format and a name for messages."""
    suffix = path.suffix.lower()
    opened = {".zip": _open_zip, ".gz": _open_gzip}.get(suffix, _open_plain)
    try:
        with opened(path) as (source, kind, where):
            yield source, kind, where
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: expected a complete {suffix[1:]} file, found {error}; get it again"
        ) from None


@contextmanager
def _open_plain(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    with path.open("rb") as source:
        yield source, path.suffix.lower(), str(path)


@contextmanager
def _open_gzip(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    size = path.stat().st_size
    where = str(path)
    with (
        gzip.open(path) as raw,
        _unpacked(raw, size, Path(path.stem), where) as (source, kind),
    ):
        yield source, kind, where


@contextmanager
def _open_zip(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        member = _only_member(path, archive)
        where = f"{path}/{member}"
        info = bounded.safe_member(archive, member, where)
        with (
            archive.open(info) as raw,
            _unpacked(raw, size, Path(member), where) as (source, kind),
        ):
            yield source, kind, where


@contextmanager
def _unpacked(
    raw: Any, packed: int, inner: Path, where: str
) -> Iterator[tuple[IO[bytes], str]]:
    """The content, up to a multiple of its packed size; Parquet, which is read from its end, in a temporary file."""
    kind = inner.suffix.lower()
    source = bounded.unpacked(raw, packed, where)
    if kind == ".parquet":
        with bounded.spooled(source) as file:
            yield file, kind
    else:
        yield source, kind


def _lines(raw: IO[bytes], kind: str) -> Iterator[str]:
    longest = LONGEST_JSON if kind in JSON else LONGEST_LINE
    return bounded.text_lines(raw, longest)


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """The name of the list in a zip; macOS adds files of its own."""
    names: list[str] = []
    for name in archive.namelist():
        if not name.endswith("/") and not name.startswith("__MACOSX/"):
            names.append(name)
    tables = [name for name in names if name.lower().endswith(TABLES)] or names
    if len(tables) != 1:
        raise ValueError(
            f"{path}: expected a zip of one list, found {len(tables)}: {tables[:5]}; unpack it first"
        )
    return tables[0]


# ------------------------------------------------------------------ JSON lines


def _json_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if isinstance(line, Cut):
            yield Row(number, line, f"longer than {LONGEST_JSON:,} characters")
            continue
        if not line.strip():
            continue
        try:
            # Numbers stay as they are written: an id never passes through a float.
            value = bounded.load_json(line, parse_int=str, parse_float=str)
        except bounded.TooManyValues as error:
            yield Row(number, line, str(error))
            continue
        except (ValueError, RecursionError):
            yield Row(number, line, "not JSON")
            continue
        items = value if isinstance(value, list) else [value]
        for item in items:
            yield _json_row(number, item, wanted, where)


def _json_row(number: int, item: Any, wanted: Wanted, where: str) -> Row:
    """The row of one JSON value: an object with an id field, or the id itself."""
    others: tuple[str, ...] = ("",) * len(wanted.others)
    if isinstance(item, Mapping):
        cells = [item.get(name) for name in wanted.others]
        others = tuple("" if cell is None else str(cell) for cell in cells)
        try:
            place = wanted.id_place(list(item), where)
        except ValueError:
            reason = f"no field {wanted.column or ' or '.join(NAMES)}"
            return Row(number, str(dict(item)), reason, others)
        item = list(item.values())[place]
    if not isinstance(item, str):
        return Row(number, str(item), "not a number or text", others)
    return Row(number, item, "", others)


# ------------------------------------------------------------------ Parquet


def _parquet_rows(raw: IO[bytes], wanted: Wanted, where: str) -> Iterator[Row]:
    names = pq.read_schema(raw).names
    size = raw.seek(0, io.SEEK_END)
    key = names[wanted.id_place(names, where)]
    columns = (key, *wanted.others)
    present = [name for name in dict.fromkeys(columns) if name in names]
    with bounded.open_parquet(raw, size, where, present) as file:
        kind = file.schema_arrow.field(key).type
        if pa.types.is_floating(kind) or pa.types.is_nested(kind):
            raise ValueError(
                f"{where}: expected ids as string or integer, found column {key!r} of {kind}"
            )
        number = 0
        for batch in file.iter_batches(bounded.CELLS, columns=present):
            cells = [_texts(batch, name) for name in columns]
            for value, *others in zip(*cells, strict=True):
                number += 1
                yield Row(number, value, "", tuple(others))


def _texts(batch: pa.RecordBatch, name: str) -> list[str]:
    """A column as text; empty where it is null or missing."""
    if name not in batch.schema.names:
        return [""] * len(batch)
    column = batch.column(name)
    if not pa.types.is_dictionary(column.type):
        if getattr(column.type, "byte_width", 0) > WIDEST:
            raise ValueError(
                f"column {name!r}: expected text or numbers, found {column.type}"
            )
        column = column.cast(pa.string())
    return [_text(cell) for cell in bounded.cells(column)]


def _text(cell: str | bytes | None) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return cell or ""
