"""Lines cut into the cells of their records: one line, or many at once."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple


class Records(NamedTuple):
    """Records of some lines: the cells of each, n of them; the place of its first line, and where the last ends, n + 1.

    Record `k` is on lines `places[k]` to `places[k + 1] - 1`, counted from 0.
    """

    cells: Sequence[Sequence[str]]
    places: Sequence[int]


def split_line(text: str, separator: str) -> list[str] | None:
    """The cells of one CSV record; None while a quote is open, no cell where one is out of place."""
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
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
    with suppress(csv.Error):
        cells = list(csv.reader(lines, delimiter=separator, strict=True))
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
    reader = csv.reader(ended, delimiter=separator, strict=True)
    records: list[list[str]] = []
    places = [0]
    with suppress(csv.Error):
        for cells in reader:
            records.append(cells)
            places.append(reader.line_num)
    return Records(records, places)
