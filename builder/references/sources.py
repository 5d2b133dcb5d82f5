"""Where the files of a reference set come from: paths, datasets of the Hub at one commit, one file of the web.

What was added before is not fetched again, and a second run asks no server anything. Used by `twigma reference add`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
NewFile = tuple[str, Callable[[], Path]]
FILES = ("*.parquet", "*.tar")  # taken of a dataset that is not in the table


def new_files(
    record: Record,
    known: Known,
    sources: Sequence[str],
    revision: str | None,
    endpoint: str | None,
) -> Iterator[NewFile]:
    """Every file that may be new: its key in the record, and what gives its path: a remote file is fetched by that."""
    if known.url:
        record.add_origin(known.url)
        if known.url not in record.files:
            fetch = partial(web_file, known.url, record.downloads, known.checksum)
            yield known.url, fetch
    if known.repo and known.files:
        yield from _of_hub(record, known.repo, known.files, revision, endpoint)
    for source in sources:
        path = Path(source)
        if not is_dataset(source):
            if path.absolute().parent == record.downloads.absolute():
                raise ValueError(
                    f"{path} is where downloads are deleted once they are added: move it elsewhere"
                )
            record.add_origin(path.name)
            yield str(path.absolute()), partial(Path, source)
        else:
            yield from _of_hub(record, source, known.files or FILES, revision, endpoint)


def is_dataset(source: str) -> bool:
    """Whether a source is a dataset ORG/NAME of the Hub, as no path of that name exists."""
    return not Path(source).exists() and REPO.fullmatch(source) is not None


def check_options(
    known: Known,
    sources: Sequence[str],
    files: Sequence[str],
    parts: Sequence[int],
    revision: str | None,
) -> None:
    """ValueError for an option of datasets of the Hub where there is none that it could be of."""
    from_hub = any(map(is_dataset, sources))
    if files and not from_hub:
        raise ValueError(
            "--files chooses among the files of a dataset: name it as ORG/NAME, or leave --files out"
        )
    if revision is not None and not from_hub and not known.repo:
        raise ValueError(
            f"--revision is of a dataset of the Hub, and {known.name} is made of none: leave it out"
        )
    is_diffusiondb = known.name == "diffusiondb" and not sources
    if tuple(parts) != (1,) and not is_diffusiondb:
        raise ValueError(
            "--parts is of DiffusionDB, `twigma reference add diffusiondb`: leave it out"
        )


def _of_hub(
    record: Record,
    repo: str,
    patterns: tuple[str, ...],
    revision: str | None,
    endpoint: str | None,
) -> Iterator[NewFile]:
    """The files of a dataset that match `patterns` and are not in the set yet."""
    commit = commit_of(record, repo, revision, endpoint)
    listings: dict[str, list[str]] = record.about["listed"]
    listing = f"{repo}@{commit}: {' '.join(patterns)}"
    if listing not in listings:
        listings[listing] = hub_files(repo, commit, patterns, endpoint)
    for path in listings[listing]:
        key = f"{repo}@{commit}/{path}"
        if key not in record.files:
            yield (
                key,
                partial(hub_file, repo, path, commit, record.downloads, endpoint),
            )


def commit_of(
    record: Record, repo: str, revision: str | None, endpoint: str | None
) -> str:
    """The commit of a dataset this set is made of: the one asked for, else that of the last run, else the newest."""
    commits: dict[str, str] = record.about["revisions"]
    if repo not in commits or revision not in (None, commits[repo]):
        commits[repo], licence = dataset_facts(repo, revision, endpoint)
        record.add_origin(f"https://huggingface.co/datasets/{repo}", licence)
    return commits[repo]
