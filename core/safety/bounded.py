"""Limits on what a file by others may cost: bytes it unpacks to, bytes of a line, values of a JSON text, Parquet cells.

A limit on one of them is not enough: a few megabytes of gzip are gigabytes of one line. Used by all that read lists,
archives and other files.
"""

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FREE = 64 << 20  # bytes that any file may unpack to
RATIO = 50  # beyond that, how many times its own size: text of posts shrinks to a tenth, ids to a third
MOST_VALUES = 1_000_000  # of a JSON text; each takes about a hundred bytes in memory
LONGEST_CELL = 1 << 20  # bytes of a cell in Parquet
CELLS = 16_384  # rows of Parquet read at once
BLOCK = 1 << 14  # characters of a text read at once
SHOWN = 200  # characters of a line that is too long
# zipfile unpacks other methods without a limit.
PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def ceiling(packed: int) -> int:
    """How many bytes a file of so many may unpack to."""
    return max(FREE, RATIO * packed)


class Unpacked(io.RawIOBase):
    """What an unpacker returns, up to `ceiling(packed)` bytes; ValueError beyond."""

    def __init__(self, source: Any, packed: int, where: str) -> None:
        self._source, self._most, self._where = source, ceiling(packed), where
        self._read_so_far = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next."""
        data = self._source.read(len(buffer))
        self._read_so_far += len(data)
        if self._read_so_far > self._most:
            raise ValueError(
                f"{self._where}: unpacks to over {self._most:,} bytes, {RATIO} times its size: if it is what you "
                "expect, unpack it yourself and pass the file that comes out"
            )
        buffer[: len(data)] = data
        return len(data)


def unpacked(source: Any, packed: int, where: str) -> io.BufferedReader:
    """A buffered reader of what an unpacker returns, bounded as `Unpacked`."""
    return io.BufferedReader(Unpacked(source, packed, where), 1 << 16)


class Cut(str):
    """The beginning of a line that is too long to be read in full."""


def text_lines(
    raw: IO[bytes],
    longest: int,
    encoding: str = "",
    errors: str = "surrogateescape",
) -> Iterator[str]:
    """The lines of `text_blocks`, one by one."""
    for block in text_blocks(raw, longest, encoding, errors):
        yield from block


def text_blocks(
    raw: IO[bytes],
    longest: int,
    encoding: str = "",
    errors: str = "surrogateescape",
) -> Iterator[list[str]]:
    r"""Lines ended by \n, \r\n or \r only, some at a time; UTF-8 or UTF-16 by their first bytes, or by `encoding`.

    A block is the lines of BLOCK characters, and the rest of the last of them: at least one. A line of `longest`
    characters or more is cut to its beginning, a `Cut`; the rest is read past in pieces. What is not UTF-8 becomes what
    `errors` says, surrogates by default: it stays visible, and fails as an id.
    """
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]
    if not encoding:
        wide = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if wide else "utf-8-sig"
        errors = "replace" if wide else errors
    size = min(BLOCK, longest)  # so that only the last line can be too long
    with io.TextIOWrapper(buffered, encoding, errors) as text:
        while block := text.read(size):
            lines = block.split("\n")
            begun = lines.pop()
            if begun:
                lines.append(_complete_line(begun, text, longest))
            yield lines


def _complete_line(begun: str, text: io.TextIOWrapper, longest: int) -> str:
    """A line whose beginning was read, with its rest; a `Cut` where it is too long."""
    rest = text.readline(longest)
    line = begun + rest.removesuffix("\n")
    if len(line) < longest:
        return line
    while rest and not rest.endswith("\n"):
        rest = text.readline(1 << 20)
    return Cut(line[: min(SHOWN, longest)])


def spooled(source: IO[bytes]) -> IO[bytes]:
    """A temporary file of what a reader gives, for formats that are read from their end."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    while block := source.read(1 << 20):
        file.write(block)
    file.seek(0)
    return file


def safe_member(archive: zipfile.ZipFile, name: str, where: str) -> zipfile.ZipInfo:
    """The entry of a zip, packed in a way that is unpacked piece by piece; ValueError otherwise."""
    info = archive.getinfo(name)
    if info.compress_type not in PACKINGS:
        raise ValueError(
            f"{where}: expected a zip packed by deflate, found method {info.compress_type}; pack it again"
        )
    return info


def load_json(data: bytes | str, **options: Any) -> Any:
    """A JSON text of at most a million values; ValueError beyond, or when it is none."""
    limit_values(data)
    return json.loads(data, **options)


def limit_values(data: bytes | str) -> None:
    """TooManyValues where a JSON text may have over a million values."""
    marks: Sequence[Any] = (
        (b",", b"[", b"{") if isinstance(data, bytes) else (",", "[", "{")
    )
    values = sum(data.count(mark) for mark in marks)
    if values > MOST_VALUES:
        raise TooManyValues(f"JSON of over {MOST_VALUES:,} values")


class TooManyValues(ValueError):  # noqa: N818 - it describes the text, as BadImage does an image
    """A JSON text that would fill the memory."""


def inflated(parts: Iterator[bytes], encoding: str, most: int) -> Iterator[bytes]:
    """The bytes of an HTTP body sent as it is or by gzip, in pieces of bounded size; ValueError beyond `most`."""
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise ValueError(
            f"an answer packed by {encoding[:40]!r}, which was not asked for"
        )
    unpacker = zlib.decompressobj(31) if encoding == "gzip" else None
    total = 0
    for part in parts:
        left = part
        while left:
            data = unpacker.decompress(left, 1 << 20) if unpacker else left
            left = unpacker.unconsumed_tail if unpacker else b""
            total += len(data)
            if total > most:
                raise ValueError(f"an answer of over {most:,} bytes")
            yield data
    if unpacker is not None and not unpacker.eof:
        raise ValueError("an answer that ends inside its gzip")


# ------------------------------------------------------------------ Parquet


def open_parquet(
    source: Any, size: int, where: str, names: Sequence[str] | None = None
) -> pq.ParquetFile:
    """A Parquet file of `size` bytes whose columns (all, or those of `names`) do not say they unpack to far more.

    Text stays in dictionaries, so that a long cell on many rows is in memory once. ValueError where it is too much.
    """
    schema = pq.read_schema(source)
    if hasattr(source, "seek"):
        source.seek(0)
    wanted = schema.names
    if names is not None:
        wanted = [name for name in names if name in schema.names]
    file = pq.ParquetFile(source, read_dictionary=_long_leaves(schema, wanted))
    leaves = _leaves_of(schema, set(wanted))
    stated = _stated(file.metadata, leaves)
    if stated > ceiling(size):
        raise ValueError(
            f"{where}: {size:,} bytes of Parquet that unpack to {stated:,}, at most {ceiling(size):,} are read: if it "
            "is what you expect, write it again in several files"
        )
    return file


def _long_leaves(schema: pa.Schema, names: Sequence[str]) -> list[str]:
    """Paths of the columns of text or bytes, also those in a struct."""
    leaves = []
    wanted = set(names)
    for column in schema:  # not by name: two may have the same
        name = column.name
        if name not in wanted:
            continue
        if _is_long(column.type):
            leaves.append(name)
        elif pa.types.is_struct(column.type):
            inner = [field.name for field in column.type if _is_long(field.type)]
            leaves += [f"{name}.{each}" for each in inner]
    return leaves


def _is_long(kind: pa.DataType) -> bool:
    tests = (
        "is_string",
        "is_large_string",
        "is_string_view",
        "is_binary",
        "is_large_binary",
        "is_binary_view",
    )
    return any(getattr(pa.types, test)(kind) for test in tests)


def _leaves_of(schema: pa.Schema, names: set[str]) -> list[int]:
    """The places, among the columns that Parquet stores, of those that these columns consist of.

    Their paths do not tell it: a name may have a dot in it.
    """
    leaves: list[int] = []
    first = 0
    for column in schema:
        count = _count_leaves(column.type)
        if column.name in names:
            leaves += range(first, first + count)
        first += count
    return leaves


def _count_leaves(kind: pa.DataType) -> int:
    """As how many columns Parquet stores a column of this type."""
    if isinstance(kind, pa.BaseExtensionType):
        return _count_leaves(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _count_leaves(kind.value_type)
    if not pa.types.is_nested(kind):
        return 1
    return sum(_count_leaves(kind.field(at).type) for at in range(kind.num_fields))


def _stated(metadata: pq.FileMetaData, leaves: Sequence[int]) -> int:
    """Bytes that the columns say they unpack to, with eight for each of their values, however often one repeats."""
    total = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in leaves:
            chunk = row_group.column(at)
            values = max(chunk.num_values, row_group.num_rows)
            total += max(chunk.total_uncompressed_size, 0) + 8 * values
    return total


def cells(column: pa.Array) -> list[Any]:
    """The values of an array [n], equal ones of a dictionary as one object; ValueError for a cell over a megabyte."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    column.validate(full=True)  # a damaged file may name values that are not there
    longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
    if longest > LONGEST_CELL:
        raise ValueError(
            f"a cell of {longest:,} bytes, at most {LONGEST_CELL:,} are read"
        )
    values = column.dictionary.to_pylist()
    return [None if at is None else values[at] for at in column.indices.to_pylist()]
