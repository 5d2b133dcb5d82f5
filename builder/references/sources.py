"""Where the files of a reference set come from: paths, datasets of the Hub at one commit, one file of the web.

What was taken before is not fetched again, and a second run asks no server anything. Used by `twigma reference add`.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from twigma.builder.references.catalogue import Known
from twigma.builder.references.hub_files import (
    dataset_facts,
    hub_file,
    hub_files,
    web_file,
)
from twigma.builder.references.record import Record

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = ("*.parquet", "*.tar")  # taken of a dataset that is not in the table


def new_files(
    record: Record,
    known: Known,
    sources: Sequence[str],
    revision: str | None,
    endpoint: str | None,
) -> Iterator[tuple[str, Path]]:
    """Every file that may be new: what it is called in the record, and where it lies, fetched only now."""
    if known.url:
        record.came_from(known.url)
        if known.url not in record.files:
            yield known.url, web_file(known.url, record.downloads, known.checksum)
    if known.repo and known.files:
        yield from _of_hub(record, known.repo, known.files, revision, endpoint)
    for source in sources:
        path = Path(source)
        if path.exists() or not REPO.fullmatch(source):
            if path.absolute().parent == record.downloads.absolute():
                raise ValueError(
                    f"{path} is where downloads are deleted once they are taken in: move it elsewhere"
                )
            record.came_from(path.name)
            yield str(path.absolute()), path
        else:
            yield from _of_hub(record, source, known.files or FILES, revision, endpoint)


def _of_hub(
    record: Record,
    repo: str,
    patterns: tuple[str, ...],
    revision: str | None,
    endpoint: str | None,
) -> Iterator[tuple[str, Path]]:
    at = f"{repo}@{commit_of(record, repo, revision, endpoint)}"
    listed: dict[str, list[str]] = record.about["listed"]
    asked = f"{at}: {' '.join(patterns)}"
    if asked not in listed:
        listed[asked] = hub_files(repo, at.partition("@")[2], patterns, endpoint)
    for path in listed[asked]:
        if f"{at}/{path}" not in record.files:
            yield (
                f"{at}/{path}",
                hub_file(repo, path, at.partition("@")[2], record.downloads, endpoint),
            )


def commit_of(
    record: Record, repo: str, revision: str | None, endpoint: str | None
) -> str:
    """The commit of a dataset this set is made of: the one asked for, the one of before, or the newest."""
    kept: dict[str, str] = record.about["revisions"]
    if repo not in kept or revision not in (None, kept[repo]):
        kept[repo], licence = dataset_facts(repo, revision, endpoint)
        record.came_from(f"https://huggingface.co/datasets/{repo}", licence)
    return kept[repo]
