"""Raw API pages in append-only JSON lines, `WORK/pages/KIND.jsonl`: on disk before anything reads them.

A line is `{"crc32":"…","request":…,"received_at":…,"answer":…}`. A page costs money, so it is synced to disk before
it is parsed; a line that a crash left half-written is cut off, and one that has changed since is not used.
`twigma rehydrate`, `collect` and `import` write them; they are never released. Each request also says what its page was
billed, so that posts which are removed later stay paid for.
"""

import datetime
import errno
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from twigma.core.files import atomic, fsync
from twigma.core.workspace import AnyWorkspace
from twigma.rehydrate.posts.page_content import dicts

KINDS = ("lookup", "search", "import", "users", "counts")
OF_POSTS = KINDS[:-1]  # those that the images table is made of
FREE_SPACE = 64 << 20  # bytes that must be free before a page is bought
_HEAD = '{"crc32":"%08x",'
_HEAD_LENGTH = len(_HEAD % 0)


class Page(TypedDict):
    """One stored page: what was asked, when X answered (as `utc_text` writes it), and the answer as it came."""

    request: Mapping[str, Any]
    received_at: str
    answer: Mapping[str, Any]


class Purchases(NamedTuple):
    """What X bills: posts and users that an answer held, and requests that counted posts."""

    posts: int = 0
    users: int = 0
    counts: int = 0


def purchases(kind: str, answer: Mapping[str, Any]) -> Purchases:
    """What a page of `kind` was billed at most: X bills a post or a user once a UTC day."""
    data = len(dicts(answer.get("data")))
    if kind == "import":
        return Purchases()
    if kind == "counts":
        return Purchases(counts=1)
    if kind == "users":
        return Purchases(users=data)
    return Purchases(data, len(dicts(answer.get("includes"), "users")))


class StoredPage(NamedTuple):
    """A line of a file of pages: its first byte, the byte after it, and its page; None where it is damaged."""

    start: int
    end: int
    page: Page | None


def require_space(work: AnyWorkspace) -> None:
    """Raise OSError while there is still money to lose: when the disk could not take the next page."""
    free = shutil.disk_usage(work).free
    if free < FREE_SPACE:
        error = OSError(
            f"{work}: {free >> 20} MB free, expected {FREE_SPACE >> 20}: make room, then run again"
        )
        error.errno = errno.ENOSPC  # which ends a batch of files
        raise error


def append_page(
    path: Path,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    received_at: str | None = None,
) -> tuple[int, int, Page]:
    """Append a page and sync it to disk; returns (first byte, byte after it, page). On failure the file is as before.

    `received_at` is when X sent the answer, as `utc_text` writes it; now when None.
    """
    received_at = received_at or utc_text(datetime.datetime.now(datetime.UTC))
    page: Page = {
        "request": dict(request),
        "received_at": received_at,
        "answer": answer,
    }
    line = _encode(page)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        start = os.fstat(handle).st_size
        try:
            _write(handle, line)
        except BaseException:
            # A full disk, or Ctrl-C: half a line would hide the next page.
            os.ftruncate(handle, start)
            raise
    finally:
        os.close(handle)
    if is_new:
        # The name of a new file is on disk only when its folder is synced.
        fsync(path.parent)
    return start, start + len(line), page


def utc_text(time: datetime.datetime) -> str:
    """A moment as text that sorts by time: `2022-06-01T00:00:00.000000Z`."""
    text = time.astimezone(datetime.UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def read_pages(path: Path, start: int = 0) -> Iterator[StoredPage]:
    """Every complete line from byte `start` on."""
    for first, end, line in _complete_lines(path, start):
        yield StoredPage(first, end, _decode(line))


def check(path: Path, seen: int = 0) -> tuple[int, int]:
    """Cut off a last line that a crash left half-written, and check every other.

    Returns (size in bytes, damaged lines); no line ending at byte `seen` counts as one more. Parses nothing.
    """
    size = damaged = 0
    seen_ends_a_line = seen == 0
    for _, end, line in _complete_lines(path, 0):
        size = end
        damaged += not _is_intact(line)
        seen_ends_a_line = seen_ends_a_line or end == seen
    if path.exists() and size < path.stat().st_size:
        os.truncate(path, size)
    return size, damaged + (not seen_ends_a_line)


def rewrite_pages(path: Path, change: Callable[[Page], Page]) -> int:
    """Replace every page of a file by what `change` makes of it, without damaged lines; returns how many differ."""
    if not path.exists():
        return 0
    changed = 0
    with atomic(path) as partial, partial.open("wb") as file:
        partial.chmod(0o600)
        for _, _, line in _complete_lines(path, 0):
            page = _decode(line)
            new = b"" if page is None else _encode(change(page))
            changed += new != line
            file.write(new)
    return changed


def _complete_lines(path: Path, start: int) -> Iterator[tuple[int, int, bytes]]:
    """(first byte, byte after, line) of every line that ends in a newline."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if line.endswith(b"\n"):
                yield start, start + len(line), line
            start += len(line)


def _encode(page: Page) -> bytes:
    """The line of a page; ASCII only, so that even half an emoji survives."""
    body = json.dumps(page, separators=(",", ":")).encode("ascii")
    return _head(body) + body[1:] + b"\n"


def _head(body: bytes) -> bytes:
    """What a line begins with, in place of the brace of its JSON object."""
    return (_HEAD % zlib.crc32(body)).encode("ascii")


def _is_intact(line: bytes) -> bool:
    body = b"{" + line[_HEAD_LENGTH:-1]
    return line[:_HEAD_LENGTH] == _head(body)


def _decode(line: bytes) -> Page | None:
    if not _is_intact(line):
        return None
    page: Page = json.loads(line)
    return page


def _write(handle: int, data: bytes) -> None:
    """Write all of it and sync; the system may take a part at a time."""
    rest = memoryview(data)
    while rest:
        written = os.write(handle, rest)
        rest = rest[written:]
    os.fsync(handle)
