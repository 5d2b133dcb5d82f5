"""What is made from a working folder and named to `twigma removals --derived`: checked first, erased afterwards.

Releases, reports and sets of liked images are deleted when they name what was removed: they can be re-created. Sheets
that people filled in lose rows. What a stopped `twigma analyze` left of a report that is named is deleted too, or
beside the working folder where it names what was removed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.release.version_history import remember
from twigma.builder.removals import erase_lists
from twigma.builder.removals.text_search import TextSearch
from twigma.core.safety import folder_replacement, owned_folders, unfinished_reports
from twigma.core.workspace import AnyWorkspace, Workspace, inventory
from twigma.rehydrate.posts.removed_ids import Removed

TEXTS = (".json", ".jsonl", ".csv", ".html", ".md", ".txt", ".toml")
EXPECTED = "release, report, set of liked images or folder of sheets"


@dataclass(frozen=True)
class Derived:
    """The folders named, by what is done with them; nothing in them has been touched."""

    made: tuple[owned_folders.Made, ...]
    sheets: tuple[Path, ...]
    hashtags: tuple[Path, ...]
    unfinished: tuple[Path, ...] = ()  # of a report that is named


class Deleted(NamedTuple):
    """Folders deleted, files in them that are not ours, which stay, and folders that could not be deleted."""

    deleted: list[str]
    left: list[str]
    failed: list[str]


def check(derived: Sequence[Path], work: Path) -> Derived:
    """Determine what each folder is, links followed, before anything is erased.

    ValueError for a sheet that no row can be taken out of, and for a folder that is none of ours, that holds files its
    mark does not list, or that is, holds or lies in the working folder.
    """
    for path in inventory.files(work, "hashtag sheet"):
        erase_lists.is_hashtag_sheet(path)  # refuses one that cannot be changed
    made: list[owned_folders.Made] = []
    sheets: list[Path] = []
    hashtags: list[Path] = []
    unfinished: list[Path] = []
    for named in dict.fromkeys(derived):
        owned_folders.require_apart(named, work)
        folder = named.resolve()
        stopped = _stopped_analysis(folder)
        if stopped is not None:
            unfinished.append(stopped)
            if not folder.exists() or folder == stopped:
                continue
        ours = owned_folders.recognize(folder)
        if ours is not None:
            _refuse_foreign(named, ours)
            made.append(ours)
        elif erase_lists.is_sheets(folder):
            sheets.append(folder)
        elif erase_lists.is_hashtag_sheet(folder / inventory.HASHTAG_SHEET):
            hashtags.append(folder)
        else:
            raise ValueError(_unknown(named))
    return Derived(
        tuple(dict.fromkeys(made)), tuple(sheets), tuple(hashtags), tuple(unfinished)
    )


def _unknown(named: Path) -> str:
    """What to say of a folder from which nothing can be erased."""
    advice = "leave it out, or name the right folder"
    if Workspace(named).images_file.exists():
        advice = f"leave it out, and run `twigma removals FILE --work {named}` beside"
    return f"{named} is no {EXPECTED}: nothing was erased; {advice}"


def _stopped_analysis(folder: Path) -> Path | None:
    """What a stopped analysis left: this folder, or the one of the report that this folder is or was to be."""
    for place in (folder, unfinished_reports.folder_of(folder)):
        if unfinished_reports.is_unfinished(place):
            return place
    return None


def _refuse_foreign(named: Path, made: owned_folders.Made) -> None:
    others = owned_folders.foreign(made)
    if others:
        raise ValueError(
            f"{named} holds files that are not part of the {made.kind}: {owned_folders.name_files(others)}; "
            "nothing was erased: move them away first"
        )


def erase_sheets(derived: Derived, removed: Removed, names: Collection[str]) -> int:
    """Take rows out of the sheets that people filled in; the number of rows."""
    rows = 0
    for folder in derived.sheets:
        rows += erase_lists.sheets(folder, removed)
    for folder in derived.hashtags:
        sheet = folder / inventory.HASHTAG_SHEET
        rows += erase_lists.hashtag_sheet(sheet, removed, names)
    return rows


def delete_made(
    derived: Derived, names: Collection[str], work: AnyWorkspace
) -> Deleted:
    """Delete the listed files of the folders that name what was removed; `work` remembers the versions of a release."""
    result = Deleted([], [], [])
    for made in derived.made:
        # A run that was killed may have left tables beside the folder.
        folder_replacement.sweep(made.folder)
        if not any(mentions(path, names) for path in made.folder.rglob("*")):
            continue
        if made.kind == owned_folders.KINDS["twigma"]:
            remember(made.folder, work)
        try:
            others = folder_replacement.delete(made)
        except OSError as error:
            result.failed.append(f"{made.folder} cannot be deleted ({error.strerror})")
            continue
        result.deleted.append(str(made.folder))
        for name in others:
            result.left.append(f"{made.folder / name}: not part of the {made.kind}")
    return result


def delete_unfinished(
    derived: Derived, names: Collection[str], work: AnyWorkspace
) -> Deleted:
    """Delete what stopped analyses left: of the reports that are named, and beside `work` where it names an id.

    It is computed again from what remains.
    """
    result = Deleted([], [], [])
    folders = list(derived.unfinished)
    for folder in unfinished_reports.inside(Path(work).resolve().parent):
        if any(mentions(path, names) for path in folder.iterdir()):
            folders.append(folder)
    for folder in dict.fromkeys(folders):
        try:
            others = unfinished_reports.delete(folder)
        except OSError as error:
            result.failed.append(f"{folder} cannot be deleted ({error.strerror})")
            continue
        result.deleted.append(str(folder))
        for name in others:
            result.left.append(f"{folder / name}: not part of the analysis")
    return result


def mentions(path: Path, names: Collection[str]) -> bool:
    """Whether a file is named after, or holds, one of these ids."""
    if not path.is_file():
        return False
    if path.stem in names:
        return True
    if path.suffix == ".parquet":
        return _parquet_holds(path, names)
    if path.suffix not in TEXTS:
        return False
    search = TextSearch(names)
    with path.open(encoding="utf-8", errors="replace") as file:
        return any(map(search.finds, file))


def _parquet_holds(path: Path, names: Collection[str]) -> bool:
    """Whether a text of a table is one of these ids, whatever its column: a nearest image is named as well."""
    wanted = pa.array(sorted(names), pa.string())
    try:
        kinds = pq.read_schema(path)
        texts = [one.name for one in kinds if pa.types.is_string(one.type)]
        for text in texts:
            column = pq.read_table(path, columns=[text])[text]
            if pc.any(pc.is_in(column, value_set=wanted)).as_py():
                return True
    except (pa.ArrowException, OSError):
        return True  # damaged: it may hold them
    return False
