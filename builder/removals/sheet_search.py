"""Folders of sheets searched for what was removed, after its rows were taken out: people keep other files beside them.

In a sheet of ours an id is a whole cell of a column of ids: item numbers, answers and counts are none, however short
the name of an image is.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from twigma.builder.removals.derived import Derived, mentions
from twigma.builder.removals.text_search import TextSearch
from twigma.core import columns
from twigma.core.lists.sheets import SAVED, read_sheet, saved_sheets
from twigma.core.workspace import inventory

IDS = ("image_name", "id")
# What else `twigma sheets` and `twigma hashtags` write, and people fill in.
NO_IDS = (
    "item",
    "label",
    "stratum",
    "probability",
    "sensitive",
    "caption",
    "group",
    "keyword_1",
    "keyword_2",
    "keyword_3",
    "hashtag",
    "created_at",
    "about_ai_images",
)
# Files of ours without any id.
COUNTS = (inventory.LABELS_ABOUT, inventory.LABELS_FRAME, "candidates.csv")


def naming_sheets(derived: Derived, names: Collection[str]) -> list[Path]:
    """The files of the folders of sheets that hold one of these ids, in order; none of them is changed."""
    return sorted(path for path in _files(derived) if _holds(path, names))


def _files(derived: Derived) -> Iterator[Path]:
    for folder in (*derived.sheets, *derived.hashtags):
        for path in folder.rglob("*"):
            if path.name not in COUNTS:
                yield path


def _holds(path: Path, names: Collection[str]) -> bool:
    if not _is_sheet(path):
        return mentions(path, names)
    try:
        sheet = read_sheet(path, ())
        label = columns.find_label_column(sheet.names)
    except (OSError, ValueError):
        return mentions(path, names)  # no sheet of ours: a text like any other
    search = TextSearch(names)
    for _, cells in sheet.rows:
        for name, cell in cells.items():
            if name in NO_IDS or name == label:
                continue
            if name in IDS and cell.strip("' ") in names:
                return True
            if name not in IDS and search.finds(cell):
                return True
    return False


def _is_sheet(path: Path) -> bool:
    """Whether a file has the name of a sheet, or of what one was saved as."""
    if not path.is_file() or path.suffix not in SAVED:
        return False
    if path.name == inventory.SHEETS_KEY or path.name.startswith("annotator-"):
        return True
    return path in saved_sheets(path.with_name(inventory.HASHTAG_SHEET))
