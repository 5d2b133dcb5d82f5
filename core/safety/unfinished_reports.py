"""What a stopped `twigma analyze` leaves beside its report: `.REPORT.unfinished/`, with ids and results by image.

`analyze` resumes from it (`analysis/checkpoints.py`), `twigma removals` deletes it, and `twigma status` names it. One
process at a time writes a report: it holds a lock on this folder, which a killed process frees.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from twigma.core import locks

MARK = "made_from.json"  # written first: a folder without it is none of ours
NAME = re.compile(r"\.(.+)\.unfinished")
OURS = (".json", ".parquet", ".partial")


def folder_of(report: Path) -> Path:
    """Where the finished figures of a report lie until it is complete.

    >>> folder_of(Path("/data/report")).name
    '.report.unfinished'
    """
    report = report.resolve()
    return report.with_name(f".{report.name}.unfinished")


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is what a stopped analysis left; a link is not."""
    if not NAME.fullmatch(folder.name) or folder.is_symlink():
        return False
    return (folder / MARK).is_file()


def inside(parent: Path) -> Iterator[Path]:
    """What stopped analyses left in a folder that holds reports, in order."""
    with contextlib.suppress(OSError):  # a folder that nobody may list
        yield from sorted(filter(is_unfinished, parent.iterdir()))


def refuse_link(folder: Path) -> None:
    """ValueError where a link lies in the place of such a folder."""
    if folder.is_symlink():
        raise ValueError(
            f"{folder} is a link: expected a folder of ours, or none; delete the link"
        )


def refuse_busy(report: Path) -> None:
    """RuntimeError when another process is writing a report; nothing is created."""
    try:
        handle = locks.acquire_folder(folder_of(report), shared=True, wait=False)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise RuntimeError(_busy(report)) from None
    os.close(handle)


@contextlib.contextmanager
def writing(report: Path) -> Iterator[None]:
    """Write a report alone; the folder of its finished figures is there meanwhile, and goes when it is empty.

    RuntimeError when another process is writing the report; ValueError where a link lies in the place of the folder.
    """
    folder = folder_of(report)
    refuse_link(folder)
    created = [parent for parent in folder.parents if not parent.exists()]
    handle = _acquire(folder, _busy(report))
    try:
        yield
    finally:
        # Once it is deleted, a folder of this name is another process's.
        unused = [folder] if _is_linked(handle) else []
        with contextlib.suppress(OSError):  # finished figures, or a report, are there
            for place in (*unused, *created):
                place.rmdir()
        os.close(handle)


def _busy(report: Path) -> str:
    return (
        f"another process is writing the report {report}: wait for it, or stop it first"
    )


def _acquire(folder: Path, busy: str) -> int:
    """The lock on a folder, which is created; RuntimeError with the sentence `busy` when somebody else holds it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = locks.acquire_folder(folder, wait=False)
        except BlockingIOError:
            raise RuntimeError(busy) from None
        except FileNotFoundError:
            continue  # whoever held it has deleted it
        if _is_linked(handle):
            return handle
        os.close(handle)


def _is_linked(handle: int) -> bool:
    """Whether a folder that is open has not been deleted."""
    return os.fstat(handle).st_nlink > 0


def clear(folder: Path) -> None:
    """Delete what an analysis stored, the mark last; the folder and other files in it stay."""
    for path in folder.iterdir():
        if path.suffix in OURS and path.name != MARK:
            path.unlink()
    (folder / MARK).unlink()


def delete(folder: Path) -> list[str]:
    """Delete what an analysis stored, and the folder; the names of other files in it, with which it stays."""
    clear(folder)
    left = sorted(path.name for path in folder.iterdir())
    with contextlib.suppress(OSError):  # somebody else's file is in it
        folder.rmdir()
    return left
