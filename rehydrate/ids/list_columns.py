"""Which columns of a list are read: the one that holds the ids, and others that come along."""

import re
from collections.abc import Sequence
from typing import NamedTuple

ID = re.compile(r"[0-9]{1,20}")
# The specific names first: `id` may be a row number beside them.
NAMES = ("id_str", "tweet_id", "post_id", "id")
SHOWN = 20  # names of columns in a message


class Row(NamedTuple):
    """A row of a list: its line (from 1; the row in Parquet), its id cell, what is wrong with it, other cells."""

    line: int
    value: str
    reason: str
    others: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """Which columns to read: the id column (None: recognised by its name), and others, empty where they are missing."""

    column: str | None
    others: tuple[str, ...]

    def id_place(self, names: Sequence[str], where: str) -> int:
        """Which of the columns of a list holds the ids; ValueError when that is not clear."""
        if self.column is not None:
            if self.column not in names:
                raise ValueError(
                    f"{where}: expected a column {self.column!r}, found {list(names)[:SHOWN]}"
                )
            return names.index(self.column)
        normalized = [text.strip().lower().replace(" ", "_") for text in names]
        for name in NAMES:
            if name in normalized:
                return normalized.index(name)
        if len(names) == 1:
            return 0
        raise ValueError(
            f"{where}: expected a column named {', '.join(NAMES)}, "
            f"found {list(names)[:SHOWN]}; name the id column"
        )

    def other_places(self, names: Sequence[str]) -> tuple[int | None, ...]:
        """Where the other columns are among the columns of a list; None for one that is missing."""
        # Backwards, so that of equal names the first counts.
        places = {name: place for place, name in reversed(list(enumerate(names)))}
        return tuple(places.get(name) for name in self.others)
