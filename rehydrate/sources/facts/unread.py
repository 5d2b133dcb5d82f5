"""Values that cannot be read, counted by field, and what `twigma add` says of them."""

from collections.abc import Iterable
from typing import Any, TypedDict

import pyarrow as pa

from twigma.core.values import clean_text
from twigma.rehydrate.sources.facts.columns import Unread

LONGEST = 40  # characters of a value in a message
UNREAD = pa.struct(
    [
        ("column", pa.string()),
        ("field", pa.string()),
        ("count", pa.int64()),
        ("example", pa.string()),
        ("expected", pa.string()),
    ]
)


class UnreadField(TypedDict):
    """Values for one column that could not be read: the field they are in, how many, the first, what is expected."""

    column: str
    field: str
    count: int
    example: str
    expected: str


class UnreadValues:
    """The values that could not be read so far, by column, field and what is expected there."""

    def __init__(self) -> None:
        self._fields: dict[tuple[str, str, str], UnreadField] = {}

    def add(self, values: Iterable[Unread]) -> None:
        """Count values."""
        for one in values:
            self._count(
                {
                    "column": one.column,
                    "field": clean_text(one.name),
                    "count": 1,
                    "example": shown(one.value),
                    "expected": one.expected,
                }
            )

    def merge(self, other: "UnreadValues") -> None:
        """Count those of another, which come after."""
        for field in other.rows():
            self._count(field)

    def rows(self) -> list[UnreadField]:
        """One for each field, by column."""
        return [self._fields[key].copy() for key in sorted(self._fields)]

    def _count(self, field: UnreadField) -> None:
        key = (field["column"], field["field"], field["expected"])
        if key in self._fields:
            self._fields[key]["count"] += field["count"]
        else:
            self._fields[key] = field


def describe_unread(field: UnreadField) -> str:
    """A sentence on the values of a field."""
    many = field["count"] > 1
    values = f"{field['count']:,} values" if many else "1 value"
    which = "are empty, such as" if many else "is empty,"
    return (
        f"{field['column']}: {values} of {field['field']} could not be read and {which} {field['example']}: "
        f"expected {field['expected']}"
    )


def shown(value: Any) -> str:
    """The beginning of a value, as Python writes it.

    >>> shown("1,5")
    "'1,5'"
    """
    text = repr(clean_text(value) if isinstance(value, str) else value)
    return clean_text(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
