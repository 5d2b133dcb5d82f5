"""`twigma publish zenodo`: a release as a record of Zenodo, with a DOI.

Dry by default. A draft is created or resumed, files that differ are sent and compared by MD5, and the draft is
published last, which cannot be undone. The release stays as it is: record and DOI are remembered in the working folder
(`publications.py`), where the next version finds its record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import twigma
from twigma.builder.publish import publications
from twigma.builder.publish.publications import Place, Publication
from twigma.builder.publish.removed_rows import RemovedRows
from twigma.builder.publish.zenodo_calls import Record
from twigma.builder.publish.zenodo_client import (
    Zenodo,
    doi_of,
    is_complete,
    version_of,
)
from twigma.builder.publish.zenodo_metadata import record_metadata
from twigma.builder.release.identity import identity_of_release
from twigma.builder.release.privacy_check import check_privacy
from twigma.core.progress import progress_bar
from twigma.core.services.download import digest
from twigma.core.workspace import AnyWorkspace, Workspace

ZENODO, SANDBOX = "https://zenodo.org", "https://sandbox.zenodo.org"
MOST_FILES, MOST_BYTES = 100, 50 * 10**9  # of a record, without a larger quota


@dataclass(frozen=True)
class LocalFile:
    """One file of a release: where it is, bytes, and MD5 as Zenodo writes it."""

    path: Path
    size: int
    md5: str


@dataclass(frozen=True)
class Deposit:
    """What publishing does: the version, its record ("" when one is to be made) and DOI, every file's state, bytes."""

    server: str
    version: str
    record: str
    doi: str
    files: dict[str, str]
    sending: int
    published: bool

    @property
    def changes(self) -> list[str]:
        """The files that are not as they should be in the record."""
        return [path for path, state in self.files.items() if state != "unchanged"]


def publish_zenodo(
    release: Path,
    work: AnyWorkspace = "work",
    *,
    go: bool = False,
    record: str | None = None,
    sandbox: bool = False,
    url: str | None = None,
    token: str | None = None,
) -> Deposit:
    """Bring a record to the state of a release folder, and publish it; with `go`; else only say what would change.

    It becomes the next version of `record`, else of the record that was published from `work` before; without either
    a new one is made, of what the release says it is. A draft that an earlier run left is taken up again. The token is
    $ZENODO_TOKEN. What needs none is refused without `go`, too. Raises ValueError when the folder is no complete
    release, still holds rows that were removed, is too large for a record, names no creators for a new one, or the
    record has this version with other files; FileNotFoundError when there is no such record, PermissionError when
    Zenodo refuses the token, RuntimeError when another process publishes, OSError when Zenodo does not answer.
    """
    release = Path(release)
    twigma.check_files(release)
    check_privacy(release)
    RemovedRows(release, work)  # refuses a release that still holds any
    version = str(twigma.read_manifest(release)["version"])
    files = local_files(release)
    server = url or (SANDBOX if sandbox else ZENODO)
    place = Place("zenodo", server, sandbox, identity_of_release(release).name)
    work = Workspace(work)
    if record is None and publications.last_publication(work, place) is None:
        record_metadata(release, version)  # refuses what a new record cannot say
    with Zenodo(server, token, needs_token=go) as zenodo:
        if not go:
            current = _published(zenodo, work, place, record, version)
            return _compare(place, files, version, current)
        with work.lock_publications():
            current = _published(zenodo, work, place, record, version)
            deposit = _compare(place, files, version, current)
            if not deposit.published:
                if current is None:
                    draft = _draft(zenodo, work, place, release, version)
                else:
                    draft = zenodo.new_version(str(current["id"]))
                current = _carry_out(zenodo, files, version, draft)
                deposit = replace(deposit, record=str(current["id"]), published=True)
            return _remember(work, place, deposit, current)


def local_files(release: Path) -> dict[str, LocalFile]:
    """The files of a release by the name they have in a record, which knows no folders; MANIFEST.json last.

    ValueError when two have the same name, or they are too many or too large for a record.
    """
    names = [*sorted(twigma.read_manifest(release)["files"]), "MANIFEST.json"]
    files: dict[str, LocalFile] = {}
    for name in names:
        path = release / name
        if path.name in files:
            raise ValueError(
                f"{files[path.name].path} and {path} have one name, and a record of Zenodo has no folders: rename one"
            )
        files[path.name] = LocalFile(path, path.stat().st_size, digest(path, "md5"))
    if len(files) > MOST_FILES:
        raise ValueError(
            f"a record of Zenodo holds at most {MOST_FILES} files, {release} has {len(files)}: publish it on the Hub"
        )
    total = sum(file.size for file in files.values())
    if total > MOST_BYTES:
        raise ValueError(
            f"a record of Zenodo holds at most {MOST_BYTES / 1e9:.0f} GB, {release} has {total / 1e9:,.1f} GB: "
            "publish it on the Hub, or release it without embeddings"
        )
    return files


# ------------------------------------------------------------------ the record


def _published(
    zenodo: Zenodo, work: Workspace, place: Place, record: str | None, version: str
) -> Record | None:
    """The published record to compare with and to continue; None when a new one is to be made."""
    remembered = publications.last_publication(work, place)
    number, must_exist = record, True
    if record is None and remembered is not None:
        number, must_exist = remembered.record, remembered.published
    if number is None:
        return None
    current = zenodo.published(number, version)
    if current is None and must_exist:
        raise FileNotFoundError(
            f"no record {number} is published on {place.server}: is it the right number, and the right server? The "
            f"sandbox has records of its own; {work.publications_file} holds those published from here"
        )
    return current


def _draft(
    zenodo: Zenodo,
    work: Workspace,
    place: Place,
    release: Path,
    version: str,
) -> Record:
    """The draft of a new record: the one an earlier run left, or one that is made now."""
    remembered = publications.last_publication(work, place)
    if remembered is not None and not remembered.published:
        draft = zenodo.read_draft(remembered.record)
        if draft is not None:
            return draft
    draft = zenodo.create(record_metadata(release, version))
    entry = Publication(place, version, str(draft["id"]), published=False)
    publications.remember(work, entry)
    return draft


def _carry_out(
    zenodo: Zenodo, files: dict[str, LocalFile], version: str, draft: Record
) -> Record:
    """Bring a draft to the state of a release, and publish it; the record."""
    zenodo.reserve_doi(draft)
    zenodo.describe(draft, version)
    states, sending = _states(files, zenodo.files(draft))
    for name, state in states.items():
        if state == "removed":
            zenodo.remove(draft, name)
    with progress_bar(total=sending, desc="send", unit="B", unit_scale=True) as bar:
        for name, file in files.items():
            if states[name] != "unchanged":
                zenodo.send(draft, name, file.path, file.md5, bar)
    states, _ = _states(files, zenodo.files(draft))
    for name, state in states.items():
        if state != "unchanged":
            raise OSError(
                f"{name} is not in record {draft['id']} as it was sent: run again to send it once more"
            )
    return zenodo.publish(draft)


def _remember(
    work: Workspace, place: Place, deposit: Deposit, record: Record | None
) -> Deposit:
    """Write down what is published now; the deposit with its DOI."""
    record = record or {}
    doi = doi_of(record)
    publication = Publication(
        place, deposit.version, deposit.record, doi, doi_of(record.get("parent") or {})
    )
    publications.remember(work, publication)
    return replace(deposit, doi=doi)


# ------------------------------------------------------------------ comparing


def _compare(
    place: Place, files: dict[str, LocalFile], version: str, record: Record | None
) -> Deposit:
    """A release beside a published record, or None; ValueError where they are one version but differ."""
    record = record or {}
    states, sending = _states(files, record.get("files", []))
    deposit = Deposit(
        server=place.server,
        version=version,
        record=str(record.get("id", "")),
        doi=doi_of(record),
        files=states,
        sending=sending,
        published=version_of(record) == version,
    )
    if deposit.published and deposit.changes:
        raise ValueError(
            f"record {deposit.record} is version {version} already, with another {deposit.changes[0]}: re-create "
            "the release under a new --version"
        )
    return deposit


def _states(
    files: dict[str, LocalFile], remote: Sequence[Record]
) -> tuple[dict[str, str], int]:
    """What is to happen to every file (new, changed, unchanged or removed), and the bytes to send."""
    checksums: dict[str, str | None] = {}
    for entry in remote:
        checksums[str(entry["key"])] = None  # pending: sent again
        if is_complete(entry):
            checksums[str(entry["key"])] = str(entry.get("checksum"))
    states: dict[str, str] = {}
    sending = 0
    for name, file in files.items():
        if name not in checksums:
            states[name] = "new"
        elif checksums[name] == file.md5:
            states[name] = "unchanged"
        else:
            states[name] = "changed"
        if states[name] != "unchanged":
            sending += file.size
    for name in sorted(set(checksums) - set(files)):
        states[name] = "removed"
    return states, sending
