"""Folders that commands write and may replace or delete: releases, sets of liked images, reports.

Each is recognised by a mark at its top, which lists its files (`recognize`). `folder_replacement` replaces and deletes
it file by file: what the mark does not list is somebody else's, stays, and is named.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from twigma.core.locks import PARTIAL
from twigma.core.names import join_names

# By `dataset` in MANIFEST.json.
KINDS = {"twigma": "release", "twigma-liked": "set of liked images"}
# Keys of a results.json of `twigma analyze`, and of its `made_from`.
RESULTS = {"data", "figures", "values", "skipped", "made_from"}
PROVENANCE = {"analysis", "sha256", "settings", "versions"}
TABLE = re.compile(r"[\w-][\w.-]*")
FIGURES = "figures"  # of a report: the folder of charts as files,
FIGURES_LIST = "written.json"  # and the list of them; sorted last, so that a stopped deletion leaves it
HUB_CACHE, HUB_ATTRIBUTES = ".cache/huggingface/", ".gitattributes"


@dataclass(frozen=True)
class Made:
    """A folder of ours: its real path, what it is, its mark, and every file it lists, the mark among them."""

    folder: Path
    kind: str
    mark: str
    files: frozenset[str]


def recognize(folder: Path) -> Made | None:
    """What of ours a folder is; None when there is no mark of ours at its top.

    ValueError when the mark lists a file outside the folder: then it is damaged, or made to harm.
    """
    folder = folder.resolve()
    manifest = _read_json(folder / "MANIFEST.json")
    kind = KINDS.get(str(manifest.get("dataset")))
    if kind is not None and isinstance(manifest.get("files"), dict):
        return _made(folder, kind, "MANIFEST.json", set(manifest["files"]))
    results = _read_json(folder / "results.json")
    if is_report(results):
        figures = {f"{FIGURES}/{name}" for name in listed_figures(folder)}
        figures.add(f"{FIGURES}/{FIGURES_LIST}")
        files = {*_tables(results), *figures, "index.html"}
        return _made(folder, "report", "results.json", files)
    return None


def listed_figures(report: Path) -> list[str]:
    """The names of the charts and texts that a report lists in its folder of figures; none where it has no list."""
    names = _read_json(report / FIGURES / FIGURES_LIST).get("files")
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str) and TABLE.fullmatch(name)]


def is_report(results: Any) -> bool:
    """Whether the content of a results.json is that of `twigma analyze`."""
    if not isinstance(results, dict) or not set(results) >= RESULTS:
        return False
    made_from, figures = results["made_from"], results["figures"]
    return (
        isinstance(made_from, dict)
        and set(made_from) >= PROVENANCE
        and isinstance(figures, dict)
    )


def foreign(made: Made) -> list[str]:
    """Files and links in a folder of ours that its mark does not list. We write no links, so a link is foreign.

    What `hf download` adds to a release is not.
    """
    others = [name for name in entries(made.folder) if not is_listed(made, name)]
    return [name for name in others if not is_of_download(made.folder, name)]


def is_of_download(folder: Path, name: str) -> bool:
    """Whether a file is what `hf download --local-dir` adds: notes on what was fetched, and attributes for git."""
    if name != HUB_ATTRIBUTES and not name.startswith(HUB_CACHE):
        return False
    return not (folder / name).is_symlink()


def require_free(out: Path, *kinds: str) -> Made | None:
    """The folder of ours at `out`, which may be replaced; None when `out` is missing or empty.

    ValueError for anything else, so that a command refuses it before any work.
    """
    if not os.path.lexists(out):
        return None
    if out.is_dir() and not any(out.iterdir()):
        return None
    made = recognize(out) if out.is_dir() else None
    if made is None or made.kind not in kinds:
        ours = " or ".join(kinds)
        raise ValueError(
            f"{out} is not empty and no {ours} of ours: it is left as it is; name another folder"
        )
    return made


def require_apart(folder: Path, work: Path) -> None:
    """ValueError when a folder is the working folder, lies in it, or holds it, links followed."""
    ours, theirs = work.resolve(), folder.resolve()
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise ValueError(
            f"{folder} is, holds or lies in the working folder {work}: name a folder apart from it"
        )


def refuse_as_work(folder: Path) -> None:
    """ValueError where a folder that is named as the working folder is one that was made from it."""
    made = recognize(folder)
    if made is not None:
        raise ValueError(
            f"expected a working folder, found the {made.kind} {folder}: name the folder that it was made from, or "
            "a new one"
        )


def name_files(names: Iterable[str]) -> str:
    """The first three of these file names, quoted, for a message."""
    quoted = [repr(name) for name in names]
    return join_names(quoted, most=3)


# ------------------------------------------------------------------ marks


def _made(folder: Path, kind: str, mark: str, files: set[str]) -> Made:
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
            raise ValueError(
                f"{folder / mark} lists {name!r}, which is no file below it: it is not touched"
            )
    return Made(folder, kind, mark, frozenset({*files, mark}))


def _tables(results: dict[str, Any]) -> Iterator[str]:
    """The files of the tables that a results.json names."""
    for figure in results["figures"].values():
        names = figure.get("tables", []) if isinstance(figure, dict) else []
        for name in names:
            if isinstance(name, str) and TABLE.fullmatch(name):
                yield f"results/{name}.parquet"
                yield f"results/{name}.csv"


def _read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file; empty when there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_listed(made: Made, name: str) -> bool:
    """Whether a file is listed, or is what a killed process left of one that is."""
    path = PurePosixPath(name)
    if (made.folder / name).is_symlink():
        return False
    partial = PARTIAL.fullmatch(path.name)
    finished = path.with_name(partial[1]).as_posix() if partial else name
    return name in made.files or finished in made.files


def entries(folder: Path) -> Iterator[str]:
    """Every file and link below a folder, in order; links are not followed."""
    entries = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *links):
            entries.append(Path(place, name).relative_to(folder).as_posix())
    yield from sorted(entries)
