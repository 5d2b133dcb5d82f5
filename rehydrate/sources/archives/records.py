"""An archive of posts as records: lines of a file, plain or gzip, or the lines of one indented JSON object.

Archives come from many tools and are often damaged: a line that is too long, cut off or not JSON costs that line only.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from twigma.core.progress import progress_bar
from twigma.core.safety import bounded
from twigma.rehydrate.ids.skipped_lines import BadLine
from twigma.rehydrate.sources.archives.formats import Record, archived_posts

BATCH = 1000  # records that are grouped into pages together
LONGEST = (
    16 << 20
)  # bytes of a record, on one line or indented; longer ones are skipped
SHOWN = 200  # bytes of a skipped line that are listed
GZIP = b"\x1f\x8b"  # the first bytes of a gzip file, whatever its name


class Line(NamedTuple):
    """A record in the file: the line it begins on, from 1, its bytes, and why it cannot be read."""

    number: int
    data: bytes
    reason: str = ""


def read_batches(file: Path) -> Iterator[tuple[list[Record], list[BadLine]]]:
    """The contents of a file, a thousand records at a time: posts, and the skipped lines."""
    with (
        _open(file) as (raw, handle),
        progress_bar(
            total=file.stat().st_size, desc=file.name, unit="B", unit_scale=True
        ) as bar,
    ):
        items = _items(handle)
        while True:
            batch = list(islice(items, BATCH))
            if not batch:
                return
            records = [one for one in batch if isinstance(one, Record)]
            skipped = [one for one in batch if isinstance(one, BadLine)]
            yield records, skipped
            # Bytes of the file as it is packed, whose size is known.
            bar.update(raw.tell() - bar.n)


@contextmanager
def _open(file: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the file, its content): gzip is recognised by its first bytes."""
    with file.open("rb") as raw:
        if raw.peek(len(GZIP))[: len(GZIP)] == GZIP:
            with gzip.GzipFile(fileobj=raw) as handle:
                yield raw, bounded.unpacked(handle, file.stat().st_size, str(file))
        else:
            yield raw, raw


def _items(handle: IO[bytes]) -> Iterator[Record | BadLine]:
    for line in read_lines(handle):
        yield from _read(line)


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
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        reason = (
            f"the compressed file is cut off or damaged here ({error}): get it again"
        )
        yield Line(number + 1, b"", reason)
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
