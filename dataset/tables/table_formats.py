"""A table in whatever file its authors chose: CSV by comma, semicolon or tab, Parquet; plain or packed.

The content decides, not the suffix. Nothing is converted here: every cell of a CSV is text.
"""

import csv
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.core.lists.packed import UNREADABLE, ZIP, own_members, unpacker_of
from twigma.core.safety import bounded

PARQUET = b"PAR1"
SEPARATORS = (",", "\t", ";", "|")
NULLS = ["", "NaN", "nan", "NaT", "None", "null", "<NA>"]
BUFFER = 1 << 16  # bytes, in which a header ends
UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Search(NamedTuple):
    """The table that was looked for, None where the file has none; what was seen instead, for a message."""

    table: pa.Table | None
    seen: list[str]


class _Content(NamedTuple):
    """The bytes of a file or of one inside it, its name in messages, and the packed size."""

    raw: Any  # a buffered reader: it can `peek`
    where: str
    packed: int


def find_table(path: Path, wanted: Sequence[str]) -> Search:
    """The first table in a file that has each of the `wanted` columns once.

    Returns these columns, text where the file is a CSV. Raises ValueError when the file is cut off or damaged, or
    unpacks to far more than its size.
    """
    seen: list[str] = []
    try:
        with path.open("rb", BUFFER) as raw:
            whole = _Content(raw, str(path), path.stat().st_size)
            for content in _unpack(whole):
                names = _column_names(content, wanted)
                if _has(names, wanted):
                    return Search(_read(content, names, wanted), seen)
                seen.append(f"{content.where} ({', '.join(names[:20])[:200]})")
    except (*UNREADABLE, csv.Error, OSError) as error:
        # Arrow's errors for damaged data have no number; those of the system do.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"{path}: expected a complete table or archive, found {error}; download it again"
        ) from None
    return Search(None, seen)


def _has(names: Sequence[str], wanted: Collection[str]) -> bool:
    return all(names.count(name) == 1 for name in wanted)


# ------------------------------------------------------------------ archives


def _unpack(content: _Content) -> Iterator[_Content]:
    """The content, or what is packed in it."""
    beginning = content.raw.peek(4)[:4]
    if beginning == ZIP:
        with zipfile.ZipFile(content.raw) as archive:
            for name in own_members(archive):
                where = f"{content.where}/{name}"
                info = bounded.safe_member(archive, name, where)
                with archive.open(info) as member:
                    raw = bounded.unpacked(member, content.packed, where)
                    yield from _unpack_one(_Content(raw, where, content.packed))
        return
    yield from _unpack_one(content)


def _unpack_one(content: _Content) -> Iterator[_Content]:
    unpacker = unpacker_of(content.raw)
    if unpacker is None:
        yield from _spool_parquet(content)
        return
    with unpacker as inner:
        raw = bounded.unpacked(inner, content.packed, content.where)
        yield from _spool_parquet(content._replace(raw=raw))


def _spool_parquet(content: _Content) -> Iterator[_Content]:
    """The content; Parquet, which is read from its end, as a file."""
    if not _is_parquet(content) or content.raw.seekable():
        yield content
        return
    with bounded.spooled(content.raw) as file:
        yield content._replace(raw=file)


# ------------------------------------------------------------------ tables


def _column_names(content: _Content, wanted: Collection[str]) -> list[str]:
    """The columns of a table; none of what is no table."""
    if _is_parquet(content):
        names = list(pq.read_schema(content.raw).names)
        content.raw.seek(0)
        return names
    header = _header(content)
    return _split(header, _separator(header, wanted))


def _read(content: _Content, names: Sequence[str], wanted: Sequence[str]) -> pa.Table:
    if _is_parquet(content):
        # Refuses a file that unpacks to far more than its size.
        bounded.open_parquet(content.raw, content.packed, content.where, wanted)
        content.raw.seek(0)
        return pq.read_table(content.raw, columns=list(wanted))
    separator = _separator(_header(content), wanted)
    encoding = "utf-16" if content.raw.peek(2)[:2] in UTF16 else "utf8"
    convert = pyarrow.csv.ConvertOptions(
        # Type inference is what damages ids.
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=list(wanted),
        null_values=NULLS,
        strings_can_be_null=True,
    )
    return pyarrow.csv.read_csv(
        content.raw,
        read_options=pyarrow.csv.ReadOptions(encoding=encoding),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=separator, newlines_in_values=True
        ),
        convert_options=convert,
    )


def _is_parquet(content: _Content) -> bool:
    return bool(content.raw.peek(4)[:4] == PARQUET)


def _header(content: _Content) -> str:
    """The first line of a text, which stays to be read."""
    beginning = content.raw.peek(BUFFER)[:BUFFER]
    encoding = "utf-16" if beginning[:2] in UTF16 else "utf-8-sig"
    text: str = beginning.decode(encoding, "replace")
    return text.partition("\n")[0].rstrip("\r")


def _separator(header: str, wanted: Collection[str]) -> str:
    """The separator by which a header names most of the columns."""

    def named(separator: str) -> int:
        return len(set(_split(header, separator)) & set(wanted))

    return max(SEPARATORS, key=named)


def _split(header: str, separator: str) -> list[str]:
    rows: Any = csv.reader([header], delimiter=separator)
    return next(rows, [])
