"""`twigma import`: posts from archives on disk become pages like those that are bought, and rows of the images table.

An archive is read record by record; what cannot be read is skipped and listed with its line number. The pages go to
`WORK/pages/import.jsonl`. Each names its file and its number there: a stopped import resumes after the last one stored,
and importing a file again adds nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from twigma.core import inventory
from twigma.core.files import file_sha256
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace
from twigma.rehydrate.ids.post_ids import (
    SkippedLines,
    refuse_damaged,
    write_quarantine,
)
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.ledger import Ledger
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.archives.formats import Record
from twigma.rehydrate.sources.archives.records import read_batches

HOPELESS = 10_000  # unreadable lines at the head of a file, after which it is given up
FORMATS = "an archive of X posts by twarc (API v2 or v1.1), Zeeschuimer or 4CAT, in JSON lines, plain or gzip"


class ArchivePage(NamedTuple):
    """Posts that were captured together, as a page: when, the request, and what X would have answered to it."""

    captured: str
    request: dict[str, Any]
    answer: dict[str, Any]


class Imported(NamedTuple):
    """The result of one archive: records read, ids new to the folder, lines skipped (and where they are listed)."""

    records: int
    new: int
    skipped: int
    quarantine: Path | None
    before: bool = False  # it was imported before


def import_archives(
    work: AnyWorkspace,
    files: Iterable[Path],
    on_file: Callable[[Path, Imported], None] | None = None,
) -> tuple[dict[Path, Imported], pa.Table]:
    """Store the posts of archives, then write `images.parquet`.

    Returns the result of each file, and the table (what, reason, count) of what the images table of the folder holds
    and leaves out. Nothing is bought. Of a post the record captured last counts; one without a time of capture
    replaces none that has one. `on_file` is called with each result as it is there. A file that is missing, in which
    nothing can be read, or whose ids were rounded on the way does not stop the others: once they are imported and the
    table is written, FileNotFoundError or ValueError names it.
    """
    files = list(dict.fromkeys(Path(file) for file in files))
    imported: dict[Path, Imported] = {}
    failures = Failures()
    with Ledger(work) as ledger:
        try:
            for file in files:
                with failures.collect():
                    imported[file] = _import(ledger, file)
                    if on_file is not None:
                        on_file(file, imported[file])
        finally:
            # What is stored has its rows, also when the disk is full or the run is stopped.
            if imported or not failures:
                skipped = write_images_table(work)
    failures.raise_any()
    return imported, skipped


def _import(ledger: Ledger, file: Path) -> Imported:
    """Store one archive: page after page, then the list of skipped lines, then a page that says it was the last."""
    if not file.is_file():
        raise FileNotFoundError(f"no archive at {file}")
    # A file is known by its content: it may be moved, or imported under another name.
    sha256 = file_sha256(file)
    stored, complete = ledger.imported(sha256)
    if complete:
        return Imported(0, 0, 0, None, before=True)
    known = sum(ledger.counts().values())
    n_records = number = 0
    skipped = SkippedLines()
    for records, bad_lines in read_batches(file):
        n_records += len(records)
        for line in bad_lines:
            skipped.note(*line)
        # Not an archive at all: do not list a million lines.
        if not n_records and skipped.total >= HOPELESS:
            break
        refuse_damaged(file, list(dict.fromkeys(record.id for record in records)))
        for page in _pages(records):
            if (
                number >= stored
            ):  # those before it were stored by a run that was stopped
                _append(ledger, page, _origin(file, sha256, number, last=False))
            number += 1
    if not n_records and (skipped or not file.stat().st_size):
        raise ValueError(f"{file}: expected {FORMATS}; found {_first_reason(skipped)}")
    quarantine = write_quarantine(
        ledger.work.path, skipped.rows(), file, inventory.quarantine_of(sha256)
    )
    end = {"ids": [], "followers": False, **_origin(file, sha256, number, last=True)}
    ledger.append("import", end, {"data": []})
    new = sum(ledger.counts().values()) - known
    return Imported(n_records, new, skipped.total, quarantine)


def _origin(file: Path, sha256: str, number: int, *, last: bool) -> dict[str, Any]:
    """Where a page comes from."""
    return {"file": sha256, "name": file.name, "page": number, "last": last}


def _append(ledger: Ledger, page: ArchivePage, origin: dict[str, Any]) -> None:
    require_space(ledger.work)
    ledger.append("import", {**page.request, **origin}, page.answer, page.captured)


def _first_reason(skipped: SkippedLines) -> str:
    if not skipped:
        return "an empty file"
    return f"line {skipped[0].line}: {skipped[0].reason}"


def _pages(records: Iterable[Record]) -> Iterator[ArchivePage]:
    """The records as pages of posts that were captured together, each post once."""
    latest: dict[str, Record] = {}
    for record in records:
        known = latest.get(record.id)
        if known is None or record.captured >= known.captured:
            latest[record.id] = record
    # A look-up is asked with or without authors, and answered at one time.
    groups: dict[tuple[str, bool], list[Record]] = {}
    for record in latest.values():
        key = (record.captured, record.counts_followers)
        groups.setdefault(key, []).append(record)
    for (captured, followers), group in groups.items():
        request = {"ids": [record.id for record in group], "followers": followers}
        yield ArchivePage(captured, request, _answer(group))


def _answer(records: list[Record]) -> dict[str, Any]:
    """What the API would have answered."""
    media: dict[str, Any] = {}
    users: dict[str, Any] = {}
    for record in records:
        for one in record.media:
            media[one["media_key"]] = one
        if record.user:
            users[record.user["id"]] = record.user
    return {
        "data": [record.post for record in records if record.post],
        "includes": {"media": list(media.values()), "users": list(users.values())},
        "errors": [record.error for record in records if record.error],
    }
