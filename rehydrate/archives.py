"""`twigma import`: posts from archives on disk become pages like those that are bought, and rows of the images table.

An archive is read record by record; what cannot be read is set aside with its line number. The pages go to
`WORK/pages/import.jsonl`. Each says which file it is of and its number there: a stopped import goes on after the last
one stored, and importing a file again adds nothing.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
from tqdm import tqdm

from twigma import columns, inventory
from twigma.rehydrate.archived_posts import Record, archived_posts
from twigma.rehydrate.ids import BadLine, refuse_damaged, write_quarantine
from twigma.rehydrate.ledger import Ledger
from twigma.rehydrate.pages import require_space
from twigma.rehydrate.parsed import write_images_table

BATCH = 1000  # records that are grouped into pages together
LONGEST = 256 << 20  # bytes of a record; a longer one is set aside
MOST_LINES = 1_000_000  # of an indented record; a lost end must not swallow the rest
HOPELESS = 10_000  # unreadable lines at the head of a file, after which the rest is not tried
FORMATS = "an archive of X posts by twarc (API v2 or v1.1), Zeeschuimer or 4CAT, in JSON lines, plain or gzip"

Page = tuple[str, dict[str, Any], dict[str, Any]]  # when captured, request, answer


class Imported(NamedTuple):
    """What came of one archive: records read, ids new to the folder, lines set aside (and where they are listed)."""

    records: int
    new: int
    aside: int
    quarantine: Path | None
    before: bool = False  # it was imported before


def import_archives(work: Path, files: Iterable[Path]) -> tuple[dict[Path, Imported], pa.Table]:
    """Store the posts of archives, then write `images.parquet`.

    Gives what came of each file, and the table (what, reason, count) of what the images table of the folder holds and
    leaves out. Nothing is bought. Of a post the record captured last counts; one that does not say when it was
    captured replaces none that does. Raises FileNotFoundError, and ValueError when nothing in a file can be read or
    its ids were rounded on the way; the files before it are imported.
    """
    files = list(dict.fromkeys(Path(file) for file in files))
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"no archive at {file}")
    done: dict[Path, Imported] = {}
    failure: Exception | None = None
    with Ledger(work) as ledger:
        try:
            for file in files:
                done[file] = _import(ledger, file)
        except (ValueError, OSError) as error:
            if not done:
                raise
            failure = error
        skipped = write_images_table(work)
    if failure:
        raise failure
    return done, skipped


def _import(ledger: Ledger, file: Path) -> Imported:
    """Store one archive: page after page, then the list of lines set aside, then a page that says it was the last."""
    name = columns.file_sha256(file)
    stored, complete = ledger.imported(name)
    if complete:
        return Imported(0, 0, 0, None, before=True)
    known = sum(ledger.counts().values())
    records, number, bad = 0, 0, list[BadLine]()
    for read, aside in _batches(file):
        records += len(read)
        bad += aside
        if not records and len(bad) >= HOPELESS:
            break
        refuse_damaged(file, list(dict.fromkeys(record.id for record in read)), [])
        for captured, request, answer in _pages(read):
            if number >= stored:
                require_space(ledger.work)
                request |= {"file": name, "name": file.name, "page": number, "last": False}
                ledger.append("import", request, answer, captured)
            number += 1
    if not records and (bad or not file.stat().st_size):
        found = f"line {bad[0].line}: {bad[0].reason}" if bad else "an empty file"
        raise ValueError(f"{file}: expected {FORMATS}; found {found}")
    listed = write_quarantine(ledger.work, bad, file, inventory.quarantine_of(name))
    end = {"ids": [], "followers": False, "file": name, "name": file.name, "page": number, "last": True}
    ledger.append("import", end, {"data": []})
    return Imported(records, sum(ledger.counts().values()) - known, len(bad), listed)


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
        yield captured, {"ids": [record.id for record in group], "followers": followers}, _answer(group)


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
        tqdm(total=file.stat().st_size, desc=file.name, unit="B", unit_scale=True, mininterval=0.5) as bar,
    ):
        said = (found for line in _lines(handle) for found in _read(line))
        while batch := list(islice(said, BATCH)):
            yield [one for one in batch if isinstance(one, Record)], [one for one in batch if isinstance(one, BadLine)]
            bar.update(raw.tell() - bar.n)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the file, its content): gzip is known by its first bytes."""
    with file.open("rb") as raw:
        if raw.peek(2)[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as handle:
                yield raw, handle  # type: ignore[misc]
        else:
            yield raw, raw


def _lines(handle: IO[bytes]) -> Iterator[Line]:
    """One record each: a line, or the lines from a lone `{` to its `}` where the file is indented.

    The brackets and commas of a list around the records do not count.
    """
    number, begun, indent, parts = 0, 0, 0, list[bytes]()
    try:
        while line := handle.readline(LONGEST):
            number += 1
            text = line.strip()
            depth = len(line) - len(line.lstrip())
            if parts and depth <= indent and text not in (b"}", b"},"):
                yield Line(begun, b"".join(parts))  # its end is lost
                parts = []
            if len(line) == LONGEST and not line.endswith(b"\n"):
                _skip_line(handle)
                yield Line(number, line[:200], f"longer than {LONGEST >> 20} MB: write one post a line")
            elif parts:
                parts.append(line)
                if depth == indent or len(parts) == MOST_LINES:
                    yield Line(begun, b"".join(parts))
                    parts = []
            elif text == b"{":
                begun, indent, parts = number, depth, [line]
            elif text not in (b"", b"[", b"]"):
                yield Line(number, line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Line(number + 1, b"", f"the compressed file is cut off or damaged here ({error}): get it again")
    if parts:
        yield Line(begun, b"".join(parts))


def _skip_line(handle: IO[bytes]) -> None:
    while (rest := handle.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass


def _read(line: Line) -> Iterator[Record | BadLine]:
    """The posts of a line; for what is none, the line with the reason."""
    said: list[Record | str] = [line.reason]
    try:
        if not line.reason:
            said = list(archived_posts(json.loads(line.data.strip().rstrip(b","), strict=False)))
    except UnicodeDecodeError:
        said = ["not UTF-8"]
    except ValueError:
        said = ["not JSON"]
    except RecursionError:
        said = ["nested too deeply"]
    for one in said:
        if isinstance(one, str):
            yield BadLine(line.number, line.data[:200].decode("utf-8", "backslashreplace").strip(), one)
        else:
            yield one
