"""What `twigma publish hub` would change: a release beside what a repository of the Hub holds. Only reads."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.utils.sha import git_hash

from twigma.builder.publish.hub_card import EDITED
from twigma.builder.publish.hub_client import HubRepository
from twigma.builder.publish.hub_history import Place
from twigma.builder.release.privacy_check import FILES
from twigma.core.files import file_sha256

GATES = ("none", "auto", "manual")  # from open to closed
FIRST_GATE = "auto"  # of a new repository
OF_THE_HUB = {".gitattributes"}

Files = Mapping[str, Path | bytes]


@dataclass(frozen=True)
class Setting:
    """A setting of the repository now ("" before there is one), and after publishing."""

    now: str
    then: str

    @property
    def is_changed(self) -> bool:
        """Whether publishing changes it."""
        return self.now != self.then

    @property
    def opens(self) -> bool:
        """Whether a change of access lets more people in; a new repository has nobody to let in yet."""
        return bool(self.now) and GATES.index(self.then) < GATES.index(self.now)

    def __str__(self) -> str:
        if not self.now:
            return self.then
        return f"{self.now} → {self.then}" if self.is_changed else self.now


@dataclass(frozen=True)
class Publication:
    """What publishing changes: every file (path to new, changed, removed or unchanged), settings, tags, bytes to send.

    `exists`: the repository is there already; `tagged`: this version is published, with exactly these tables.
    `places` still hold rows that were removed on request; `erased` large files were deleted from the Hub's storage.
    """

    repo: str
    tag: str
    exists: bool
    tagged: bool
    files: dict[str, str]
    sending: int
    access: Setting
    visibility: Setting
    tags: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    erased: int = 0
    done: bool = False

    @property
    def changes(self) -> list[str]:
        """The files that are not as they should be on the Hub."""
        return [path for path, state in self.files.items() if state != "unchanged"]

    @property
    def is_current(self) -> bool:
        """Whether nothing of files, tag and settings would change."""
        settings = self.access.is_changed or self.visibility.is_changed
        return self.tagged and not self.changes and not settings


def compare(
    hub: HubRepository, files: Files, tag: str, gated: str | None, private: bool | None
) -> tuple[Publication, Any]:
    """What is on the Hub beside what is to be there, and the newest commit as `DatasetInfo`; reads only."""
    head = hub.info()
    if head is None:
        visible = {None: "as its namespace has it", True: "private", False: "public"}
        plan = Publication(
            repo=hub.name,
            tag=tag,
            exists=False,
            tagged=False,
            files=dict.fromkeys(sorted(files), "new"),
            sending=sum(map(_size, files.values())),
            access=Setting("", gated or FIRST_GATE),
            visibility=Setting("", visible[private]),
        )
        return plan, None
    states = file_states(files, head)
    _refuse_foreign(hub, files, states)
    tags = hub.tags()
    if tag in tags:
        _refuse_other_tables(hub, files, tag)
        tables = {path for path in states if path not in EDITED}
        if any(states[path] != "unchanged" for path in tables):
            states = dict.fromkeys(states, "unchanged")  # a later version is at main
            states = {path: states[path] for path in files}
    sent = [path for path, state in states.items() if state in ("new", "changed")]
    plan = Publication(
        repo=hub.name,
        tag=tag,
        exists=True,
        tagged=tag in tags,
        files=states,
        sending=sum(_size(files[path]) for path in sent),
        access=_access(head, gated),
        visibility=_visibility(head, private),
        tags=tuple(tags),
    )
    return plan, head


def _access(head: Any, gated: str | None) -> Setting:
    now = str(head.gated or "none")
    if gated is not None:
        return Setting(now, gated)
    # A run that stopped right after it made the repository has not gated it.
    is_empty = {file.rfilename for file in head.siblings} <= OF_THE_HUB
    return Setting(now, FIRST_GATE if is_empty and now == "none" else now)


def _visibility(head: Any, private: bool | None) -> Setting:
    names = {True: "private", False: "public"}
    now = bool(head.private)
    return Setting(names[now], names[now if private is None else private])


def _refuse_foreign(
    hub: HubRepository, files: Files, states: Mapping[str, str]
) -> None:
    """ValueError where the repository holds a file that no release has."""
    for path in states:
        if path not in files and not FILES.fullmatch(path):
            raise ValueError(
                f"{hub.name} holds {path!r}, which is of no release: publish to another repository"
            )


def _refuse_other_tables(hub: HubRepository, files: Files, tag: str) -> None:
    """ValueError where a published version has other files than these; its card alone may be corrected."""
    for path, state in file_states(files, hub.info(tag)).items():
        if state != "unchanged" and path not in EDITED:
            raise ValueError(
                f"{hub.name} has {tag} already, with another {path}: make the release again under a new "
                "--version"
            )


def file_states(files: Files, remote: Any) -> dict[str, str]:
    """Whether each file is new, changed, removed or unchanged, beside a `DatasetInfo`."""
    there = {}
    for file in remote.siblings:
        if file.rfilename not in OF_THE_HUB:
            there[file.rfilename] = file
    states = {path: _state(files[path], there.get(path)) for path in sorted(files)}
    return states | dict.fromkeys(sorted(set(there) - set(files)), "removed")


def _state(local: Path | bytes, remote: Any) -> str:
    """Compare by what the Hub knows of a file: the SHA-256 of a large one, git's hash of a small one."""
    if remote is None:
        return "new"
    if remote.lfs is not None:
        same = remote.lfs.sha256 == _sha256(local)
    else:
        content = local if isinstance(local, bytes) else local.read_bytes()
        same = remote.blob_id == git_hash(content)
    return "unchanged" if same else "changed"


def _sha256(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return file_sha256(content)


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
