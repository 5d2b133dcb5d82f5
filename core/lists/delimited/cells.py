"""Lines cut into the cells of their records: one line, or many at once."""

import csv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from twigma.core.lists.delimited.line_buffer import LONGEST_LINE

if TYPE_CHECKING:
    from _csv import Reader


class Records(NamedTuple):
    """Records of some lines: the cells of each, n of them; the place of its first line, and where the last ends, n + 1.

    Record `k` is on lines `places[k]` to `places[k + 1] - 1`, counted from 0.
    """

    cells: Sequence[Sequence[str]]
    places: Sequence[int]


def strict_reader(lines: Iterable[str], separator: str) -> "Reader":
    """A reader of `csv` that raises csv.Error at a quote that is out of place, and takes a cell as long as a line."""
    # A limit of the process, 128 kB at first; it is never lowered, so that no result depends on what was read before.
    if csv.field_size_limit() < LONGEST_LINE:
        csv.field_size_limit(LONGEST_LINE)
    return csv.reader(lines, delimiter=separator, strict=True)


def split_line(text: str, separator: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(separator)
    try:
        return next(strict_reader([text], separator))
    except csv.Error as error:
        return None if "end of data" in str(error) else []


def split_lines(lines: Sequence[str], separator: str) -> Records:
    """The records of lines, up to one with a quote that is out of place, or open at the end.

    >>> split_lines(['1,a', '2,"b', 'c"', '3,"'], ",")
    Records(cells=[['1', 'a'], ['2', 'b\\nc']], places=[0, 1, 3])
    """
    one_by_one = range(len(lines) + 1)
    text = "".join(lines)
    if '"' not in text:
        return Records(_split_plain(lines, text, separator), one_by_one)
    # Most records on several lines have an odd number of quotes on one of them.
    if not any(line.count('"') % 2 for line in lines):
        with suppress(csv.Error):
            cells = list(strict_reader(lines, separator))
            if len(cells) == len(lines):
                return Records(cells, one_by_one)
    return _split_joined(lines, separator)


def _split_plain(
    lines: Sequence[str], text: str, separator: str
) -> Sequence[Sequence[str]]:
    """The cells of lines without quotes, whose text is `text`."""
    if separator not in text:
        return list(zip(lines))
    return [line.split(separator) for line in lines]


def _split_joined(lines: Sequence[str], separator: str) -> Records:
    """As `split_lines`, of records that may be on several lines, which takes longer."""
    ended = [line + "\n" for line in lines]
    reader = strict_reader(ended, separator)
    records: list[list[str]] = []
    places = [0]
    with suppress(csv.Error):
        for cells in reader:
            records.append(cells)
            places.append(reader.line_num)
    return Records(records, places)
