"""Images that a reader chose in the explorer, for `--select` of other commands.

The page saves JSON: the release it was made from, and the images by id, or by row where the page holds no ids. A
sheet with a column image_name is a selection too, such as the table that the page saves.
"""

import json
from pathlib import Path
from typing import Any

from twigma.core.lists import read_sheet
from twigma.core.parts import fingerprint
from twigma.dataset.opened_release import Release
from twigma.dataset.table_files import select_tables

FORMAT = "twigma selection"


def release_hash(release: Release) -> str:
    """What tells this release from another: the hash of the hashes of its metadata files."""
    files = release.manifest["files"]
    return fingerprint({name: files[name] for name in select_tables("metadata", files)})


def read_selection(path: Path, release: Release) -> set[str]:
    """The `image_name` of the images that were selected in a release.

    Raises
    ------
    ValueError when the file is no selection, is one of another release by row, or chooses no image of this one.
    """
    found = _read_json(path)
    if found is None:
        names = _read_sheet(path)
    elif "image_name" in found:
        names = {str(name) for name in found["image_name"]}
    else:
        names = _names_of_rows(path, found, release)
    known = set(release.metadata["image_name"].to_pylist())
    chosen = names & known
    if not chosen:
        raise ValueError(
            f"{path} selects no image of {release.folder}: none of its {len(names):,} ids is an image_name there"
        )
    return chosen


def _read_json(path: Path) -> dict[str, Any] | None:
    """The selection that the page saved; None when the file is not of the page."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError:
        return None
    if isinstance(found, dict) and found.get("format") == FORMAT:
        return found
    return None


def _read_sheet(path: Path) -> set[str]:
    sheet = read_sheet(path, ["image_name"])
    return {row.cells["image_name"] for row in sheet.rows}


def _names_of_rows(path: Path, found: dict[str, Any], release: Release) -> set[str]:
    if found.get("release") != release_hash(release):
        raise ValueError(
            f"{path} was saved from another release than {release.folder}, and holds rows, not ids: save it again "
            "from a page of this release, or make the page with `twigma explore --ids`"
        )
    names = release.metadata["image_name"]
    rows = found.get("rows", [])
    valid = [row for row in rows if isinstance(row, int) and 0 <= row < len(names)]
    return set(names.take(valid).to_pylist())
