"""The rows of a text table: most lines are whole records, and are cut many at once; any others one by one.

Files that people bring have stray quotes. A quoted cell may hold line breaks, but lines are joined only if that makes a
complete record; so a stray quote costs its own line and none after it.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from twigma.core.lists.columns import Block, Columns, EveryColumn, Row, pick
from twigma.core.lists.delimited.cells import (
    Records,
    split_line,
    split_lines,
    strict_reader,
)
from twigma.core.lists.delimited.header import read_header
from twigma.core.lists.delimited.line_buffer import LONGEST_LINE, LineBuffer
from twigma.core.safety.bounded import Cut

MOST_JOINED = 1000  # lines after the first of one record
# Stray quotes, beyond ten times the right ones, after which no lines are joined: each costs MOST_JOINED lines.
MOST_FAILED_JOINS = 1000
STRAY = "a quote is open or stray"
EVERY = EveryColumn()


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

    def begins_row(self, cells: Sequence[str], columns: Columns) -> bool:
        """Whether the first of the wanted cells is one with which a row may begin."""
        return columns.is_row(pick(cells, self.places[:1])[0])


def text_rows(
    blocks: Iterator[list[str]], columns: Columns, where: str
) -> Iterator[Block | Row]:
    """The rows of a text table, whose lines come in blocks; without a header, those of a list of one column.

    Raises ValueError where the columns have no names, or the necessary one is missing.
    """
    lines = LineBuffer(blocks)
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
        yield Row(lines.number, names[0], "", pick(names, layout.places[1:]))
    yield from _Reader(lines, layout, columns).parts()


def table_rows(lines: LineBuffer, where: str) -> tuple[list[str], Iterator[Row]]:
    """The distinct names of the columns of a text table, and its rows, whose `others` are a cell for each.

    Raises ValueError where the first line is too long to name columns.
    """
    header = read_header(lines, EVERY, where)
    places = EVERY.places(header.cells, where)
    layout = Layout(header.separator, len(header.cells), places, EVERY.exact)
    return list(dict.fromkeys(header.cells)), _rows(_Reader(lines, layout, EVERY))


def _rows(reader: "_Reader") -> Iterator[Row]:
    for part in reader.parts():
        if isinstance(part, Block):
            yield from part.rows()
        else:
            yield part


class _Reader:
    """Reads the records of lines: whether many at once or one by one, the rows are the same."""

    def __init__(self, lines: LineBuffer, layout: Layout, columns: Columns) -> None:
        self._lines, self._layout, self._columns = lines, layout, columns
        self._failed_joins = 0

    def parts(self) -> Iterator[Block | Row]:
        """The rows: of lines that are ready, those before the first unusual record at once, the others one by one."""
        while ready := self._lines.ready():
            end = self._lines.number + len(ready)
            block = self._next_block(ready)
            if block is not None:
                yield block
            while self._lines.number < end:
                row = self._next_row()
                if row is not None:
                    yield row

    def _next_block(self, ready: list[str]) -> Block | None:
        """The rows of the records before the first unusual one on these lines; None where there are none."""
        first, *others = self._layout.places
        if first is None or Cut in map(type, ready):
            return None
        records = split_lines(ready, self._layout.separator)
        if not _are_usual(ready, records, self._layout.width):
            records = self._before_unusual(ready, records)
        if not records.cells:
            return None
        rest: list[tuple[str, ...]] = [()] * len(records.cells)
        if others:
            rest = _cells_at(others, records.cells)
        values = [cells[first] for cells in records.cells]
        *places, taken = records.places
        block = Block(self._lines.number + 1, places, values, rest)
        self._lines.drop(taken)
        return block

    def _before_unusual(self, lines: list[str], records: Records) -> Records:
        """The records before the first that is an empty line, has not the cells of the header, or is wrongly joined."""
        count = 0
        for cells in records.cells:
            begin, end = records.places[count : count + 2]
            if len(cells) != self._layout.width:
                break
            if end - begin > 1:
                if not self._may_join(lines[begin:end], cells):
                    break
                self._failed_joins -= 10
            elif not lines[begin].strip():
                break
            count += 1
        return Records(records.cells[:count], records.places[: count + 1])

    def _may_join(self, lines: list[str], cells: Sequence[str]) -> bool:
        """Whether `_join` would join these lines, which make a record of as many cells as the header."""
        following = len(lines) - 1
        characters = sum(map(len, lines)) + following - 1
        if following > MOST_JOINED or characters > LONGEST_LINE:
            return False
        if self._failed_joins >= MOST_FAILED_JOINS:
            return False
        return self._layout.begins_row(cells, self._columns)

    def _next_row(self) -> Row | None:
        """The row of the record that begins on the next line; None for an empty line."""
        line = next(self._lines)
        number = self._lines.number
        row = _plain_row(number, line, self._layout)
        if row is not None:
            return row
        if isinstance(line, Cut):
            return Row(number, line, f"longer than {LONGEST_LINE:,} characters")
        cells = split_line(line, self._layout.separator)
        if cells is None and self._failed_joins < MOST_FAILED_JOINS:
            try:
                joined, cells = _join(line, self._lines, self._layout, self._columns)
            except ValueError as error:
                self._failed_joins += 1
                return Row(number, line, str(error))
            self._failed_joins -= 10
            self._lines.drop(joined)
        return _row(number, line, cells, self._layout)


def _cells_at(
    places: Sequence[int | None], records: Sequence[Sequence[str]]
) -> list[tuple[str, ...]]:
    """As `pick` of each of these records, which have all of their cells."""
    if list(places) == list(range(len(records[0]))):
        return list(map(tuple, records))
    columns = list(zip(*records, strict=True))
    empty = ("",) * len(records)
    chosen = [empty if place is None else columns[place] for place in places]
    return list(zip(*chosen, strict=True))


def _are_usual(lines: list[str], records: Records, width: int) -> bool:
    """Whether each of these lines is a record of so many cells, and none is empty."""
    if len(records.cells) != len(lines):
        return False
    if set(map(len, records.cells)) != {width}:
        return False
    return "" not in lines and not any(map(str.isspace, lines))


def _plain_row(number: int, line: str, layout: Layout) -> Row | None:
    """The row of a record without quotes; None for any other line, which takes longer to read."""
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
        return Row(number, line, STRAY)
    if not line.strip():
        return None
    if not layout.fits(cells):
        reason = f"expected {layout.width} cells, found {len(cells)}"
        return Row(number, line, reason)
    value, *others = pick(cells, layout.places)
    return Row(number, value, "", tuple(others))


def _join(
    line: str, lines: LineBuffer, layout: Layout, columns: Columns
) -> tuple[int, list[str]]:
    """How many following lines complete the record of `line`, and its cells; ValueError says why none do."""
    reader = strict_reader(_following(line, lines), layout.separator)
    with suppress(csv.Error):
        cells = next(reader)
        if layout.fits(cells) and layout.begins_row(cells, columns):
            return reader.line_num - 1, cells
    raise ValueError(STRAY)


def _following(line: str, lines: LineBuffer) -> Iterator[str]:
    """A line and those after it, with their ends; ValueError beyond those that may be joined."""
    characters = len(line)
    yield line + "\n"
    for place in range(MOST_JOINED):
        added = lines.ahead(place)
        if added is None or isinstance(added, Cut):
            return
        characters += len(added)
        if characters > LONGEST_LINE:
            raise ValueError(
                f"a quote is open for more than {LONGEST_LINE:,} characters"
            )
        characters += 1  # the end of the line
        yield added + "\n"
    raise ValueError(f"a quote is open for more than {MOST_JOINED:,} lines")
