"""Reference sets by name: `refs/NAME`, where each comes from, which role it plays, and that one model embedded all.

`twigma reference add` makes them and writes `reference.json` into each; any embedded working folder will do as well.
`twigma analyze --reference NAME` finds them here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twigma.builder.references.catalogue import TABLE
from twigma.builder.references.record import NAME as ABOUT
from twigma.builder.references.record import empty_set, read_about
from twigma.core.model_identity import describe, differing
from twigma.core.names import DEFAULT
from twigma.core.safety.failures import DataError
from twigma.core.workspace import Workspace
from twigma.dataset.release_folder import embedded_by

REFERENCES = Path("refs")
# Of LAION, ArtBench and DiffusionDB in the paper.
ROLES = ("photographs", "paintings", "prompts")


def find_reference(text: str, folder: Path = REFERENCES) -> tuple[str, Path]:
    """Name and folder of a reference set passed as NAME=FOLDER, or as NAME for `refs/NAME`.

    ValueError for a path without a name, or an address; FileNotFoundError where there is no such set, or an empty one.
    """
    name, mark, place = text.partition("=")
    if not name or (mark and not place):
        raise ValueError(
            f"--reference: expected NAME=FOLDER, or NAME for {folder}/NAME; found {text!r}"
        )
    if "://" in place:
        raise ValueError(
            f"--reference: expected a folder of this machine, found the address {place}: copy the set here"
        )
    if mark:
        _refuse_empty(Path(place))
        return name, Path(place)
    if _is_path(name):
        raise ValueError(
            f"--reference: {name} is a path: a reference set or working folder there is taken by "
            f"--reference NAME={name}; of pictures there, `twigma reference add NAME {name}` makes a set, which is "
            "taken by --reference NAME"
        )
    if not (folder / name).is_dir():
        known = sorted(path.name for path in folder.glob("*") if path.is_dir())
        makes = f"`twigma reference add {name}` makes it"
        if name not in TABLE:
            makes = f"`twigma reference add {name} PATH` makes one of pictures, embeddings or texts"
        raise FileNotFoundError(
            f"no reference set {name!r} in {folder} (there: {', '.join(known) or 'none'}): {makes}, and "
            "--reference NAME=FOLDER takes one from elsewhere"
        )
    _refuse_empty(folder / name)
    return name, folder / name


def _is_path(text: str) -> bool:
    """Whether a text names a folder rather than a set: no set is called `..`, `~` or a path of several parts.

    >>> _is_path("../p30"), _is_path("."), _is_path("artbench")
    (True, True, False)
    """
    return text.startswith((".", "~")) or "/" in text or os.sep in text


def _refuse_empty(folder: Path) -> None:
    """FileNotFoundError where `twigma reference add` began a set, and nothing was added."""
    if (folder / ABOUT).exists() and not Workspace(folder).images_file.exists():
        raise FileNotFoundError(empty_set(folder))


def about(folder: Path) -> dict[str, Any]:
    """What `reference.json` records of a set: origin, licence, role, …; nothing where there is none."""
    if not (folder / ABOUT).exists():
        return {}
    return read_about(folder)


def roles(references: Mapping[str, Path]) -> dict[str, str]:
    """Which set plays which role of the paper: the one of that name, or the first that was made for it."""
    folders = {name: path for name, path in references.items() if path.is_dir()}
    made_for = {name: about(folder).get("role") for name, folder in folders.items()}
    sets = {}
    for role in ROLES:
        candidates = [name for name, made in made_for.items() if made == role]
        if role in references or not candidates:
            sets[role] = role
        else:
            sets[role] = candidates[0]
    return sets


def refuse_other_models(
    release: Path, references: Mapping[str, Path], embedding: str = DEFAULT
) -> None:
    """ValueError when the embeddings of that name of two sets are by different models, as far as that is known."""
    folders = {"the studied images": release}
    for name, folder in references.items():
        folders[f"the reference set {name}"] = folder
    models = {name: embedded_by(folder, embedding) for name, folder in folders.items()}
    known = [(name, model) for name, model in models.items() if model]
    if not known:
        return
    first, ours = known[0]
    for name, theirs in known[1:]:
        key = differing(theirs, ours)
        if key is not None:
            raise DataError(
                f"{name} was embedded by another model than {first}: {describe(theirs, key)} and "
                f"{describe(ours, key)} cannot be compared; embed both by one: "
                "`twigma embed --work FOLDER --model …`, `twigma reference add`"
            )
