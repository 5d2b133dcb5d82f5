"""Reference sets by name: `refs/NAME`, where each comes from, which role it plays, and that one model embedded all.

`twigma reference add` makes them and writes `reference.json` into each; any embedded working folder will do as well.
`twigma analyze --reference NAME` finds them here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twigma.core.embedding_model import describe, differing, embedded_by

REFERENCES = Path("refs")
ABOUT = "reference.json"
ROLES = (
    "photographs",
    "paintings",
    "prompts",
)  # of LAION, ArtBench and DiffusionDB in the paper


def find_reference(text: str, folder: Path = REFERENCES) -> tuple[str, Path]:
    """Name and folder of a reference set given as NAME=FOLDER, or as NAME for `refs/NAME`."""
    name, mark, place = text.partition("=")
    if not name or (mark and not place):
        raise ValueError(
            f"--reference: expected NAME=FOLDER, or NAME for {folder}/NAME; found {text!r}"
        )
    if mark:
        return name, Path(place)
    if not (folder / name).is_dir():
        known = (
            ", ".join(sorted(path.name for path in folder.glob("*") if path.is_dir()))
            or "none"
        )
        raise FileNotFoundError(
            f"no reference set {name!r} in {folder} (there: {known}): `twigma reference add {name}` makes it, and "
            "--reference NAME=FOLDER takes one from elsewhere"
        )
    return name, folder / name


def about(folder: Path) -> dict[str, Any]:
    """What `reference.json` says of a set: origin, licence, role, …; nothing where there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
        return found
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(
            f"{folder / ABOUT} is damaged ({error}): delete it and run `twigma reference add`"
        ) from None


def roles(references: Mapping[str, Path]) -> dict[str, str]:
    """Which set plays which role of the paper: the one of that name, or the first that was made for it."""
    played = {
        name: about(folder).get("role")
        for name, folder in references.items()
        if folder.is_dir()
    }
    found = {}
    for role in ROLES:
        named = (
            [role]
            if role in references
            else [name for name, part in played.items() if part == role]
        )
        found[role] = named[0] if named else role
    return found


def refuse_other_models(release: Path, references: Mapping[str, Path]) -> None:
    """ValueError when two sets to be compared were embedded by different models, as far as that is known."""
    models = {"the studied images": embedded_by(release)}
    models |= {
        f"the reference set {name}": embedded_by(folder)
        for name, folder in references.items()
    }
    known = [(name, found) for name, found in models.items() if found]
    for (first, ours), (name, theirs) in ((known[0], other) for other in known[1:]):
        key = differing(theirs, ours)
        if key is not None:
            raise ValueError(
                f"{name} was embedded by another model than {first}: {describe(theirs, key)} and {describe(ours, key)} "
                "cannot be compared; embed both by one: `twigma embed --work FOLDER --model …`, `twigma reference add`"
            )
