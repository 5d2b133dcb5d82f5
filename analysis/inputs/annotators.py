"""Whose sheets lie in a folder, and what tells a person's answers from a copy, a changed row, or part of a sheet.

For sheets of clusters (`annotation_sheets`) and of labels (`analysis/annotation`) alike.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

from twigma.core.lists.sheets import SAVED, Sheet, SheetRow
from twigma.core.safety.failures import DataError
from twigma.core.workspace import inventory

# What browsers, file managers and spreadsheets append to the name of a second copy.
COPY = re.compile(
    r"(?P<original>.+?)(?: ?\((?:\d+|(?:\w+ )?copy)\)|[ _-]+(?:copy|kopie|copie|copia)(?: ?\(?\d+\)?)?)",
    re.IGNORECASE,
)
# A number as a spreadsheet shows one of many digits, such as 1.48E+18, or keeps 15 of them.
SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,2}")
LONG_NUMBER = re.compile(r"[0-9]{16,}")


def annotator_names(folder: Path) -> list[str]:
    """The names of the sheets of a folder without their ending, in order: one an annotator."""
    files = folder.glob("annotator-*")
    return sorted({path.stem for path in files if path.suffix in SAVED})


def refuse_copies(folder: Path, filled: Iterable[str]) -> None:
    """ValueError where a sheet that is filled in is named as a copy of another that is."""
    names = set(filled)
    for name in sorted(names):
        copied = COPY.fullmatch(name)
        if copied is not None and copied["original"] in names:
            original = copied["original"]
            raise DataError(
                f"{folder}: {name!r} is named as a copy of {original!r}, and both are filled in: delete the one that "
                "does not count, or call it annotator-NAME where another person filled it in"
            )


def refuse_other_image(
    sheet: Sheet, row: SheetRow, names: Mapping[str, str | None]
) -> None:
    """ValueError naming the line where a row names another image than the key does for its item.

    `names` has the `image_name` of each item, None where the key has no such column. A blank cell, and a number that a
    spreadsheet rounded, say nothing else.
    """
    item = row.cells["item"].strip()
    cell = row.cells.get("image_name", "").strip()
    name = (names[item] or "").strip()
    if cell and name and not _is_same(cell, name):
        expected = (
            f"{name!r}, the image of item {item} in {inventory.SHEETS_KEY}, or nothing"
        )
        raise sheet.error(row.line, "image_name", expected, cell)


def _is_same(cell: str, name: str) -> bool:
    """Whether a cell is this name, as it was or as a spreadsheet rounds a number.

    >>> [_is_same(cell, "1480000000000000007") for cell in ("1.48E+18", "1480000000000000000", "1480000000000000008")]
    [True, True, False]
    """
    if cell == name:
        return True
    if not name.isdecimal():
        return False
    number = cell.replace(",", ".").removesuffix(".0")
    if number.lstrip("0") == name.lstrip("0"):
        return True  # zeros in front are lost
    if not SCIENTIFIC.fullmatch(number) and not LONG_NUMBER.fullmatch(number):
        return False
    rounded = Decimal(number)
    exponent = rounded.as_tuple().exponent
    if LONG_NUMBER.fullmatch(number):
        exponent = len(number) - len(number.rstrip("0"))
    unit = Decimal(10) ** int(exponent)  # of the last digit that was kept
    lost = Decimal(name) - rounded
    return -unit / 2 <= lost < unit  # to the nearest, or cut off


def remarks(
    answers: Mapping[str, Mapping[str, Any]], rows: Mapping[str, int], items: int
) -> tuple[str, ...]:
    """What a reader has to know of the annotators: items that each left out, and two with the same answers.

    Parameters
    ----------
    answers : the answers of each annotator, by item; those without any are left out.
    rows : how many rows the sheet of each has.
    items : images on a whole sheet.
    """
    found = []
    for name, given in answers.items():
        if len(given) < items:
            found.append(_left_out(name, len(given), rows[name], items))
    for one, other in combinations(answers, 2):
        if len(answers[one]) > 1 and answers[one] == answers[other]:
            same = f"the same answers, all {len(answers[one]):,} of them"
            found.append(f"{one} and {other} have {same}: delete one if it is a copy")
    return tuple(found)


def _left_out(name: str, answered: int, rows: int, items: int) -> str:
    """How many items an annotator left out, and in which way."""
    ways: Sequence[tuple[int, str]] = (
        (rows - answered, "without an answer"),
        (items - rows, "not on the sheet"),
    )
    listed = ", ".join(f"{count:,} {way}" for count, way in ways if count)
    return f"{name}: {items - answered:,} of {items:,} images are left out ({listed})"
