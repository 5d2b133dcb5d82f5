"""CSV, TSV and plain text as rows of a list: one record a line, or several lines while a quote is open.

Files that people bring have stray quotes. A quoted cell may hold line breaks, but lines are joined only if that makes a
complete record with an id; so a stray quote costs its own line and none after it.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from twigma.core.safety.bounded import Cut
from twigma.rehydrate.ids.list_columns import ID, Row, Wanted

LONGEST_LINE = 1 << 20  # characters of a line, and of all lines that are joined
MOST_JOINED = 100  # lines of one quoted cell
# Stray quotes, beyond ten times the right ones, after which no lines are joined: each costs MOST_JOINED attempts.
MOST_FAILED_JOINS = 1000


class Layout(NamedTuple):
    """How a text table is cut: its delimiter, cells a record, which is the id, and which others are wanted."""

    delimiter: str
    width: int
    id_at: int
    others: tuple[int | None, ...] = ()


def read_header(first: str) -> tuple[str, list[str]]:
    """The delimiter of a table, and the cells of its first line."""
    delimiter = ","
    if "\t" in first:
        delimiter = "\t"
    elif ";" in first and "," not in first:
        delimiter = ";"
    cells = _split(first, delimiter) or [first]
    return delimiter, [cell.strip() for cell in cells]


def text_rows(lines: Iterator[str], wanted: Wanted, where: str) -> Iterator[Row]:
    """The rows of a text table; without a header, those of a list of one column.

    Raises ValueError where the columns have no names, or none is that of the ids.
    """
    first = next(lines, "")
    if isinstance(first, Cut):
        raise ValueError(
            f"{where}: expected a first line that names the columns, found one of over {LONGEST_LINE:,}"
        )
    delimiter, names = read_header(first)
    starts_with_letter = re.match(r"[^\W\d]", names[0]) is not None
    if len(names) == 1 and wanted.column is None and not starts_with_letter:
        layout = Layout(delimiter, 1, 0, (None,) * len(wanted.others))
        yield from _records(iter([first]), layout, 0)  # no header: the first row
    else:
        if any(ID.fullmatch(name) for name in names):
            raise ValueError(
                f"{where}: expected a first line that names the columns, found {first[:80]!r}"
            )
        id_at = wanted.id_place(names, where)
        others = wanted.other_places(names)
        layout = Layout(delimiter, len(names), id_at, others)
    yield from _records(lines, layout, 1)


def _records(lines: Iterator[str], layout: Layout, number: int) -> Iterator[Row]:
    """One row a record; `number` is that of the line before the first."""
    ahead: deque[str] = deque()  # lines that were read to join them, and were not
    failed_joins = 0
    while True:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            return
        number += 1
        if isinstance(line, Cut):
            yield Row(number, line, f"longer than {LONGEST_LINE:,} characters")
            continue
        joined = 0
        cells = _split(line, layout.delimiter)
        if cells is None and failed_joins < MOST_FAILED_JOINS:
            joined, cells = _join(line, ahead, lines, layout)
            failed_joins += -10 if cells else 1
        row = _row(number, line, cells, layout)
        if row is not None:
            yield row
        for _ in range(joined):
            ahead.popleft()
        number += joined


def _row(number: int, line: str, cells: list[str] | None, layout: Layout) -> Row | None:
    """The row of a record; None for an empty line."""
    if not cells:
        return Row(number, line, "a quote is open or stray")
    if not line.strip():
        return None
    if len(cells) != layout.width:
        reason = f"expected {layout.width} cells, found {len(cells)}"
        return Row(number, line, reason)
    others = tuple("" if at is None else cells[at] for at in layout.others)
    return Row(number, cells[layout.id_at], "", others)


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None if "end of data" in str(error) else []


def _join(
    line: str, ahead: deque[str], lines: Iterator[str], layout: Layout
) -> tuple[int, list[str] | None]:
    """How many following lines complete the record of `line` with an id, and its cells; (0, None) if none do."""
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
        cells = _split(line, layout.delimiter)
        if cells == []:
            break
        if not cells or len(cells) != layout.width:
            continue
        if ID.fullmatch(cells[layout.id_at].strip(" \t")):
            return joined, cells
    return 0, None
