"""Checks and words that the counts of ids and of photos share."""

from collections.abc import Iterable, Mapping
from typing import Any


def check_sum(counts: Mapping[str, Any], classes: Iterable[str], what: str) -> None:
    """Raise RuntimeError unless every one of the `total` is in exactly one of these classes.

    A class is a number, or a mapping of classes to numbers.
    """
    counted = 0
    for name in classes:
        count = counts[name]
        counted += sum(count.values()) if isinstance(count, dict) else count
    if counted != counts["total"]:
        raise RuntimeError(
            f"{counts['total']:,} {what}, but {counted:,} in their classes: "
            "internal error, please report it"
        )


def first_line(error: Exception) -> str:
    """The beginning of a library's message about a damaged file."""
    return str(error).strip().partition("\n")[0][:60]
