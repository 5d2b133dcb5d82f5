"""Lists and sheets written again without what was removed: CSV files that commands wrote and people may have edited.

Used by `twigma removals`. Each file is written beside the old one and renamed.
"""

import re
from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from pathlib import Path

from twigma.core import columns
from twigma.core.files import atomic
from twigma.core.lists.reader import format_of_file
from twigma.core.lists.sheets import SAVED, Sheet, has_columns, read_sheet, saved_sheets
from twigma.core.lists.workbooks import import_reader
from twigma.core.safety import spreadsheet
from twigma.core.workspace import inventory
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
    if not has_columns(path, QUARANTINE):
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
    names: tuple[str, ...] = inventory.SHEETS_KEY_COLUMNS
    if not (folder / inventory.LABELS_ABOUT).exists():
        names = (*names, columns.LABELS)
    if not has_columns(folder / inventory.SHEETS_KEY, names):
        return False
    for path in _annotated(folder):
        _read_items(path)
    return True


def is_hashtag_sheet(path: Path) -> bool:
    """Whether a file is the sheet of `twigma hashtags`; ValueError when what it was saved as cannot be changed."""
    if not has_columns(path, inventory.HASHTAG_COLUMNS):
        return False
    for saved in saved_sheets(path):
        _require_writable(saved)
    return True


def sheets(folder: Path, removed: Removed) -> int:
    """Take images out of a folder of annotation sheets, filled in or not; the number of rows.

    The key names images as we wrote them; sheets have been through a spreadsheet, where only the item number is sure.
    The key comes last, so that a stopped run can identify the items again.
    """
    key = folder / inventory.SHEETS_KEY
    items: set[str] = set()
    for _, row in _read_items(key).rows:
        if removed.holds(row["image_name"]):
            items.add(row["item"])

    def gone(row: Row) -> bool:
        return row["item"] in items

    return sum(_strike(path, gone) for path in (*_annotated(folder), key))


def hashtag_sheet(path: Path, removed: Removed, names: Collection[str]) -> int:
    """Take posts out of a sheet of `twigma hashtags`, judged or not; the number of rows.

    A spreadsheet may have rounded the ids: then every row goes that one of `names` may have been rounded to.
    """
    numbers = [Decimal(name) for name in names if name.isdecimal()]

    def gone(row: Row) -> bool:
        cell = row.get("id", "")
        return removed.holds(cell.strip("' ")) or _may_be_rounded(cell, numbers)

    return sum(_strike(saved, gone) for saved in saved_sheets(path))


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
    """The sheets of all annotators, and what they were saved as."""
    files = sorted(folder.glob("annotator-*"))
    return [path for path in files if path.suffix in SAVED]


def _read_items(path: Path) -> Sheet:
    """A sheet that can be written again, whose rows have their item number."""
    _require_writable(path)
    return read_sheet(path, ("item",))


def _require_writable(path: Path) -> None:
    """ValueError for a sheet in a file that no row can be taken out of."""
    if format_of_file(path) == "ods":
        raise ValueError(
            f"{path}: expected .csv or .xlsx, of which rows can be taken out; save it as one of them, and delete it"
        )
    if format_of_file(path) == "xlsx":
        import_reader("openpyxl", path)


def _strike(path: Path, gone: Callable[[Row], bool]) -> int:
    """Write a sheet again without the rows that are gone; how many those were."""
    sheet = read_sheet(path, ())
    lines = [line for line, row in sheet.rows if gone(row)]
    if not lines:
        return 0
    if format_of_file(path) == "xlsx":
        _strike_workbook(path, lines)
        return len(lines)
    remaining = [row for _, row in sheet.rows if not gone(row)]
    # Spreadsheets recognise UTF-8 by a mark, which a sheet in another encoding needs as well.
    encoding = "utf-8" if _is_plain(path.read_bytes()) else "utf-8-sig"
    _write(path, sheet.names, remaining, encoding)
    return len(lines)


def _strike_workbook(path: Path, lines: Collection[int]) -> None:
    with path.open("rb") as file:  # whatever its name ends in
        book = import_reader("openpyxl", path).load_workbook(file)
    for page in book.worksheets:
        for line in sorted(lines, reverse=True):
            page.delete_rows(line)
    with atomic(path, private=_is_private(path)) as partial:
        book.save(partial)


def _is_plain(data: bytes) -> bool:
    """Whether a text is UTF-8 without a mark."""
    try:
        return not data.decode("utf-8").startswith("\ufeff")
    except UnicodeDecodeError:
        return False


# ------------------------------------------------------------------ writing


def _rewrite(path: Path, change: Callable[[Row], Row | None]) -> int:
    """Write a list again with what `change` makes of each row, None for none; how many rows changed or went."""
    head, rows = _rows(path)
    results = [change(row) for row in rows]
    changed = sum(new != old for new, old in zip(results, rows, strict=True))
    if changed:
        _write(path, head, [row for row in results if row is not None])
    return changed


def _rows(path: Path) -> tuple[list[str], list[Row]]:
    """The header of a CSV, and its rows by column: short ones filled with empty cells, cells beyond it left out."""
    head, *lines = spreadsheet.read_rows(path) or [[]]
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
