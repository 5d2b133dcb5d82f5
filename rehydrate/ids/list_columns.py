"""Which columns of a list are read: the one that holds the post ids, and others that come along."""

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from twigma.core.lists.columns import SHOWN, find_places
from twigma.rehydrate.ids.post_id import has_lost_digits, parse_id

# The specific names first: `id` may be a row number beside them.
NAMES = (
    "id_str",
    "tweet_id_str",
    "tweet_id",
    "tweetid",
    "status_id",
    "statusid",
    "post_id",
    "postid",
    "id",
)
USER_NAMES = ("user_id", "user_id_str", "userid", "author_id", "authorid", "user")


class Wanted(NamedTuple):
    """Which columns to read: the id column (None: recognised by its name), and others, empty where they are missing."""

    column: str | None
    others: tuple[str, ...] = ()
    exact: bool = True

    def are_named(self, names: Sequence[str]) -> bool:
        """Whether the id column is among these names."""
        if self.column is not None:
            return self.column in names
        return not set(map(normalize_name, names)).isdisjoint(NAMES)

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether a first row names columns: one cell that is an id, or begins with no letter, does not."""
        if len(cells) != 1:
            return True
        if parse_id(cells[0]):
            return False
        begins_with_letter = re.match(r"[^\W\d]", cells[0]) is not None
        return self.column is not None or begins_with_letter

    def is_row(self, value: str) -> bool:
        """Whether a cell is an id, or was one: only then are lines joined at a quote that is open."""
        if "\n" in value.strip(" \t"):
            return False
        return parse_id(value) != "" or has_lost_digits(value)

    def places(self, names: Sequence[str], where: str) -> tuple[int | None, ...]:
        """Where the ids are among the columns of a list, then the others; ValueError when that is not clear."""
        place = self._id_place(names, where)
        return (place, *find_places(names, self.others))

    def _id_place(self, names: Sequence[str], where: str) -> int:
        if self.column is not None:
            if self.column not in names:
                raise ValueError(
                    f"{where}: expected a column {self.column!r}, found {list(names)[:SHOWN]}"
                )
            return list(names).index(self.column)
        if len(names) > 1 and any(map(parse_id, names)):
            raise ValueError(
                f"{where}: expected a first line that names the columns, found {', '.join(names)[:80]!r}"
            )
        normalized = list(map(normalize_name, names))
        for name in NAMES:
            if name in normalized:
                return normalized.index(name)
        if len(names) == 1 and normalized[0] in USER_NAMES:
            raise ValueError(
                f"{where}: expected ids of posts, found a column {names[0]!r}, which holds ids of users; name the "
                "column if its ids are of posts"
            )
        if len(names) == 1:
            return 0
        raise ValueError(
            f"{where}: expected a column named {', '.join(NAMES)}, "
            f"found {list(names)[:SHOWN]}; name the id column"
        )


@functools.lru_cache(4096)  # each record of JSON names its columns again
def normalize_name(name: str) -> str:
    """The name of a column, however a tool spells it.

    >>> normalize_name(' Tweet-ID')
    'tweet_id'
    """
    return re.sub(r"[\s-]+", "_", name.strip(" \t'\"").lower())
