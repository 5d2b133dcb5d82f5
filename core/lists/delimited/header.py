"""The first row of a text table: by which separator it is cut, and what it names the columns."""

import re
from typing import NamedTuple

from twigma.core.lists.columns import Columns
from twigma.core.lists.delimited.cells import split_line
from twigma.core.lists.delimited.line_buffer import LONGEST_LINE, LineBuffer
from twigma.core.safety.bounded import Cut

SEPARATORS = (",", "\t", ";", "|")  # those that part columns even if no name is known
RARE_SEPARATORS = (":", " ", "^", "~", "\x01", "\x1f")  # Hive writes \x01
HINT = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)  # what Excel takes from line 1
COMMENT = re.compile(r"#\s")


class Header(NamedTuple):
    """The first row of a table: the separator, and its cells."""

    separator: str
    cells: list[str]


def read_header(lines: LineBuffer, columns: Columns, where: str) -> Header:
    """Take the first row of a table, past empty lines, comments and Excel's `sep=;`.

    Raises ValueError where it is no line that can be read.
    """
    hint = ""
    for line in lines:
        if isinstance(line, Cut):
            raise ValueError(
                f"{where}: expected a first line that names the columns, found one of over {LONGEST_LINE:,}"
            )
        match = HINT.fullmatch(line)
        if match:
            hint = match[1]
        elif line.strip() and not COMMENT.match(line):
            separator = hint or _separator(line, columns)
            return Header(separator, _cells(line, separator))
    return Header(",", [])


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
    cells = split_line(line, separator) or [line]
    return [cell.strip() for cell in cells]
