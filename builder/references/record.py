"""`reference.json` of a reference set: what it is, whose, under which licence, and which files it was made of.

Used by `twigma reference add`; shown by `twigma reference list` and the report.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twigma.builder.references.catalogue import Known
from twigma.core.files import write_json

NAME = "reference.json"


@dataclass
class Record:
    """The record of the set in `folder`; `about` is its content, `counts` and `notes` are what one run came to."""

    folder: Path
    about: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def files(self) -> dict[str, Any]:
        """What was taken in, by where it came from."""
        files: dict[str, Any] = self.about["files"]
        return files

    @property
    def downloads(self) -> Path:
        """Where files are until they are taken in."""
        return self.folder / "downloads"

    def count(self, what: str, number: int) -> None:
        """Add to one of the counts."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + number

    def came_from(self, origin: str, licence: str | None = None) -> None:
        """Note an origin, and its licence where none was stated."""
        if origin not in self.about["origin"]:
            self.about["origin"].append(origin)
        if licence and self.about["licence"] == "not stated":
            self.about["licence"] = licence

    def is_of(self, kind: str, path: Path) -> None:
        """ValueError when the set holds another kind of thing than `path` does."""
        if self.about.setdefault("kind", kind) != kind:
            raise ValueError(
                f"{path} holds {kind}, but {self.folder} holds {self.about['kind']}: use another name"
            )

    def took(self, key: str, facts: dict[str, Any]) -> None:
        """A file is in the set from now on."""
        self.files[key] = facts
        self.write()

    def write(self) -> None:
        """Write the record, unless it stands there."""
        path = self.folder / NAME
        if not path.exists() or json.loads(path.read_text("utf-8")) != self.about:
            write_json(path, self.about)


def open_record(
    folder: Path, known: Known, role: str | None = None, licence: str | None = None
) -> Record:
    """The record of a set, or a new one; what the user says of role and licence wins over what is known."""
    about = {
        "name": folder.name,
        "files": {},
        "origin": [],
        "revisions": {},
        "listed": {},
    } | _read(folder)
    told = {
        "licence": known.licence,
        "role": known.role,
        "note": known.note,
        "use": known.use,
    }
    about = {key: value for key, value in told.items() if value} | about
    about |= {
        key: value for key, value in {"role": role, "licence": licence}.items() if value
    }
    return Record(folder, about)


def read_records(refs: Path) -> list[dict[str, Any]]:
    """What the records of all sets in a folder say, by name."""
    return [_read(path.parent) for path in sorted(refs.glob(f"*/{NAME}"))]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not path.exists():
        if (folder / "images.parquet").exists():
            raise ValueError(
                f"{folder} is a working folder that `twigma reference add` did not make: use another name"
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
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
