"""A sheet that people filled in, as their spreadsheet saved it: any separator and encoding, .xlsx or .ods.

Used for the sheets of `twigma hashtags` and `twigma sheets`, and to take rows out of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twigma.core.columns import present
from twigma.core.lists.columns import SHOWN, find_places
from twigma.core.lists.reader import column_names, read_rows
from twigma.core.safety import spreadsheet
from twigma.core.safety.failures import DataError

SAVED = (".csv", ".tsv", ".txt", ".xlsx", ".ods")  # what spreadsheets save a .csv as


class SheetRow(NamedTuple):
    """A row of a sheet: its line, and its cells by column."""

    line: int
    cells: dict[str, str]


class Sheet(NamedTuple):
    """A sheet: its file, its columns in their order, and its rows."""

    path: Path
    names: list[str]
    rows: list[SheetRow]

    def error(self, line: int, column: str, expected: str, found: str) -> DataError:
        """What to raise for a cell that is not what was expected."""
        return DataError(
            f"{self.path}, line {line}, column {column}: expected {expected}, found {found!r}; correct that cell"
        )


class _Whole(NamedTuple):
    """All columns of a sheet, which must have the `required` ones; `columns.LABELS` is a label column of any name."""

    required: tuple[str, ...]
    names: tuple[str, ...] = ()
    exact: bool = False

    def are_named(self, names: Sequence[str]) -> bool:
        return bool(self.required) and not self.missing(names)

    def missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in present(self.required, names) if name not in names]

    def is_header(self, cells: Sequence[str]) -> bool:
        return True

    def is_row(self, value: str) -> bool:
        return True

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        missing = self.missing(names)
        if missing:
            raise ValueError(
                f"{where}, line 1: expected the columns {', '.join(self.required)}; missing {', '.join(missing)}, "
                f"found {list(names)[:SHOWN]}; name the columns as they were"
            )
        return find_places(names, self.names)


def saved_sheets(path: Path) -> list[Path]:
    """The files that hold a sheet: the .csv that was handed out, and what it was saved as beside it."""
    files = [path.with_suffix(suffix) for suffix in SAVED]
    return [file for file in files if file.is_file()]


def has_columns(path: Path, names: Sequence[str]) -> bool:
    """Whether a file is a sheet with these columns; its rows are not read."""
    columns = _Whole(tuple(names))
    try:
        return columns.are_named(column_names(path, columns))
    except (OSError, ValueError):
        return False


def read_sheet(path: Path, required: Sequence[str]) -> Sheet:
    """The rows of a sheet, every cell text as it was before it was written.

    Raises ValueError that names file, line and what was expected where a column is missing, a row has too many or too
    few cells, or the file is no sheet that people fill in.
    """
    spreadsheet.require_sheet(path)
    names = column_names(path, _Whole(tuple(required)))
    # Columns without a name are those that a spreadsheet adds at the end.
    names = [name for name in dict.fromkeys(names) if name]
    columns = _Whole(tuple(required), tuple(names))
    columns.places(names, str(path))
    rows: list[SheetRow] = []
    for row in read_rows(path, columns):
        if row.reason:
            raise ValueError(
                f"{path}, line {row.line}: {row.reason}: {row.value[:80]!r}; correct that line"
            )
        cells = [spreadsheet.original(cell) for cell in (row.value, *row.others)]
        if any(cells):
            filled = dict(zip(names, cells, strict=True))
            rows.append(SheetRow(row.line, filled))
    return Sheet(path, names, rows)
