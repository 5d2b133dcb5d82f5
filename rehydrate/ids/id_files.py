"""List files as rows of text: CSV, TSV, JSON lines, Parquet or plain text, and a gzip or a zip of one of them.

`twigma ids` and `twigma rehydrate --ids` read lists with it. A cell is text from the first byte to the last: no number
is parsed. A record that cannot be read is a row with its line number and the reason.
"""

import csv
import gzip
import io
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

from twigma.core.safety import bounded
from twigma.core.safety.bounded import Cut

ID = re.compile(r"[0-9]{1,20}")
NAMES = (
    "id_str",
    "tweet_id",
    "post_id",
    "id",
)  # the specific names first: `id` may be a row number beside them
JSON = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", ".parquet", *JSON)
MOST_JOINED = 100  # a quoted cell may run over this many lines; a stray quote must not swallow more
MOST_VAIN = 1000  # stray quotes, beyond ten times the right ones, after which no lines are joined: each costs a hundred
LONGEST_LINE = (
    1 << 20
)  # characters of a line of a table, and of all lines that are joined
LONGEST_JSON = 32 << 20  # of JSON, where all ids may stand on one line
WIDEST = 100  # bytes of a Parquet value that is no text
SHOWN = 20  # names of columns in a message
BROKEN = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    pa.ArrowException,
    RuntimeError,
)


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
        return tuple(
            found.index(name) if name in found else None for name in self.others
        )


def read_rows(
    path: Path, column: str | None = None, others: Sequence[str] = ()
) -> Iterator[Row]:
    """Every row of a list. `column` names the id column; `others` are read along, empty in rows that lack them.

    Raises ValueError when no id column is found, or the file is cut off or not what its name says.
    """
    wanted = Wanted(column, tuple(others))
    with _open(path) as (raw, kind, where):
        if kind == ".parquet":
            yield from _parquet_rows(raw, wanted, where)
        else:
            yield from (_json_rows if kind in JSON else _csv_rows)(
                _lines(raw, kind), wanted, where
            )


def column_names(path: Path) -> list[str]:
    """The columns of a list: those its first line names; none where there is no header."""
    with _open(path) as (raw, kind, _):
        if kind == ".parquet":
            with pq.ParquetFile(raw) as file:
                return list(file.schema_arrow.names)
        first = next(_lines(raw, kind), "")
    if kind not in JSON:
        head = _header(first)[1]
        return [] if any(ID.fullmatch(cell) for cell in head) else head
    try:
        item = bounded.load_json(first)
    except (ValueError, RecursionError):
        return []
    return list(item) if isinstance(item, dict) else []


@contextmanager
def _open(path: Path) -> Iterator[tuple[IO[bytes], str, str]]:
    """The bytes of a list, unpacked, with the suffix that names its format and a name for messages."""
    suffix, packed = path.suffix.lower(), path.stat().st_size
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _only_member(path, archive)
                where = f"{path}/{member}"
                info = bounded.safe_member(archive, member, where)
                with (
                    archive.open(info) as raw,
                    _unpacked(raw, packed, Path(member), where) as (source, kind),
                ):
                    yield source, kind, where
        elif suffix == ".gz":
            where = str(path)
            with (
                gzip.open(path) as gz,
                _unpacked(gz, packed, Path(path.stem), where) as (source, kind),
            ):
                yield source, kind, where
        else:
            with path.open("rb") as plain:
                yield plain, suffix, str(path)
    except BROKEN as error:
        raise ValueError(
            f"{path}: expected a whole {suffix[1:]} file, found {error}; get it again"
        ) from None


@contextmanager
def _unpacked(
    raw: Any, packed: int, inner: Path, where: str
) -> Iterator[tuple[IO[bytes], str]]:
    """What is packed, up to a multiple of its size; Parquet, which is read from its end, in a temporary file."""
    kind, source = inner.suffix.lower(), bounded.unpacked(raw, packed, where)
    if kind == ".parquet":
        with bounded.spooled(source) as file:
            yield file, kind
    else:
        yield source, kind


def _lines(raw: IO[bytes], kind: str) -> Iterator[str]:
    return bounded.text_lines(raw, LONGEST_JSON if kind in JSON else LONGEST_LINE)


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    tables = [name for name in names if name.lower().endswith(TABLES)] or names
    if len(tables) != 1:
        raise ValueError(
            f"{path}: expected a zip of one list, found {len(tables)}: {tables[:5]}; unpack it first"
        )
    return tables[0]


def _pick(found: Sequence[str], column: str | None, where: str) -> int:
    """Which of these columns holds the ids."""
    if column is not None:
        if column not in found:
            raise ValueError(
                f"{where}: expected a column {column!r}, found {list(found)[:SHOWN]}"
            )
        return found.index(column)
    names = [text.strip().lower().replace(" ", "_") for text in found]
    for name in NAMES:
        if name in names:
            return names.index(name)
    if len(found) == 1:
        return 0
    shown = list(found)[:SHOWN]
    raise ValueError(
        f"{where}: expected a column named {', '.join(NAMES)}, found {shown}; name the id column"
    )


# ------------------------------------------------------------------ CSV, text


def _header(first: str) -> tuple[str, list[str]]:
    """The delimiter, and the cells of the first line."""
    delimiter = (
        "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    )
    return delimiter, [cell.strip() for cell in _split(first, delimiter) or [first]]


def _csv_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    first = next(lines, "")
    if isinstance(first, Cut):
        raise ValueError(
            f"{where}: expected a first line that names the columns, found one of over {LONGEST_LINE:,}"
        )
    delimiter, head = _header(first)
    if len(head) == 1 and wanted.column is None and not re.match(r"[^\W\d]", head[0]):
        layout = Layout(delimiter, 1, 0, (None,) * len(wanted.others))
        yield from _records(
            iter([first]), layout, 0
        )  # no header: the first line is a row
    else:
        if any(ID.fullmatch(cell) for cell in head):
            raise ValueError(
                f"{where}: expected a first line that names the columns, found {first[:80]!r}"
            )
        layout = Layout(
            delimiter, len(head), _pick(head, wanted.column, where), wanted.places(head)
        )
    yield from _records(lines, layout, 1)


def _records(lines: Iterator[str], layout: Layout, number: int) -> Iterator[Row]:
    """One row a record. A record is a line, or more while a quote is open, if that makes it whole."""
    ahead: deque[str] = deque()
    vain = 0
    while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
        number += 1
        if isinstance(line, Cut):
            yield Row(number, line, f"longer than {LONGEST_LINE:,} characters")
            continue
        taken, cells = 0, _split(line, layout.delimiter)
        if cells is None and vain < MOST_VAIN:
            taken, cells = _join(line, ahead, lines, layout)
            vain += -10 if cells else 1
        if not cells:
            yield Row(number, line, "a quote is open or stray")
        elif len(cells) != layout.width and line.strip():
            yield Row(
                number, line, f"expected {layout.width} cells, found {len(cells)}"
            )
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


def _join(
    line: str, ahead: deque[str], lines: Iterator[str], layout: Layout
) -> tuple[int, list[str] | None]:
    """How many following lines make `line` a whole record with an id, and its cells; (0, None) if none do."""
    for taken in range(1, MOST_JOINED + 1):
        if len(ahead) < taken:
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        if (
            isinstance(ahead[taken - 1], Cut)
            or len(line) + len(ahead[taken - 1]) > LONGEST_LINE
        ):
            break
        line += "\n" + ahead[taken - 1]
        cells = _split(line, layout.delimiter) if '"' in ahead[taken - 1] else None
        if cells == []:
            break
        if (
            cells
            and len(cells) == layout.width
            and ID.fullmatch(cells[layout.id_at].strip(" \t"))
        ):
            return taken, cells
    return 0, None


# ------------------------------------------------------------------ JSON lines, Parquet


def _json_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if isinstance(line, Cut):
            yield Row(number, line, f"longer than {LONGEST_JSON:,} characters")
        if isinstance(line, Cut) or not line.strip():
            continue
        try:
            value = bounded.load_json(
                line, parse_int=str, parse_float=str
            )  # numbers stay as they are written
        except bounded.TooManyValues as error:
            yield Row(number, line, str(error))
            continue
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
            return (
                str(dict(item)),
                f"no field {wanted.column or ' or '.join(NAMES)}",
                others,
            )
    return (
        (item, "", others)
        if isinstance(item, str)
        else (str(item), "not a number or text", others)
    )


def _parquet_rows(raw: IO[bytes], wanted: Wanted, where: str) -> Iterator[Row]:
    names = pq.read_schema(raw).names
    size = raw.seek(0, io.SEEK_END)
    key = names[_pick(names, wanted.column, where)]
    there = [name for name in dict.fromkeys([key, *wanted.others]) if name in names]
    with bounded.open_parquet(raw, size, where, there) as file:
        kind, row = file.schema_arrow.field(key).type, 0
        if pa.types.is_floating(kind) or pa.types.is_nested(kind):
            raise ValueError(
                f"{where}: expected ids as string or integer, found column {key!r} of {kind}"
            )
        for batch in file.iter_batches(bounded.CELLS, columns=there):
            for value, *others in zip(
                *(_texts(batch, name) for name in (key, *wanted.others)), strict=True
            ):
                row += 1
                yield Row(row, value, "", tuple(others))


def _texts(batch: pa.RecordBatch, name: str) -> list[str]:
    """A column as text; empty where it is null or absent."""
    if name not in batch.schema.names:
        return [""] * len(batch)
    column = batch.column(name)
    if not pa.types.is_dictionary(column.type):
        if getattr(column.type, "byte_width", 0) > WIDEST:
            raise ValueError(
                f"column {name!r}: expected text or numbers, found {column.type}"
            )
        column = column.cast(pa.string())
    return [_as_text(cell) for cell in bounded.cells(column)]


def _as_text(cell: str | bytes | None) -> str:
    return (
        cell.decode("utf-8", "surrogateescape")
        if isinstance(cell, bytes)
        else cell or ""
    )
