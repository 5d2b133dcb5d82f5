"""`reference.json` of a reference set: what it is, whose, under which licence, and which files it was made of.

Used by `twigma reference add`; shown by `twigma reference list` and the report.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twigma.builder.references.catalogue import Known
from twigma.core.files import write_json
from twigma.core.safety.failures import Failures
from twigma.core.workspace import AnyWorkspace

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

    def count(self, name: str, number: int) -> None:
        """Add to one of the counts; one of zero is not shown."""
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def add_origin(self, origin: str, licence: str | None = None) -> None:
        """Add an origin, and its licence where none was stated."""
        if origin not in self.about["origin"]:
            self.about["origin"].append(origin)
        if licence and self.about["licence"] == "not stated":
            self.about["licence"] = licence

    def require_kind(self, kind: str, path: Path) -> None:
        """ValueError when the set holds another kind of thing than `path` does."""
        if self.about.setdefault("kind", kind) != kind:
            raise ValueError(
                f"{path} holds {kind}, but {self.folder} holds {self.about['kind']}: use another name"
            )

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


def read_records(refs: AnyWorkspace) -> list[dict[str, Any]]:
    """The content of the records of all sets in a folder, by name."""
    paths = sorted(Path(refs).glob(f"*/{NAME}"))
    return [_read(path.parent) for path in paths]


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
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete {folder} and run again"
        ) from None
