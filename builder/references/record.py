"""`reference.json` of a reference set: what it is, whose, under which licence, and which files it was made of.

Used by `twigma reference add`; shown by `twigma reference list` and the report.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twigma.builder.references.catalogue import Known
from twigma.core.files import write_json
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images import shards

NAME = "reference.json"


@dataclass
class Record:
    """The record of the set in `folder`: `about` is its content, `counts`, `notes` and `failures` are of this run."""

    folder: Path
    about: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def files(self) -> dict[str, Any]:
        """What the set was made of, by origin."""
        files: dict[str, Any] = self.about["files"]
        return files

    @property
    def downloads(self) -> Path:
        """Folder of downloads, which are deleted once they are added."""
        return self.folder / "downloads"

    def is_empty(self) -> bool:
        """Whether nothing that can be compared was added: no text, no embedding, no image that can be read."""
        manifests = shards.manifests(self.folder)
        if manifests:
            return not any(shards.read_manifest(shard).samples for shard in manifests)
        return not Workspace(self.folder).images_file.exists()

    def discard(self) -> None:
        """Delete the folder of a set to which nothing was added; one with downloads stays, for they are resumed."""
        has_downloads = self.downloads.is_dir() and any(self.downloads.iterdir())
        if self.folder.is_dir() and self.is_empty() and not has_downloads:
            shutil.rmtree(self.folder)

    def count(self, name: str, number: int) -> None:
        """Add to one of the counts; one of zero is not shown."""
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def count_images(self, added: dict[str, int]) -> None:
        """Add the counts of `folder.add_images`."""
        self.count("images", added["images"])
        self.count("images that cannot be read", added["failed"])
        self.count("rows without an image", added["without"])

    def add_origin(self, origin: str, licence: str | None = None) -> None:
        """Add an origin, and its licence where none was stated."""
        if origin not in self.about["origin"]:
            self.about["origin"].append(origin)
        if licence and self.about["licence"] == "not stated":
            self.about["licence"] = licence

    def require_kind(self, kind: str, path: Path) -> None:
        """ValueError when the set holds another kind of thing than `path` does."""
        if self.is_empty():
            # A file that was refused does not decide what the set is of.
            self.about["kind"] = kind
        elif self.about.setdefault("kind", kind) != kind:
            raise ValueError(
                f"{path} holds {kind}, but {self.folder} holds {self.about['kind']}: use another name"
            )

    def stem_of(self, key: str, path: Path) -> str:
        """What the rows of a file are named after: its stem, with a number where another file of the set has it."""
        before = self.files.get(key, {})
        if "stem" in before:
            return str(before["stem"])
        taken = set()
        for other, facts in self.files.items():
            if other != key:
                taken.add(facts.get("stem", Path(other).stem))
        stem, number = path.stem, 1
        while stem in taken:
            number += 1
            stem = f"{path.stem}-{number}"
        return stem

    def add_file(self, key: str, facts: dict[str, Any]) -> None:
        """Record a file whose content is in the set from now on."""
        self.files[key] = facts
        self.write()

    def write(self) -> None:
        """Write the record, unless the file holds it already."""
        path = self.folder / NAME
        if not path.exists() or json.loads(path.read_text("utf-8")) != self.about:
            write_json(path, self.about)


def open_record(
    folder: AnyWorkspace,
    known: Known,
    role: str | None = None,
    licence: str | None = None,
) -> Record:
    """The record of a set, or a new one; the user's `role` and `licence` win over the record, the record over `known`.

    ValueError where the folder holds something else, or its record is damaged.
    """
    folder = Path(folder)
    about: dict[str, Any] = {
        "name": folder.name,
        "files": {},
        "origin": [],
        "revisions": {},
        "listed": {},
    }
    catalogue = {
        "licence": known.licence,
        "role": known.role,
        "note": known.note,
        "use": known.use,
    }
    about.update({key: value for key, value in catalogue.items() if value})
    about.update(_read(folder))
    if role:
        about["role"] = role
    if licence:
        about["licence"] = licence
    return Record(folder, about)


def refuse_texts(what: object, kinds: set[str], role: str | None) -> None:
    """ValueError where texts are to take the place of images."""
    if role is not None and "texts" in kinds:
        raise ValueError(
            f"--role {role} is a place of images or their embeddings, and {what} holds texts: leave --role out"
        )


@dataclass(frozen=True)
class StoredRecord:
    """The record of a set as it is stored: its content, and why the set cannot be used, empty where it can."""

    folder: Path
    about: dict[str, Any]
    problem: str = ""


def read_records(refs: AnyWorkspace) -> list[StoredRecord]:
    """The records of all sets in a folder, by name; one that is damaged, or of a set without content, says so."""
    paths = sorted(Path(refs).glob(f"*/{NAME}"))
    return [_stored(path.parent) for path in paths]


def _stored(folder: Path) -> StoredRecord:
    try:
        about = _read(folder)
    except (ValueError, OSError) as error:
        return StoredRecord(folder, {}, str(error))
    if not Workspace(folder).images_file.exists():
        return StoredRecord(folder, about, empty_set(folder))
    return StoredRecord(folder, about)


def empty_set(folder: Path) -> str:
    """What is wrong with a set to which nothing was added, and what to do."""
    return (
        f"{folder} holds a {NAME} and nothing to compare with: `twigma reference add {folder.name}` was refused or "
        f"stopped; run it again, or delete {folder}"
    )


def _read(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not path.exists():
        if (folder / "images.parquet").exists():
            raise ValueError(
                f"{folder} is a working folder that `twigma reference add` did not make: use another name"
            )
        is_other = folder.exists() and not folder.is_dir()
        if is_other or (folder.is_dir() and any(folder.iterdir())):
            raise ValueError(
                f"{folder} holds files, and no {NAME} of `twigma reference add`: use another name"
            )
        return {}
    return read_about(folder)


def read_about(folder: Path) -> dict[str, Any]:
    """The content of the record of a set; ValueError where it is damaged, FileNotFoundError where there is none."""
    path = folder / NAME
    try:
        about: Any = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise _damaged(folder, str(error)) from None
    if not isinstance(about, dict):
        raise _damaged(folder, f"expected an object, found {type(about).__name__}")
    return about


def _damaged(folder: Path, reason: str) -> ValueError:
    return ValueError(
        f"{folder / NAME} is damaged ({reason}): delete {folder} and run `twigma reference add` again"
    )
