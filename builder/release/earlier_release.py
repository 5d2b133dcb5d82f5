"""The release that is in a folder before another is written there: whether it is ours to replace, or up to date."""

import logging
from pathlib import Path
from typing import Any

import twigma
from twigma.builder.release.provenance import REVISION
from twigma.core.safety import owned_folders
from twigma.core.workspace import Workspace
from twigma.dataset.own_release import is_release_of


def refuse_foreign(out: Path) -> None:
    """ValueError unless `out` is missing, empty, or a release of ours with nothing beside it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        twigma.read_manifest(out)
    except ValueError as error:
        raise ValueError(
            f"{error}; it is left as it is: release to another folder"
        ) from None
    made = owned_folders.recognize(out)
    others = [] if made is None else owned_folders.foreign(made)
    if others:
        raise ValueError(
            f"{out} holds {owned_folders.name_files(others)}, which is not part of the release: move it away first"
        )


def refuse_another(out: Path, work: Workspace) -> None:
    """ValueError where `out` holds a release of another working folder, or one that somebody published."""
    if not (out / "MANIFEST.json").exists() or is_release_of(out, work):
        return
    identity = twigma.read_manifest(out).get("identity", {})
    raise ValueError(
        f"{out} holds a release of another dataset, {identity.get('name')!r}, which a release of {work} does not "
        "replace: name another folder with --out, or move it away"
    )


def current_counts(out: Path, inputs: str) -> dict[str, Any] | None:
    """The counts of the release in `out` when it is complete and made from these inputs; else None."""
    if not (out / "MANIFEST.json").exists():
        return None
    manifest = twigma.read_manifest(out)
    try:
        twigma.check_files(out)
    except ValueError:
        return None  # damaged
    revision = manifest.get("revision", 0)
    if revision != REVISION:
        logging.getLogger(__name__).warning(
            "%s was made by revision %s of the release, this is revision %s: it is re-created",
            out,
            revision,
            REVISION,
        )
    if manifest.get("inputs") != inputs:
        return None
    counts: dict[str, Any] = manifest["counts"]
    return counts
