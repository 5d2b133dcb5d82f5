"""Folders of ours are replaced and deleted file by file: what their mark does not list is somebody else's and stays.

A run that is stopped at any moment leaves the old folder or the new one, and the next run clears up (`sweep`).
"""

import contextlib
import glob
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from twigma.core.locks import delete_abandoned, partial_of
from twigma.core.safety.failures import FULL_DISK
from twigma.core.safety.owned_folders import (
    Made,
    entries,
    is_listed,
    is_of_download,
    name_files,
    recognize,
)

# Where a new folder is made; while a run is at work in it, the locked file of `partial_of` is beside it.
PRIVATE = re.compile(r"\.(.+)\.[0-9a-f]+\.folder")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out` to write to; when the block ends well, it is put in the place of `out`.

    Of the folder of ours that it replaces, the listed files are deleted. Whatever else is in it then, such as a
    file saved while the new one was made, moves into the new folder, and a warning names it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep(out)
    with partial_of(out) as mark:
        private = mark.with_suffix(".folder")
        new, old = private / "new", private / "old"
        try:
            private.mkdir(0o700)
            new.mkdir()
            yield new
            _swap(new, out, old)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            # The private folder, which it may name, is gone by then.
            raise OSError(error.errno, os.strerror(error.errno), str(out)) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)  # nobody but this run writes there
            with contextlib.suppress(OSError):
                private.rmdir()  # unless something of the old folder could not be moved


def sweep(out: Path) -> None:
    """Clear up what runs that were killed left beside `out`: half a new folder goes, the old one is put back.

    Where both are there, the run was killed after the swap: what is not ours of the old one moves to `out`.
    """
    with contextlib.suppress(OSError):  # somebody else's, or a disk without locks
        delete_abandoned(out.parent.glob(f".{glob.escape(out.name)}.*.partial"))
    for private in out.parent.glob(f".{glob.escape(out.name)}.*.folder"):
        is_at_work = private.with_suffix(".partial").exists()
        if is_at_work or private.is_symlink() or not _is_private(private, out):
            continue
        shutil.rmtree(private / "new", ignore_errors=True)
        old = private / "old"
        if old.is_dir() and not os.path.lexists(out):
            old.rename(out)
        elif old.is_dir() and out.is_dir():
            _retire(old, recognize(old), out)
        with contextlib.suppress(OSError):
            private.rmdir()


def _is_private(folder: Path, out: Path) -> bool:
    """Whether this is where `replacing` writes what comes in the place of `out`."""
    match = PRIVATE.fullmatch(folder.name)
    return match is not None and match[1] == out.name


def delete(made: Made) -> list[str]:
    """Delete the listed files of a folder of ours and the folders they leave empty; what is left in it.

    The mark goes last, so that a stopped deletion is recognized and finished by the next.
    """
    _delete_listed(made)
    return list(entries(made.folder)) if made.folder.exists() else []


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
            "%s: kept what is not ours: %s", out, name_files(moved)
        )


def _delete_listed(made: Made) -> None:
    """Delete the files listed, the mark last, and then the folders that held them, where these are empty now."""
    names = [name for name in entries(made.folder) if is_listed(made, name)]
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
    moved = list(entries(old))
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
