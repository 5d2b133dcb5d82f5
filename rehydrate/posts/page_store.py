"""Raw API pages in append-only JSON lines, `WORK/pages/KIND.jsonl`: on disk before anything reads them.

A line is `{"crc32":"…","request":…,"received_at":…,"answer":…}`. A page costs money, so it is synced to disk before
it is parsed; a line that a crash left half-written is cut off, and one that has changed since is not used.
`twigma rehydrate`, `collect` and `import` write them; they are never released.
"""

import datetime
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twigma.core.files import atomic, fsync

KINDS = ("lookup", "search", "import")
FREE_SPACE = 64 << 20  # bytes that must be free before a page is bought
_HEAD = len('{"crc32":"00000000",')

Page = Mapping[str, Any]  # {"request": …, "received_at": …, "answer": …}


def page_file(work: Path, kind: str) -> Path:
    """Where the pages of a kind (one of KINDS) are kept."""
    return Path(work) / "pages" / f"{kind}.jsonl"


def require_space(work: Path) -> None:
    """Raise OSError while there is still money to lose: when the disk could not take the next page."""
    free = shutil.disk_usage(work).free
    if free < FREE_SPACE:
        raise OSError(
            f"{work}: {free >> 20} MB free, expected {FREE_SPACE >> 20}: make room, then run again"
        )


def append_page(
    path: Path,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    received_at: str | None = None,
) -> tuple[int, int, Page]:
    """Append a page and sync it to disk; gives (first byte, byte after it, page). On failure the file is as before.

    `received_at` is when X gave the answer, as `utc_text` writes it; now when None.
    """
    received_at = received_at or utc_text(datetime.datetime.now(datetime.UTC))
    page = {"request": dict(request), "received_at": received_at, "answer": answer}
    line = _line(page)
    made = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        start = os.fstat(handle).st_size
        try:
            _write(handle, line)
        except BaseException:
            os.ftruncate(handle, start)
            raise
    finally:
        os.close(handle)
    if made:
        fsync(path.parent)
    return start, start + len(line), page


def utc_text(time: datetime.datetime) -> str:
    """A moment as text that sorts by time: `2022-06-01T00:00:00.000000Z`."""
    return (
        time.astimezone(datetime.UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )


def read_pages(path: Path, start: int = 0) -> Iterator[tuple[int, int, Page | None]]:
    """(first byte, byte after, page) of every whole line from byte `start` on; the page is None where it is damaged."""
    for first, after, line in _whole_lines(path, start):
        yield first, after, _page(line)


def check(path: Path, seen: int = 0) -> tuple[int, int]:
    """Cut off a last line that a crash left half-written, and check every other.

    Gives (size in bytes, damaged lines); no line ending at byte `seen` counts as one more. Parses nothing.
    """
    whole, broken, at_line = 0, 0, seen == 0
    for _, after, line in _whole_lines(path, 0):
        whole, broken, at_line = (
            after,
            broken + (not _intact(line)),
            at_line or after == seen,
        )
    if path.exists() and whole < path.stat().st_size:
        os.truncate(path, whole)
    return whole, broken + (not at_line)


def rewrite_pages(path: Path, change: Callable[[Page], Page]) -> int:
    """Write a file of pages again with every page as `change` gives it, damaged lines left out; how many differ."""
    if not path.exists():
        return 0
    changed = 0
    with atomic(path) as partial, partial.open("wb") as file:
        partial.chmod(0o600)
        for _, _, line in _whole_lines(path, 0):
            page = _page(line)
            new = b"" if page is None else _line(change(page))
            changed += new != line
            file.write(new)
    return changed


def _whole_lines(path: Path, start: int) -> Iterator[tuple[int, int, bytes]]:
    if not path.exists():
        return
    with path.open("rb") as handle:
        handle.seek(start)
        for line in handle:
            if line.endswith(b"\n"):
                yield start, start + len(line), line
            start += len(line)


def _line(page: Page) -> bytes:
    """ASCII only, so that even half an emoji survives."""
    body = json.dumps(page, separators=(",", ":")).encode("ascii")
    return b'{"crc32":"%08x",' % zlib.crc32(body) + body[1:] + b"\n"


def _intact(line: bytes) -> bool:
    return line[:_HEAD] == b'{"crc32":"%08x",' % zlib.crc32(b"{" + line[_HEAD:-1])


def _page(line: bytes) -> Page | None:
    if not _intact(line):
        return None
    page: Page = json.loads(line)
    return page


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)
