"""What a reader of lists is asked for, and what it returns: columns by name, rows with their line, also in blocks."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple, Protocol

SHOWN = 20  # names of columns in a message


class Row(NamedTuple):
    """A row of a list: its line (from 1; the row where a format has no lines), a cell, what is wrong, other cells.

    `value` is the cell of the first column that was asked for, or the text of a line that cannot be split.
    """

    line: int
    value: str
    reason: str
    others: tuple[str, ...] = ()


class Block(NamedTuple):
    """Rows with which nothing is wrong, by columns, each [n]: their lines, their values, their other cells.

    The lines count from `line`: that of row k is `line + places[k]`.
    """

    line: int
    places: Sequence[int]
    values: Sequence[str]
    others: Sequence[tuple[str, ...]]

    def rows(self) -> Iterator[Row]:
        """The same rows, one by one."""
        lines = map(self.line.__add__, self.places)
        return map(Row, lines, self.values, repeat(""), self.others)


class Columns(Protocol):
    """Which columns of a list a caller reads."""

    @property
    def exact(self) -> bool:
        """Whether a row must have as many cells as the header: spreadsheets leave out empty ones at its end."""

    def are_named(self, names: Sequence[str]) -> bool:
        """Whether these names have the column that must be there: so the separator of a text is recognised."""

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether the first row of a list names its columns; otherwise the list is one column without a name."""

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        """Where the columns are, the necessary one first, None for one that is missing; ValueError without it."""

    def is_row(self, value: str) -> bool:
        """Whether lines may be joined, at a quote that is open, to a row with this first cell."""


class EveryColumn:
    """All columns of a table, whatever its first row names them; of equal names the first."""

    exact = True

    def are_named(self, names: Sequence[str]) -> bool:
        """Nothing is known of the names."""
        return False

    def is_header(self, cells: Sequence[str]) -> bool:
        """The first row always is."""
        return True

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        """The first column, which has a cell on every row; and where each distinct name is first."""
        return 0, *first_places(names)

    def is_row(self, value: str) -> bool:
        """Any may be."""
        return True


def find_places(names: Sequence[str], wanted: Sequence[str]) -> tuple[int | None, ...]:
    """Where each of the wanted columns is, the first of equal names; None for one that is missing."""
    # Backwards, so that of equal names the first counts.
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    return tuple(places.get(name) for name in wanted)


def first_places(names: Sequence[str]) -> list[int]:
    """Where each distinct name is first.

    >>> first_places(["url", "likes", "url"])
    [0, 1]
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(name, place)
    return list(places.values())


def pick(cells: Sequence[str], places: Sequence[int | None]) -> tuple[str, ...]:
    """The cells at these places; empty where a column is missing or a row is short."""
    return tuple(
        "" if place is None or place >= len(cells) else cells[place] for place in places
    )
