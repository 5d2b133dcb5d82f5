"""The rows of a list in any file: what it is packed in, its format and its encoding are recognised by its content.

A cell is text from the first byte to the last: no number is parsed. A record that cannot be read is a row with its line
and the reason.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twigma.core.lists import columnar, json_values
from twigma.core.lists.columns import Block, Columns, Row, pick
from twigma.core.lists.delimited import LONGEST_LINE, LineBuffer, read_header, text_rows
from twigma.core.lists.encoding import text_blocks, text_lines
from twigma.core.lists.formats import format_of
from twigma.core.lists.packed import Content, open_content
from twigma.core.lists.statistics_files import statistics_frame, statistics_rows
from twigma.core.lists.workbooks import workbook_rows

STATISTICS = ("dta", "sav", "rds")


def read_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Every row of a list, with the cells of the columns that are wanted: empty where one is missing.

    Raises ValueError when the necessary column is missing, or the file is damaged or no list.
    """
    for part in read_blocks(path, columns):
        if isinstance(part, Block):
            yield from part.rows()
        else:
            yield part


def read_blocks(path: Path, columns: Columns) -> Iterator[Block | Row]:
    """As `read_rows`, but rows of a text in blocks, where nothing is wrong with any of them."""
    with open_content(Path(path)) as (content, stack):
        yield from _blocks(content, columns, stack)


def _blocks(
    content: Content, columns: Columns, stack: ExitStack
) -> Iterator[Block | Row]:
    kind = format_of(content)
    where = content.where
    if kind == "text":
        blocks = text_blocks(content, LONGEST_LINE)
        yield from text_rows(blocks, columns, where)
        return
    if kind == "json":
        lines = text_lines(content, json_values.LONGEST)
        yield from json_values.json_rows(lines, columns, where)
        return
    content = content.seekable(stack)
    if kind == "parquet":
        yield from columnar.parquet_rows(content.raw, columns, where)
    elif kind == "arrow":
        yield from columnar.arrow_rows(content.raw, columns, where)
    elif kind in STATISTICS:
        yield from statistics_rows(content, kind, columns, stack)
    else:
        yield from _workbook_rows(content, kind, columns)


def _workbook_rows(content: Content, kind: str, columns: Columns) -> Iterator[Row]:
    rows = workbook_rows(content, kind)
    line, names = next(rows, (1, []))
    if not names:
        return
    if columns.is_header(names):
        places = columns.places(names, content.where)
    else:
        places = columns.places([""], content.where)
        yield Row(line, names[0], "", pick(names, places[1:]))
    for line, cells in rows:
        value, *others = pick(cells, places)
        yield Row(line, value, "", tuple(others))


def format_of_file(path: Path) -> str:
    """The format of a list, such as `text` or `xlsx`; ValueError where it is none."""
    with open_content(Path(path)) as (content, _):
        return format_of(content)


def column_names(path: Path, columns: Columns) -> list[str]:
    """The columns of a list: those its first row names; none where it names none."""
    with open_content(Path(path)) as (content, stack):
        names = _names(content, columns, stack)
    return names if names and columns.is_header(names) else []


def _names(content: Content, columns: Columns, stack: ExitStack) -> list[str]:
    kind = format_of(content)
    if kind == "text":
        blocks = text_blocks(content, LONGEST_LINE)
        return read_header(LineBuffer(blocks), columns, content.where).cells
    if kind == "json":
        lines = text_lines(content, json_values.LONGEST)
        item: Any = json_values.first_value(lines, content.where)
        return list(item) if isinstance(item, dict) else []
    content = content.seekable(stack)
    if kind == "parquet":
        return columnar.parquet_names(content.raw)
    if kind == "arrow":
        return columnar.arrow_names(content.raw)
    if kind in STATISTICS:
        frame = statistics_frame(content, kind, stack)
        return [str(name) for name in frame.columns]
    return next(workbook_rows(content, kind), (1, []))[1]
