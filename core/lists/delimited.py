"""CSV, TSV and plain text as rows of a list: one record a line, or several lines while a quote is open.

Files that people bring have stray quotes. A quoted cell may hold line breaks, but lines are joined only if that makes a
complete record; so a stray quote costs its own line and none after it.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from twigma.core.lists.columns import Columns, Row, pick
from twigma.core.safety.bounded import Cut

LONGEST_LINE = 1 << 20  # characters of a line, and of all lines that are joined
MOST_JOINED = 100  # lines of one quoted cell
# Stray quotes, beyond ten times the right ones, after which no lines are joined: each costs MOST_JOINED attempts.
MOST_FAILED_JOINS = 1000
SEPARATORS = (",", "\t", ";", "|")  # those that part columns even if no name is known
RARE_SEPARATORS = (":", " ", "^", "~", "\x01", "\x1f")  # Hive writes \x01
HINT = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)  # what Excel takes from line 1
COMMENT = re.compile(r"#\s")


class Header(NamedTuple):
    """The first row of a table: its line, the separator, and its cells."""

    line: int
    separator: str
    cells: list[str]


class Layout(NamedTuple):
    """How a text table is cut: its separator, cells a record, and which are wanted."""

    separator: str
    width: int
    places: tuple[int | None, ...]
    exact: bool

    def fits(self, cells: list[str]) -> bool:
        """Whether a record has the cells of the header; where it need not be exact, empty ones are no matter."""
        if self.exact:
            return len(cells) == self.width
        return not any(cells[self.width :])


def read_header(lines: Iterator[str], columns: Columns, where: str) -> Header:
    """The first row of a table, past empty lines, comments and Excel's `sep=;`.

    Raises ValueError where it is no line that can be read.
    """
    hint = ""
    number = 0
    for number, line in enumerate(lines, 1):
        if isinstance(line, Cut):
            raise ValueError(
                f"{where}: expected a first line that names the columns, found one of over {LONGEST_LINE:,}"
            )
        match = HINT.fullmatch(line)
        if match:
            hint = match[1]
        elif line.strip() and not COMMENT.match(line):
            separator = hint or _separator(line, columns)
            return Header(number, separator, _cells(line, separator))
    return Header(number, ",", [])


def _separator(line: str, columns: Columns) -> str:
    """The separator by which a first line names the columns, or else the one that it has most of."""
    if columns.are_named([line.strip().strip('"')]):
        return ","
    for separator in (*SEPARATORS, *RARE_SEPARATORS):
        cells = _cells(line, separator)
        if len(cells) > 1 and columns.are_named(cells):
            return separator
    return max(SEPARATORS, key=lambda separator: len(_cells(line, separator)))


def _cells(line: str, separator: str) -> list[str]:
    cells = _split(line, separator) or [line]
    return [cell.strip() for cell in cells]


def text_rows(lines: Iterator[str], columns: Columns, where: str) -> Iterator[Row]:
    """The rows of a text table; without a header, those of a list of one column.

    Raises ValueError where the columns have no names, or the necessary one is missing.
    """
    header = read_header(lines, columns, where)
    names = header.cells
    if not names:
        return
    if columns.is_header(names):
        width, places = len(names), columns.places(names, where)
    else:
        width, places = 1, columns.places([""], where)
    layout = Layout(header.separator, width, places, columns.exact)
    if not columns.is_header(names):
        yield Row(header.line, names[0], "", pick(names, layout.places[1:]))
    yield from _records(lines, layout, columns, header.line)


def _records(
    lines: Iterator[str], layout: Layout, columns: Columns, number: int
) -> Iterator[Row]:
    """One row a record; `number` is that of the line before the first."""
    ahead: deque[str] = deque()  # lines that were read to join them, and were not
    failed_joins = 0
    while True:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            return
        number += 1
        row = _plain_row(number, line, layout)
        if row is not None:
            yield row
            continue
        if isinstance(line, Cut):
            yield Row(number, line, f"longer than {LONGEST_LINE:,} characters")
            continue
        joined = 0
        cells = _split(line, layout.separator)
        if cells is None and failed_joins < MOST_FAILED_JOINS:
            joined, cells = _join(line, ahead, lines, layout, columns)
            failed_joins += -10 if cells else 1
        row = _row(number, line, cells, layout)
        if row is not None:
            yield row
        for _ in range(joined):
            ahead.popleft()
        number += joined


def _plain_row(number: int, line: str, layout: Layout) -> Row | None:
    """The row of a record without quotes, as most are; None for any other line, which takes longer to read."""
    if '"' in line or type(line) is not str:
        return None
    cells = line.split(layout.separator)
    first = layout.places[0]
    if len(cells) != layout.width or first is None or not line.strip():
        return None
    if len(layout.places) == 1:
        return Row(number, cells[first], "")
    return Row(number, cells[first], "", pick(cells, layout.places[1:]))


def _row(number: int, line: str, cells: list[str] | None, layout: Layout) -> Row | None:
    """The row of a record; None for an empty line."""
    if not cells:
        return Row(number, line, "a quote is open or stray")
    if not line.strip():
        return None
    if not layout.fits(cells):
        reason = f"expected {layout.width} cells, found {len(cells)}"
        return Row(number, line, reason)
    value, *others = pick(cells, layout.places)
    return Row(number, value, "", tuple(others))


def _split(text: str, separator: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        return None if "end of data" in str(error) else []


def _join(
    line: str,
    ahead: deque[str],
    lines: Iterator[str],
    layout: Layout,
    columns: Columns,
) -> tuple[int, list[str] | None]:
    """How many following lines complete the record of `line`, and its cells; (0, None) if none do."""
    for joined in range(1, MOST_JOINED + 1):
        if len(ahead) < joined:
            following = next(lines, None)
            if following is None:
                break
            ahead.append(following)
        added = ahead[joined - 1]
        if isinstance(added, Cut) or len(line) + len(added) > LONGEST_LINE:
            break
        line += "\n" + added
        if '"' not in added:
            continue  # the quote is still open
        cells = _split(line, layout.separator)
        if cells == []:
            break
        if not cells or not layout.fits(cells):
            continue
        if columns.is_row(pick(cells, layout.places)[0]):
            return joined, cells
    return 0, None
