"""CSV files that a spreadsheet only shows: every one that is written goes through here.

Spreadsheets run a cell that begins like a formula, whoever wrote its text. An apostrophe in front makes it text again;
`original` takes it away, so that our own files read back as they were, however often they are written.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from twigma.core.files import atomic

if TYPE_CHECKING:
    import pandas as pd

MARK = "'"
_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠\t\r\n\0]")
_SPLIT = re.compile(r'[",;\t\r\n]')  # separators differ by country
MOST_BYTES = 16 << 20  # of a sheet that people fill in
LONGEST_HEAD = 10_000  # bytes of the line that names its columns


def inert(cell: Any) -> Any:
    """Text that a spreadsheet would run, with an apostrophe in front; numbers and anything else as they are.

    >>> inert("=HYPERLINK(1)"), inert("-1.5"), inert(-1.5), inert("plain")
    ("'=HYPERLINK(1)", "'-1.5", -1.5, 'plain')
    """
    if isinstance(cell, str) and _FORMULA.match(cell):
        return MARK + cell
    return cell


def original(cell: Any) -> Any:
    """The argument of `inert`, recovered.

    >>> original("'=HYPERLINK(1)"), original("'tis")
    ('=HYPERLINK(1)', "'tis")
    """
    if isinstance(cell, str) and cell.startswith(MARK) and _FORMULA.match(cell):
        return cell.removeprefix(MARK)
    return cell


def write_rows(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Iterable[Any]],
    encoding: str = "utf-8",
    *,
    private: bool = False,
) -> None:
    """Write a CSV atomically, a line per row; None is an empty cell. A `private` one is for its owner only."""
    with (
        atomic(path, private=private) as partial,
        partial.open("w", encoding=encoding, newline="") as file,
    ):
        for row in (header, *rows):
            file.write(",".join(map(_cell, row)) + "\n")


def _cell(value: Any) -> str:
    """One cell, quoted where our separator or another would split it."""
    text = "" if value is None else str(inert(value))
    if _SPLIT.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_table(path: Path, table: pa.Table) -> None:
    """Write every row of an Arrow table as CSV after a header of its column names, atomically."""
    write_rows(path, table.column_names, (row.values() for row in table.to_pylist()))


def write_frame(path: Path, frame: "pd.DataFrame", encoding: str = "utf-8") -> None:
    """Write every row of a DataFrame as CSV, without its index, atomically; text is quoted, numbers are not."""
    safe = frame.assign(
        **{name: frame[name].map(inert) for name in frame.columns}
    ).rename(columns=inert)
    with atomic(path) as partial:
        safe.to_csv(
            partial,
            index=False,
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC,
            encoding=encoding,
        )


def read_rows(
    path: Path, delimiter: str = ",", encoding: str = "utf-8-sig"
) -> list[list[str]]:
    """Every row of a CSV, the header first, with the cells as they were before they were written."""
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        return [list(map(original, row)) for row in rows]


def require_sheet(path: Path) -> None:
    """ValueError where a file is far larger than a sheet that people fill in, or has columns without end."""
    with path.open("rb") as file:
        head = file.readline(LONGEST_HEAD)
    size = path.stat().st_size
    is_workbook = head.startswith(b"PK")
    if size > MOST_BYTES or (len(head) == LONGEST_HEAD and not is_workbook):
        raise ValueError(
            f"{path}: expected a sheet of at most {MOST_BYTES >> 20} MB with a short first line, found "
            f"{size:,} bytes: is it the sheet that was handed out?"
        )
