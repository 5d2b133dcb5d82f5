"""Lists and sheets written again without what was removed: CSV files that commands wrote and people may have edited.

Used by `twigma removals`. Each file is written beside the old one and renamed.
"""

import codecs
import csv
import re
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from pathlib import Path

from twigma.core import inventory
from twigma.core.safety import spreadsheet
from twigma.rehydrate.ids.skipped_lines import QUARANTINE
from twigma.rehydrate.posts.removed_ids import Removed

NUMBER = re.compile(r"(?<![0-9A-Za-z])[0-9]{1,20}(?![0-9A-Za-z])")
HARMLESS = re.compile(r"[0-9.,eE+' -]{0,30}")  # a damaged number, not a text
Row = dict[str, str]


def outcomes(path: Path, removed: Removed) -> int:
    """Take rows out of a list of ids; the number of rows."""

    def remaining(row: Row) -> Row | None:
        return None if any(map(removed.holds, row.values())) else row

    return _rewrite(path, remaining)


def quarantine(path: Path, removed: Removed) -> int:
    """Take rows out of a list of skipped lines, and blank what the others hold unless it is a mere number.

    A damaged line does not identify its post: its text and author may be those of a removed post whose id was cut off.
    File, line and reason stay, so that the line can be located in the archive. 0 for a file that is none of ours.
    """
    if not _has_columns(path, QUARANTINE):
        return 0

    def changed(row: Row) -> Row | None:
        if any(_names(cell, removed) for cell in row.values()):
            return None
        if HARMLESS.fullmatch(row["value"]):
            return row
        return {**row, "value": ""}

    return _rewrite(path, changed)


def _names(cell: str, removed: Removed) -> bool:
    """Whether a cell is, or holds, the id of something removed."""
    if removed.holds(cell.strip("' ")):
        return True
    return any(map(removed.holds, NUMBER.findall(cell)))


# ------------------------------------------------------------------ sheets that people fill in


def is_sheets(folder: Path) -> bool:
    """Whether a folder holds the annotation sheets of `twigma sheets`; ValueError when one of them lost its items."""
    if not _has_columns(folder / inventory.SHEETS_KEY, inventory.SHEETS_KEY_COLUMNS):
        return False
    for path in _annotated(folder):
        _read_sheet(path)
    return True


def is_hashtag_sheet(path: Path) -> bool:
    """Whether a file is the sheet of `twigma hashtags`."""
    return _has_columns(path, inventory.HASHTAG_COLUMNS)


def sheets(folder: Path, removed: Removed) -> int:
    """Take images out of a folder of annotation sheets, filled in or not; the number of rows.

    The key names images as we wrote them; sheets have been through a spreadsheet, where only the item number is sure.
    The key comes last, so that a stopped run can identify the items again.
    """
    key = folder / inventory.SHEETS_KEY
    rows = _read_sheet(key)
    items = {row["item"] for row in rows if removed.holds(row["image_name"])}

    def gone(row: Row) -> bool:
        return row["item"] in items

    return sum(_strike(path, gone) for path in (*_annotated(folder), key))


def hashtag_sheet(path: Path, removed: Removed, names: Collection[str]) -> int:
    """Take posts out of a sheet of `twigma hashtags`, judged or not; the number of rows.

    A spreadsheet may have rounded the ids: then every row goes that one of `names` may have been rounded to.
    """
    numbers = [Decimal(name) for name in names if name.isdecimal()]

    def gone(row: Row) -> bool:
        cell = row["id"]
        return removed.holds(cell.strip("' ")) or _may_be_rounded(cell, numbers)

    return _strike(path, gone)


def _may_be_rounded(cell: str, numbers: Collection[Decimal]) -> bool:
    """Whether a cell is a rounded one of these ids, as spreadsheets write them.

    >>> _may_be_rounded("1.54777E+18", [Decimal(1547770898463771828)])
    True
    >>> _may_be_rounded("1547770898463770000", [Decimal(1547770898463771828)])
    True
    >>> _may_be_rounded("1547770898463771829", [Decimal(1547770898463771828)])
    False
    """
    try:
        value = Decimal(cell.strip("' ").replace(",", "."))
    except InvalidOperation:
        return False
    if not value.is_finite() or not value:
        return False
    unit = Decimal(1).scaleb(int(value.normalize().as_tuple().exponent))
    return unit > 1 and any(abs(value - number) < unit for number in numbers)


def _annotated(folder: Path) -> list[Path]:
    return sorted(folder.glob("annotator-*.csv"))


def _has_columns(path: Path, names: Collection[str]) -> bool:
    try:
        head = path.read_text("utf-8-sig").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return False
    cells = re.split("[,;\t]", head.strip().replace('"', ""))
    return set(cells) >= set(names)


def _strike(path: Path, gone: Callable[[Row], bool]) -> int:
    """Write a sheet again without the rows that are gone; how many those were."""
    rows = _read_sheet(path)
    remaining = [row for row in rows if not gone(row)]
    if len(remaining) < len(rows):
        # Spreadsheets recognise the encoding by this mark.
        marked = path.read_bytes().startswith(codecs.BOM_UTF8)
        encoding = "utf-8-sig" if marked else "utf-8"
        _write(path, list(rows[0]), remaining, encoding)
    return len(rows) - len(remaining)


def _read_sheet(path: Path) -> list[Row]:
    """The rows of a sheet that a spreadsheet may have saved with semicolons or tabs."""
    first = path.read_text("utf-8-sig").partition("\n")[0]
    delimiter = csv.Sniffer().sniff(first, ",;\t").delimiter
    _, rows = _rows(path, delimiter)
    if rows and "item" not in rows[0]:
        raise ValueError(
            f"{path}: expected the column item, found {list(rows[0])}; name the columns as they were"
        )
    return rows


# ------------------------------------------------------------------ writing


def _rewrite(path: Path, change: Callable[[Row], Row | None]) -> int:
    """Write a list again with what `change` makes of each row, None for none; how many rows changed or went."""
    head, rows = _rows(path)
    results = [change(row) for row in rows]
    changed = sum(new != old for new, old in zip(results, rows, strict=True))
    if changed:
        _write(path, head, [row for row in results if row is not None])
    return changed


def _rows(path: Path, delimiter: str = ",") -> tuple[list[str], list[Row]]:
    """The header of a CSV, and its rows by column: short ones filled with empty cells, cells beyond it left out."""
    head, *lines = spreadsheet.read_rows(path, delimiter) or [[]]
    rows = []
    for cells in lines:
        if cells:
            padded = [*cells, *[""] * len(head)]
            rows.append(dict(zip(head, padded, strict=False)))
    return head, rows


def _write(
    path: Path, head: list[str], rows: list[Row], encoding: str = "utf-8"
) -> None:
    cells = ([row[name] for name in head] for row in rows)
    spreadsheet.write_rows(path, head, cells, encoding, private=_is_private(path))


def _is_private(path: Path) -> bool:
    """Whether only its owner may read a file: written again, it stays so."""
    return not path.stat().st_mode & 0o077
