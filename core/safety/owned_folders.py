"""Folders that commands write and may replace or delete: releases, sets of liked images, reports.

Each is recognised by a mark at its top, which lists its files (`recognize`). It is replaced (`replacing`) and deleted
(`delete`) file by file: what the mark does not list is somebody else's, stays, and is named.
"""

import contextlib
import glob
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

# By `dataset` in MANIFEST.json.
KINDS = {"twigma": "release", "twigma-liked": "set of liked images"}
# Keys of a results.json of `twigma analyze`, and of its `made_from`.
RESULTS = {"data", "figures", "values", "skipped", "made_from"}
PROVENANCE = {"analysis", "sha256", "settings", "versions"}
TABLE = re.compile(r"[\w-][\w.-]*")
# Of a process that was killed; `core/files.py` writes them.
PARTIAL = re.compile(r"\.(.+)\.[0-9]+\.partial")
HUB_CACHE, HUB_ATTRIBUTES = ".cache/huggingface/", ".gitattributes"
NAMED = 3  # how many files a message names


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
        return _made(
            folder, "report", "results.json", {*_tables(results), "index.html"}
        )
    return None


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
    others = [name for name in _entries(made.folder) if not _is_listed(made, name)]
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


def listed(names: Collection[str]) -> str:
    """The first few of these names, for a message.

    >>> listed(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    first = ", ".join(repr(name) for name in list(names)[:NAMED])
    more = len(names) - NAMED
    return f"{first} and {more} more" if more > 0 else first


# ------------------------------------------------------------------ replacing, deleting


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out` to write to; when the block ends well, it is put in the place of `out`.

    Of the folder of ours that it replaces, the listed files are deleted. Whatever else is in it then, such as a
    file saved while the new one was made, moves into the new folder, and a warning names it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep(out)
    private = Path(
        tempfile.mkdtemp(prefix=f".{out.name}.{os.getpid()}.", dir=out.parent)
    )
    new, old = private / "new", private / "old"
    try:
        new.mkdir()
        yield new
        _swap(new, out, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)  # nobody but this run writes there
        with contextlib.suppress(OSError):
            private.rmdir()  # unless something of the old folder could not be moved


def sweep(out: Path) -> None:
    """Clear up what runs that were killed left beside `out`: half a new folder goes, the old one is put back.

    Where both are there, the run was killed after the swap: what is not ours of the old one moves to `out`.
    """
    for private in out.parent.glob(f".{glob.escape(out.name)}.*.*"):
        process = private.name.rpartition(".")[0].rpartition(".")[2]
        if (
            not process.isdecimal()
            or Path("/proc", process).exists()
            or private.is_symlink()
        ):
            continue
        shutil.rmtree(private / "new", ignore_errors=True)
        old = private / "old"
        if old.is_dir() and not os.path.lexists(out):
            old.rename(out)
        elif old.is_dir() and out.is_dir():
            _retire(old, recognize(old), out)
        with contextlib.suppress(OSError):
            private.rmdir()


def delete(made: Made) -> list[str]:
    """Delete the listed files of a folder of ours and the folders they leave empty; what is left in it.

    The mark goes last, so that a stopped deletion is recognized and finished by the next.
    """
    _delete_listed(made)
    return list(_entries(made.folder)) if made.folder.exists() else []


def _swap(new: Path, out: Path, old: Path) -> None:
    if out.exists() and not out.is_dir():
        raise FileExistsError(
            f"{out} has become a file meanwhile: it is left as it is; name another folder"
        )
    if not out.exists():
        new.rename(out)
        return
    # Only now: a listed file may have come or gone since the run began.
    made = recognize(out)
    out.rename(old)
    try:
        new.rename(out)
    except OSError as error:
        raise FileExistsError(
            f"{out} was written by another program ({error}): its earlier content is in {old}"
        ) from None
    _retire(old, made, out)


def _retire(old: Path, made: Made | None, out: Path) -> None:
    """Delete the listed files of a folder that was replaced, and move the rest to its successor, with a warning."""
    if made is not None:
        _delete_listed(Made(old, made.kind, made.mark, made.files))
    moved = [name for name in _move_rest(old, out) if not is_of_download(out, name)]
    if moved:
        logging.getLogger(__name__).warning(
            "%s: kept what is not ours: %s", out, listed(moved)
        )


def _delete_listed(made: Made) -> None:
    """Delete the files listed, the mark last, and then the folders that held them, where these are empty now."""
    names = [name for name in _entries(made.folder) if _is_listed(made, name)]
    for name in names:
        if name != made.mark:
            (made.folder / name).unlink(missing_ok=True)
    (made.folder / made.mark).unlink(missing_ok=True)
    parents: set[PurePosixPath] = set()
    for name in made.files:
        parents.update(PurePosixPath(name).parents)
    for parent in sorted(parents, key=_depth, reverse=True):
        with contextlib.suppress(OSError):  # not empty, or gone
            (made.folder / parent).rmdir()


def _depth(path: PurePosixPath) -> int:
    return len(path.parts)


def _move_rest(old: Path, out: Path) -> list[str]:
    """Move everything in `old` to the same place in `out`; a name that is taken there gets `.kept` appended."""
    if not old.exists():
        return []
    moved = list(_entries(old))
    empty = []
    for place, folders, files in os.walk(old):
        if not folders and not files:
            empty.append(Path(place))
    for name in moved:
        target = out / name
        while os.path.lexists(target):
            target = target.with_name(f"{target.name}.kept")
        target.parent.mkdir(parents=True, exist_ok=True)
        (old / name).rename(target)
    for folder in empty:
        (out / folder.relative_to(old)).mkdir(parents=True, exist_ok=True)
    for place, _, _ in os.walk(old, topdown=False):
        with contextlib.suppress(OSError):
            Path(place).rmdir()
    return moved


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


def _is_listed(made: Made, name: str) -> bool:
    """Whether a file is listed, or is what a killed process left of one that is."""
    path = PurePosixPath(name)
    if (made.folder / name).is_symlink():
        return False
    partial = PARTIAL.fullmatch(path.name)
    finished = path.with_name(partial[1]).as_posix() if partial else name
    return name in made.files or finished in made.files


def _entries(folder: Path) -> Iterator[str]:
    """Every file and link below a folder, in order; links are not followed."""
    entries = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *links):
            entries.append(Path(place, name).relative_to(folder).as_posix())
    yield from sorted(entries)
