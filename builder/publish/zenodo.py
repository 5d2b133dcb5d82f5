"""`twigma publish zenodo`: a release as a record of Zenodo, with its DOI in the card.

Dry by default. Zenodo speaks the InvenioRDM API: a draft is made or found again, its DOI reserved and written into the
card, files that differ are sent and compared by MD5, and the draft is published last, which cannot be undone.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import twigma
from twigma.builder.publish.zenodo_client import Zenodo
from twigma.builder.release.privacy_check import check_privacy
from twigma.core.files import atomic, write_json
from twigma.core.progress import progress_bar

ZENODO, SANDBOX = "https://zenodo.org", "https://sandbox.zenodo.org"
DOI = re.compile(r"^DOI: .*$", re.MULTILINE)  # the line of the card that holds it


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
    """Bring a record to the state of a release folder, and publish it; with `go`, else only tell.

    Without `record` a new one is made, by `creators` ("Family, Given"); with it, a new version of that record. A draft
    that an earlier run left is taken up again. The token is $ZENODO_TOKEN. Raises ValueError when the folder is no
    whole release or the version stands in the record with other files, PermissionError when Zenodo refuses the token,
    OSError when it does not answer.
    """
    release = Path(release)
    twigma.check_files(release)
    check_privacy(release)
    version = str(twigma.read_manifest(release)["version"])
    with Zenodo(url, token, needs_token=go) as zenodo:
        published = zenodo.published(record, version)
        found = _compare(release, version, published)
        if found.published and found.changes:
            raise ValueError(
                f"record {found.record} is version {version} already, with another {found.changes[0]}: make the "
                "release again under a new --release-version"
            )
        if not go or found.published:
            return found
        return _carry_out(zenodo, release, version, record, creators)


def _carry_out(
    zenodo: "Zenodo",
    release: Path,
    version: str,
    record: str | None,
    creators: Sequence[str],
) -> Deposit:
    draft = zenodo.draft(record, version, creators)
    doi = zenodo.reserve_doi(draft)
    write_doi(release, doi)
    found = _compare(release, version, draft | {"files": zenodo.files(draft)})
    zenodo.describe(draft, version)
    with progress_bar(
        total=found.sending, desc="send", unit="B", unit_scale=True
    ) as bar:
        for name, path in _local(release).items():
            if found.files[name] != "unchanged":
                zenodo.send(draft, name, path, bar)
    for name in (name for name, state in found.files.items() if state == "removed"):
        zenodo.remove(draft, name)
    if left := _compare(
        release, version, draft | {"files": zenodo.files(draft)}
    ).changes:
        raise OSError(
            f"{left[0]} is not in record {draft['id']} as it was sent: run again to send it once more"
        )
    zenodo.publish(draft)
    return replace(found, doi=doi, published=True)


def write_doi(release: Path, doi: str) -> None:
    """Write the DOI into the card of a release, and the card's new hash into MANIFEST.json."""
    card = release / "README.md"
    text = DOI.sub(
        f"DOI: [{doi}](https://doi.org/{doi})", card.read_text("utf-8"), count=1
    )
    if text == card.read_text("utf-8"):
        return
    with atomic(card) as partial:
        partial.write_text(text, "utf-8")
    manifest = twigma.read_manifest(release)
    manifest["files"]["README.md"] = {
        "bytes": card.stat().st_size,
        "sha256": twigma.sha256(card),
    }
    write_json(release / "MANIFEST.json", manifest)


def _local(release: Path) -> dict[str, Path]:
    """The files of a release by the name they have in a record, which knows no folders; MANIFEST.json last."""
    paths = sorted(twigma.read_manifest(release)["files"])
    return {Path(path).name: release / path for path in [*paths, "MANIFEST.json"]}


def _compare(release: Path, version: str, remote: dict[str, Any] | None) -> Deposit:
    local = _local(release)
    there = {
        str(file["key"]): str(file.get("checksum"))
        for file in (remote or {}).get("files", [])
    }
    states = {name: _state(path, there.get(name)) for name, path in local.items()}
    sending = sum(
        local[name].stat().st_size
        for name, state in states.items()
        if state != "unchanged"
    )
    states |= dict.fromkeys(sorted(set(there) - set(local)), "removed")
    doi = str(((remote or {}).get("pids") or {}).get("doi", {}).get("identifier", ""))
    done = bool(
        remote
        and remote["is_published"]
        and remote["metadata"].get("version") == version
    )
    return Deposit(
        version, str(remote["id"]) if remote else "", doi, states, sending, done
    )


def _state(path: Path, checksum: str | None) -> str:
    if checksum is None:
        return "new"
    with path.open("rb") as file:
        return (
            "unchanged"
            if checksum == f"md5:{hashlib.file_digest(file, 'md5').hexdigest()}"
            else "changed"
        )
