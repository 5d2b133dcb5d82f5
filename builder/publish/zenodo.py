"""`twigma publish zenodo`: a release as a record of Zenodo, with its DOI in the card.

Dry by default. Zenodo speaks the InvenioRDM API: a draft is created or resumed, its DOI reserved and written into the
card, files that differ are sent and compared by MD5. The draft is published last, which cannot be undone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import twigma
from twigma.builder.publish.zenodo_client import Record, Zenodo
from twigma.builder.release.card import with_doi
from twigma.builder.release.privacy_check import check_privacy
from twigma.core.files import atomic, file_sha256, write_json
from twigma.core.progress import progress_bar
from twigma.core.services.download import digest

ZENODO, SANDBOX = "https://zenodo.org", "https://sandbox.zenodo.org"


@dataclass(frozen=True)
class Deposit:
    """What publishing does: the version, its record ("" when one is to be made) and DOI, every file's state, bytes."""

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
    *,
    go: bool = False,
    record: str | None = None,
    creators: Sequence[str] = (),
    url: str = ZENODO,
    token: str | None = None,
) -> Deposit:
    """Bring a record to the state of a release folder, and publish it; with `go`; else only say what would change.

    Without `record` a new one is made, by `creators` ("Family, Given"); with it, a new version of that record. A draft
    that an earlier run left is taken up again. The token is $ZENODO_TOKEN. Raises ValueError when the folder is no
    complete release or the record has this version with other files, PermissionError when Zenodo refuses the token,
    OSError when it does not answer.
    """
    release = Path(release)
    twigma.check_files(release)
    check_privacy(release)
    version = str(twigma.read_manifest(release)["version"])
    with Zenodo(url, token, needs_token=go) as zenodo:
        deposit = _compare(release, version, zenodo.published(record, version))
        if deposit.published and deposit.changes:
            raise ValueError(
                f"record {deposit.record} is version {version} already, with another {deposit.changes[0]}: re-create "
                "the release under a new --release-version"
            )
        if not go or deposit.published:
            return deposit
        return _carry_out(zenodo, release, version, record, creators)


def _carry_out(
    zenodo: Zenodo,
    release: Path,
    version: str,
    record: str | None,
    creators: Sequence[str],
) -> Deposit:
    draft = zenodo.draft(record, version, creators)
    doi = zenodo.reserve_doi(draft)
    write_doi(release, doi)
    deposit = _compare_draft(zenodo, release, version, draft)
    zenodo.describe(draft, version)
    with progress_bar(
        total=deposit.sending, desc="send", unit="B", unit_scale=True
    ) as bar:
        for name, path in _local(release).items():
            if deposit.files[name] != "unchanged":
                zenodo.send(draft, name, path, bar)
    for name, state in deposit.files.items():
        if state == "removed":
            zenodo.remove(draft, name)
    left = _compare_draft(zenodo, release, version, draft).changes
    if left:
        raise OSError(
            f"{left[0]} is not in record {draft['id']} as it was sent: run again to send it once more"
        )
    zenodo.publish(draft)
    return replace(deposit, doi=doi, published=True)


def write_doi(release: Path, doi: str) -> None:
    """Write the DOI into the card of a release, and the card's new hash into MANIFEST.json."""
    card = release / "README.md"
    before = card.read_text("utf-8")
    text = with_doi(before, doi)
    if text == before:
        return
    with atomic(card) as partial:
        partial.write_text(text, "utf-8")
    manifest = twigma.read_manifest(release)
    manifest["files"]["README.md"] = {
        "bytes": card.stat().st_size,
        "sha256": file_sha256(card),
    }
    write_json(release / "MANIFEST.json", manifest)


def _local(release: Path) -> dict[str, Path]:
    """The files of a release by name; MANIFEST.json last."""
    names = sorted(twigma.read_manifest(release)["files"])
    return {name: release / name for name in [*names, "MANIFEST.json"]}


def _compare_draft(
    zenodo: Zenodo, release: Path, version: str, draft: Record
) -> Deposit:
    """A release beside what a draft has received."""
    return _compare(release, version, {**draft, "files": zenodo.files(draft)})


def _compare(release: Path, version: str, remote: Record | None) -> Deposit:
    """A release beside a record; None where there is none."""
    record: Record = remote or {}
    local = _local(release)
    checksums: dict[str, str] = {}
    for file in record.get("files", []):
        checksums[str(file["key"])] = str(file.get("checksum"))
    states: dict[str, str] = {}
    sending = 0
    for name, path in local.items():
        states[name] = _state(path, checksums.get(name))
        if states[name] != "unchanged":
            sending += path.stat().st_size
    for name in sorted(set(checksums) - set(local)):
        states[name] = "removed"
    doi = (record.get("pids") or {}).get("doi", {}).get("identifier", "")
    same_version = record.get("metadata", {}).get("version") == version
    return Deposit(
        version=version,
        record=str(record.get("id", "")),
        doi=str(doi),
        files=states,
        sending=sending,
        published=bool(record.get("is_published")) and same_version,
    )


def _state(path: Path, checksum: str | None) -> str:
    if checksum is None:
        return "new"
    return "unchanged" if checksum == digest(path, "md5") else "changed"
