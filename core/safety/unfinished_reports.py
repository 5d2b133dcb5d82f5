"""What a stopped `twigma analyze` leaves beside its report: `.REPORT.unfinished/`, with ids and results by image.

`analyze` resumes from it (`analysis/checkpoints.py`), `twigma removals` deletes it, and `twigma status` names it.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

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


def delete(folder: Path) -> list[str]:
    """Delete what an analysis stored, the mark last; the names of other files in the folder, which stay."""
    for path in folder.iterdir():
        if path.suffix in OURS and path.name != MARK:
            path.unlink()
    (folder / MARK).unlink()
    left = sorted(path.name for path in folder.iterdir())
    with contextlib.suppress(OSError):  # somebody else's file is in it
        folder.rmdir()
    return left
