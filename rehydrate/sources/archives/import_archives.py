"""`twigma import`: posts from archives on disk become pages like those that are bought, and rows of the images table.

An archive is read record by record; what cannot be read is skipped and listed with its line number. The pages go to
`WORK/pages/import.jsonl`. Each names its file and its number there: a stopped import resumes after the last one stored,
and importing a file again adds nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from twigma.core.safety.failures import FULL_DISK
from twigma.core.workspace import AnyWorkspace, inventory
from twigma.rehydrate.ids.damage import refuse_damaged
from twigma.rehydrate.ids.skipped_lines import SkippedLines, write_quarantine
from twigma.rehydrate.ledger.ledger import NOT_ASKED, Ledger
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.merge_snapshots import SKIPPED
from twigma.rehydrate.posts.page_store import require_space
from twigma.rehydrate.sources.archives.record import Record
from twigma.rehydrate.sources.archives.records import FORMATS, read_batches
from twigma.rehydrate.sources.archives.sources import Source, find_files, find_sources

HOPELESS = 10_000  # unreadable lines at the head of a file, after which it is given up
# What is wrong with the disk of the working folder; None where one of ours says so in a sentence.
STOPPING = (None, *FULL_DISK)


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


@dataclass
class ImportResult:
    """The result of an import.

    Attributes
    ----------
    imported : the result of each archive, by its path; a member of a zip is below the path of the zip.
    failures : why each of the others cannot be used, by its path.
    skipped : table (what, reason, count) of what the images table of the folder holds and leaves out.
    photos_unknown : posts of the folder of which no archive or search shows which photos they have.
    """

    imported: dict[Path, Imported] = field(default_factory=dict)
    failures: dict[Path, str] = field(default_factory=dict)
    skipped: pa.Table = field(default_factory=SKIPPED.empty_table)
    photos_unknown: int = 0


def import_archives(work: AnyWorkspace, paths: Iterable[str | Path]) -> ImportResult:
    """Store the posts of archives, then write `images.parquet`.

    A path is a file, a zip, or a folder, below which every archive is read. Nothing is bought. Of a post each field
    is that of the record captured last that has it; one without a time of capture replaces none that has one. An
    archive in which nothing can be read, or whose ids were rounded on the way, is among the failures, and the others
    are imported. Posts whose archives do not say whether they have photos are listed in `photos_unknown.csv`.
    """
    result = ImportResult()
    with Ledger(work) as ledger:
        try:
            for path in dict.fromkeys(map(Path, paths)):
                _import_path(ledger, path, result)
        finally:
            result.skipped = write_images_table(work)
            result.photos_unknown = ledger.list_photos_unknown()
    return result


def _import_path(ledger: Ledger, path: Path, result: ImportResult) -> None:
    """Import the archives of a file or folder; raises OSError only where the working folder cannot be written."""
    try:
        files = find_files(path)
    except (ValueError, OSError) as error:
        result.failures[path] = str(error)
        return
    for file in files:
        try:
            for source in find_sources(file):
                _import_source(ledger, source, result)
        except (ValueError, OSError) as error:
            _note_failure(result, file, error)


def _import_source(ledger: Ledger, source: Source, result: ImportResult) -> None:
    try:
        result.imported[source.path] = _import(ledger, source)
    except (ValueError, OSError) as error:
        _note_failure(result, source.path, error)


def _note_failure(result: ImportResult, path: Path, error: Exception) -> None:
    """Note why an archive cannot be used; raises the error where those after it would fail too."""
    if isinstance(error, OSError) and error.errno in STOPPING:
        raise error
    reason = str(error)
    if isinstance(error, OSError):
        reason = f"{path}: cannot be read ({error.strerror})"
    elif str(path) not in reason:
        reason = f"{path}: {reason}"
    result.failures[path] = reason


def _import(ledger: Ledger, source: Source) -> Imported:
    """Store one archive: page after page, then the list of skipped lines, then a page that says it was the last."""
    # An archive is known by its content: it may be moved, or imported under another name.
    stored, complete = ledger.imported(source.sha256)
    if complete:
        return Imported(0, 0, 0, None, before=True)
    n_records = number = new = 0
    skipped = SkippedLines()
    for records, bad_lines in read_batches(source):
        n_records += len(records)
        for line in bad_lines:
            skipped.note(*line)
        # Not an archive at all: do not list a million lines.
        if not n_records and skipped.total >= HOPELESS:
            break
        refuse_damaged(source.path, list(dict.fromkeys(one.id for one in records)))
        for page in _pages(records):
            # Those before it were stored by a run that was stopped.
            if number >= stored:
                new += _append(ledger, page, _origin(source, number, last=False))
            number += 1
    if not n_records and (skipped or not source.size):
        raise ValueError(
            f"{source.path}: expected {FORMATS}; found {_first_reason(skipped)}"
        )
    quarantine = write_quarantine(
        ledger.work.path,
        skipped.rows(),
        source.path,
        inventory.quarantine_of(source.sha256),
    )
    end = {"ids": [], "followers": False, **_origin(source, number, last=True)}
    ledger.append("import", end, {"data": []})
    return Imported(n_records, new, skipped.total, quarantine)


def _origin(source: Source, number: int, *, last: bool) -> dict[str, Any]:
    """Where a page comes from."""
    name = source.path.name
    return {"file": source.sha256, "name": name, "page": number, "last": last}


def _append(ledger: Ledger, page: ArchivePage, origin: dict[str, Any]) -> int:
    """Store a page; how many of its ids are new to the folder."""
    require_space(ledger.work)
    outcomes = ledger.outcomes(page.request["ids"])
    ledger.append("import", {**page.request, **origin}, page.answer, page.captured)
    return sum(outcome == NOT_ASKED for outcome in outcomes.values())


def _first_reason(skipped: SkippedLines) -> str:
    if not skipped:
        return "an empty file"
    return f"line {skipped[0].line}: {skipped[0].reason}"


def _pages(records: Iterable[Record]) -> Iterator[ArchivePage]:
    """The records as pages of posts that were captured together, each post once a page.

    A post may be there several times, with other fields: each adds what it has.
    """
    seen: dict[str, list[Record]] = {}
    # A look-up is asked with or without authors, and answered at one time.
    groups: dict[tuple[int, str, bool], list[Record]] = {}
    for record in records:
        others = seen.setdefault(record.id, [])
        if record in others:
            continue
        key = (len(others), record.captured, record.counts_followers)
        groups.setdefault(key, []).append(record)
        others.append(record)
    for key in sorted(groups, key=lambda key: key[0]):
        group = groups[key]
        _, captured, followers = key
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
