"""`twigma import`: posts from archives on disk become pages like those that are bought, and rows of the images table.

An archive is read record by record; what cannot be read is set aside with its line number. The pages go to
`WORK/pages/import.jsonl`. Each says which file it is of and its number there: a stopped import goes on after the last
one stored, and importing a file again adds nothing.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from twigma.core import inventory
from twigma.core.files import file_sha256
from twigma.core.progress import progress_bar
from twigma.core.safety import bounded
from twigma.rehydrate.ids.post_ids import (
    BadLine,
    SetAside,
    refuse_damaged,
    write_quarantine,
)
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.archives.formats import Record, archived_posts

BATCH = 1000  # records that are grouped into pages together
LONGEST = (
    16 << 20
)  # bytes of a record, on one line or indented; a longer one is set aside
HOPELESS = (
    10_000  # unreadable lines at the head of a file, after which the rest is not tried
)
SHOWN = 200  # bytes of a line that is set aside
TOO_LONG = "longer than {} MB: write one post a line"
FORMATS = "an archive of X posts by twarc (API v2 or v1.1), Zeeschuimer or 4CAT, in JSON lines, plain or gzip"

Page = tuple[str, dict[str, Any], dict[str, Any]]  # when captured, request, answer


class Imported(NamedTuple):
    """What came of one archive: records read, ids new to the folder, lines set aside (and where they are listed)."""

    records: int
    new: int
    aside: int
    quarantine: Path | None
    before: bool = False  # it was imported before


def import_archives(
    work: Path, files: Iterable[Path]
) -> tuple[dict[Path, Imported], pa.Table]:
    """Store the posts of archives, then write `images.parquet`.

    Gives what came of each file, and the table (what, reason, count) of what the images table of the folder holds and
    leaves out. Nothing is bought. Of a post the record captured last counts; one that does not say when it was
    captured replaces none that does. Raises FileNotFoundError, and ValueError when nothing in a file can be read or
    its ids were rounded on the way; the other files are imported.
    """
    files = list(dict.fromkeys(Path(file) for file in files))
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"no archive at {file}")
    done: dict[Path, Imported] = {}
    failures: list[Exception] = []
    with Ledger(work) as ledger:
        for file in files:
            try:
                done[file] = _import(ledger, file)
            except ValueError as error:
                failures.append(error)
            except OSError as error:  # a full disk: the files after it would fail too
                failures.append(error)
                break
        if failures and not done:
            raise _first_of(failures)
        skipped = write_images_table(work)
    if failures:
        raise _first_of(failures)
    return done, skipped


def _first_of(failures: list[Exception]) -> Exception:
    """The failure of one file, or of several in one."""
    if len(failures) == 1:
        return failures[0]
    kind = OSError if isinstance(failures[-1], OSError) else ValueError
    return kind("; ".join(map(str, failures)))


def _import(ledger: Ledger, file: Path) -> Imported:
    """Store one archive: page after page, then the list of lines set aside, then a page that says it was the last."""
    name = file_sha256(file)
    stored, complete = ledger.imported(name)
    if complete:
        return Imported(0, 0, 0, None, before=True)
    known = sum(ledger.counts().values())
    records, number, bad = 0, 0, SetAside()
    for read, aside in _batches(file):
        records += len(read)
        for line in aside:
            bad.note(*line)
        if not records and bad.total >= HOPELESS:
            break
        refuse_damaged(file, list(dict.fromkeys(record.id for record in read)), [])
        for captured, request, answer in _pages(read):
            if number >= stored:
                require_space(ledger.work)
                request |= {
                    "file": name,
                    "name": file.name,
                    "page": number,
                    "last": False,
                }
                ledger.append("import", request, answer, captured)
            number += 1
    if not records and (bad or not file.stat().st_size):
        found = f"line {bad[0].line}: {bad[0].reason}" if bad else "an empty file"
        raise ValueError(f"{file}: expected {FORMATS}; found {found}")
    listed = write_quarantine(
        ledger.work, bad.rows(), file, inventory.quarantine_of(name)
    )
    end = {
        "ids": [],
        "followers": False,
        "file": name,
        "name": file.name,
        "page": number,
        "last": True,
    }
    ledger.append("import", end, {"data": []})
    return Imported(records, sum(ledger.counts().values()) - known, bad.total, listed)


def _pages(records: Iterable[Record]) -> Iterator[Page]:
    """The records as pages of posts that were captured together, each post once."""
    latest: dict[str, Record] = {}
    for record in records:
        if record.id not in latest or record.captured >= latest[record.id].captured:
            latest[record.id] = record
    groups: dict[tuple[str, bool], list[Record]] = {}
    for record in latest.values():
        groups.setdefault((record.captured, record.counts_followers), []).append(record)
    for (captured, followers), group in groups.items():
        yield (
            captured,
            {"ids": [record.id for record in group], "followers": followers},
            _answer(group),
        )


def _answer(records: list[Record]) -> dict[str, Any]:
    """What the API would have answered."""
    media = {one["media_key"]: one for record in records for one in record.media}
    users = {record.user["id"]: record.user for record in records if record.user}
    return {
        "data": [record.post for record in records if record.post],
        "includes": {"media": list(media.values()), "users": list(users.values())},
        "errors": [record.error for record in records if record.error],
    }


# ------------------------------------------------------------------- reading


class Line(NamedTuple):
    """A record as it stands in the file: the line it begins on, from 1, its bytes, and why it cannot be read."""

    number: int
    data: bytes
    reason: str = ""


def _batches(file: Path) -> Iterator[tuple[list[Record], list[BadLine]]]:
    """What a file says, a thousand records at a time: posts, and what had to be set aside."""
    with (
        _opened(file) as (raw, handle),
        progress_bar(
            total=file.stat().st_size,
            desc=file.name,
            unit="B",
            unit_scale=True,
        ) as bar,
    ):
        said = (found for line in _lines(handle) for found in _read(line))
        while batch := list(islice(said, BATCH)):
            yield (
                [one for one in batch if isinstance(one, Record)],
                [one for one in batch if isinstance(one, BadLine)],
            )
            bar.update(raw.tell() - bar.n)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the file, its content): gzip is known by its first bytes."""
    with file.open("rb") as raw:
        if raw.peek(2)[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as handle:
                yield raw, bounded.unpacked(handle, file.stat().st_size, str(file))
        else:
            yield raw, raw


def _lines(handle: IO[bytes]) -> Iterator[Line]:
    """One record each: a line, or the lines from a lone `{` to its `}` where the file is indented.

    The brackets and commas of a list around the records do not count.
    """
    number, record = 0, None
    try:
        while line := handle.readline(LONGEST):
            number += 1
            text = line.strip()
            depth = len(line) - len(line.lstrip())
            whole = line.endswith(b"\n") or len(line) < LONGEST
            if not whole:
                _skip_line(handle)
            if record and depth <= record.indent and text not in (b"}", b"},"):
                yield record.line()  # its end is lost
                record = None
            if record:
                record.add(line)
                if depth == record.indent:
                    yield record.line()
                    record = None
            elif not whole:
                yield Line(number, line[:SHOWN], TOO_LONG.format(LONGEST >> 20))
            elif text == b"{":
                record = _Indented(number, depth, line)
            elif text not in (b"", b"[", b"]"):
                yield Line(number, line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Line(
            number + 1,
            b"",
            f"the compressed file is cut off or damaged here ({error}): get it again",
        )
    if record:
        yield record.line()


class _Indented:
    """A record over several lines, kept while it is not too long."""

    def __init__(self, begun: int, indent: int, first: bytes) -> None:
        self.indent, self._begun, self._parts, self._size = (
            indent,
            begun,
            [first],
            len(first),
        )

    def add(self, line: bytes) -> None:
        """Take its next line."""
        self._size += len(line)
        if self._size >= LONGEST:
            self._parts = [self._parts[0]]
        else:
            self._parts.append(line)

    def line(self) -> Line:
        """The record as one line."""
        reason = TOO_LONG.format(LONGEST >> 20) if self._size >= LONGEST else ""
        return Line(self._begun, b"".join(self._parts), reason)


def _skip_line(handle: IO[bytes]) -> None:
    while (rest := handle.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass


def _read(line: Line) -> Iterator[Record | BadLine]:
    """The posts of a line, one by one; for what is none, the line with the reason."""
    try:
        if line.reason:
            yield _aside(line, line.reason)
            return
        value = bounded.load_json(line.data.strip().rstrip(b","), strict=False)
        for one in archived_posts(value):
            yield _aside(line, one) if isinstance(one, str) else one
    except UnicodeDecodeError:
        yield _aside(line, "not UTF-8")
    except bounded.TooManyValues as error:
        yield _aside(line, f"{error}: write one post a line")
    except ValueError:
        yield _aside(line, "not JSON")
    except RecursionError:
        yield _aside(line, "nested too deeply")


def _aside(line: Line, reason: str) -> BadLine:
    return BadLine(
        line.number,
        line.data[:SHOWN].decode("utf-8", "backslashreplace").strip(),
        reason,
    )
