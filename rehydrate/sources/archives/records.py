"""An archive of posts as records: lines of JSON, the lines of one indented JSON object, or the rows of a CSV table.

Archives come from many tools and are often damaged: a line that is too long, cut off or not JSON costs that line only.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, NamedTuple

from twigma.core.lists.delimited import LONGEST_LINE, LineBuffer, table_rows
from twigma.core.lists.encoding import encoding_of, text_blocks
from twigma.core.lists.packed import Content
from twigma.core.progress import progress_bar
from twigma.core.safety import bounded
from twigma.rehydrate.ids.post_id import parse_post_id
from twigma.rehydrate.ids.skipped_lines import BadLine
from twigma.rehydrate.sources.archives.formats import archived_posts
from twigma.rehydrate.sources.archives.record import Record
from twigma.rehydrate.sources.archives.sources import (
    DamagedFile,
    Opener,
    Source,
    unpacked,
)
from twigma.rehydrate.sources.archives.tables import UnknownTable, converter

BATCH = 1000  # records that are grouped into pages together
LONGEST = (
    16 << 20
)  # bytes of a record, on one line or indented; longer ones are skipped
SHOWN = 200  # bytes of a skipped line that are listed
# How a file of an account's own archive begins.
SCRIPT = re.compile(rb"\s*window\.YTD\.[a-z_]+\.part[0-9]+ = ")
NAME = re.compile(r'"?[A-Za-z_][\w .]*"?')  # of a column of a table
FORMATS = (
    "an archive of X posts by twarc (API v2 or v1.1), academictwitteR, Zeeschuimer, 4CAT, snscrape or rtweet, "
    "in JSON lines or CSV, plain or packed"
)


class Line(NamedTuple):
    """A record in the file: the line it begins on, from 1, its bytes, and why it cannot be read."""

    number: int
    data: bytes
    reason: str = ""


def read_batches(source: Source) -> Iterator[tuple[list[Record], list[BadLine]]]:
    """The contents of an archive, a thousand records at a time: posts, and the skipped lines.

    Raises ValueError for a table of another kind, a tar, or what unpacks to far more than its size.
    """
    where = str(source.path)
    bar = progress_bar(
        total=source.size, desc=source.path.name, unit="B", unit_scale=True
    )
    with (
        bar,
        source.open() as raw,
        unpacked(raw, source.size, where) as handle,
    ):
        items = _items(handle, source)
        while True:
            batch = list(islice(items, BATCH))
            if not batch:
                return
            records = [one for one in batch if isinstance(one, Record)]
            skipped = [one for one in batch if isinstance(one, BadLine)]
            yield records, skipped
            if not raw.closed and raw.seekable():
                # Bytes of the file as it is packed, whose size is known.
                bar.update(raw.tell() - bar.n)


def _items(handle: IO[bytes], source: Source) -> Iterator[Record | BadLine]:
    """Every post and skipped line of what was unpacked: a table, a page of academictwitteR, or lines of JSON."""
    head = _first_bytes(handle)
    if source.includes is not None:
        yield from _page_items(handle, source.includes)
    elif _is_table(head):
        yield from _table_items(handle, source)
    elif _is_id_list(head):
        raise ValueError(
            f"{source.path}: expected {FORMATS}; found a list of ids alone: pass it to `twigma rehydrate --ids`"
        )
    else:
        for line in read_lines(handle):
            yield from _read(line)


def _first_bytes(handle: Any) -> bytes:
    try:
        return bytes(handle.peek(1 << 12))
    except DamagedFile:
        return b""


def _is_table(head: bytes) -> bool:
    """Whether a file begins with the names of the columns of a table."""
    lines = head.decode(encoding_of(head), "replace").splitlines() or [""]
    names = re.split("[,;\t]", lines[0])
    return len(names) > 1 and all(NAME.fullmatch(name) for name in names)


def _is_id_list(head: bytes) -> bool:
    """Whether a file begins with lines of ids and nothing else, below the name of their column or not."""
    lines = head.decode(encoding_of(head), "replace").split()
    below = lines[1:3] or lines
    return bool(below) and all(parse_post_id(line.strip('"')) for line in below)


def _page_items(handle: IO[bytes], includes: Opener) -> Iterator[Record | BadLine]:
    """A page of academictwitteR, with the users and media that it stores beside it."""
    data = handle.read(LONGEST)
    with includes() as companion:
        beside = companion.read(LONGEST)
    yield from _read(Line(1, b'{"data":%b,"includes":%b}' % (data, beside)))


def _table_items(handle: Any, source: Source) -> Iterator[Record | BadLine]:
    """The posts of a CSV table; ValueError where it is no table of posts with their media."""
    damage: list[str] = []
    where = str(source.path)
    content = Content(handle, source.path, where, source.size)
    blocks = text_blocks(content, LONGEST_LINE)
    lines = LineBuffer(_until_damage(blocks, damage))
    names, rows = table_rows(lines, where)
    try:
        convert = converter(names)
    except UnknownTable as error:
        raise ValueError(
            f"{where}: expected {FORMATS}; found line 1: {error}"
        ) from None
    for row in rows:
        if row.reason:
            yield BadLine(row.line, row.value[:SHOWN], row.reason)
            continue
        value = convert(dict(zip(names, row.others, strict=True)))
        for post in archived_posts(value):
            if isinstance(post, str):
                yield BadLine(row.line, ",".join(row.others)[:SHOWN], post)
            else:
                yield post
    for reason in damage:
        yield BadLine(lines.number + 1, "", reason)


def _until_damage(
    blocks: Iterator[list[str]], damage: list[str]
) -> Iterator[list[str]]:
    """The lines before the place where a file is damaged, which is noted in `damage`."""
    try:
        yield from blocks
    except DamagedFile as error:
        damage.append(str(error))


def _read(line: Line) -> Iterator[Record | BadLine]:
    """The posts of a line, one by one; for what is none, the line with the reason."""
    if line.reason:
        yield _bad_line(line, line.reason)
        return
    try:
        # Without the comma after an item of a list; a control character in a text is no reason to skip it.
        value = bounded.load_json(line.data.strip().rstrip(b","), strict=False)
        for post in archived_posts(value):
            yield _bad_line(line, post) if isinstance(post, str) else post
    except UnicodeDecodeError:
        yield _bad_line(line, "not UTF-8")
    except bounded.TooManyValues as error:
        yield _bad_line(line, f"{error}: write one post a line")
    except ValueError:
        yield _bad_line(line, "not JSON")
    except RecursionError:
        yield _bad_line(line, "nested too deeply")


def _bad_line(line: Line, reason: str) -> BadLine:
    shown = line.data[:SHOWN].decode("utf-8", "backslashreplace").strip()
    return BadLine(line.number, shown, reason)


# ------------------------------------------------------------------ lines


def read_lines(handle: IO[bytes]) -> Iterator[Line]:
    """One record each: a line, or the lines from a lone `{` to its `}` where the file is indented.

    The brackets and commas of a list around the records do not count.
    """
    number = 0
    record: _Indented | None = None
    try:
        while True:
            line = handle.readline(LONGEST)
            if not line:
                break
            number += 1
            if number == 1:
                line = SCRIPT.sub(b"", line, count=1)
            text = line.strip()
            indent = len(line) - len(line.lstrip())
            is_complete = line.endswith(b"\n") or len(line) < LONGEST
            if not is_complete:
                _skip_line(handle)
            if record and indent <= record.indent and text not in (b"}", b"},"):
                yield record.line()  # its end is missing
                record = None
            if record:
                record.add(line)
                if indent == record.indent:
                    yield record.line()
                    record = None
            elif not is_complete:
                yield Line(number, line[:SHOWN], _too_long())
            elif text == b"{":
                record = _Indented(number, indent, line)
            elif text not in (b"", b"[", b"]"):
                yield Line(number, line)
    except DamagedFile as error:
        yield Line(number + 1, b"", str(error))
    if record:
        yield record.line()


class _Indented:
    """A record over several lines; of one that is too long only the first is held."""

    def __init__(self, number: int, indent: int, first: bytes) -> None:
        self.number = number
        self.indent = indent
        self._lines = [first]
        self._size = len(first)

    @property
    def _is_too_long(self) -> bool:
        return self._size >= LONGEST

    def add(self, line: bytes) -> None:
        """Add its next line."""
        self._size += len(line)
        if self._is_too_long:
            self._lines = self._lines[:1]
        else:
            self._lines.append(line)

    def line(self) -> Line:
        """The record as one line."""
        reason = _too_long() if self._is_too_long else ""
        return Line(self.number, b"".join(self._lines), reason)


def _too_long() -> str:
    return f"longer than {LONGEST >> 20} MB: write one post a line"


def _skip_line(handle: IO[bytes]) -> None:
    """Read to the end of a line that is too long, in pieces."""
    while True:
        piece = handle.readline(LONGEST)
        if not piece or piece.endswith(b"\n"):
            return
