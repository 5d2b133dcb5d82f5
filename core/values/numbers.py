"""Whole numbers and counts, exact: as numbers, as text, or as the 3.0 that pandas writes beside missing values."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = (1 << 63) - 1  # of int64
WHOLE = r"[-+]?[0-9]{1,19}(?:\.0*)?"
_WHOLE = re.compile(WHOLE, re.ASCII)


def read_whole(value: Any) -> int | None:
    """A whole number that int64 holds; None for anything else, such as 1.5, true or 1,234.

    >>> read_whole(" 3.0 "), read_whole(3.0), read_whole("1,234"), read_whole(True)
    (3, 3, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value.partition(".")[0])
    if not isinstance(value, int) or not -LARGEST <= value <= LARGEST:
        return None
    return value


def read_count(value: Any) -> int | None:
    """A whole number from 0 on; None for anything else."""
    number = read_whole(value)
    return number if number is not None and number >= 0 else None


def noun_for(count: float, one: str, many: str = "") -> str:
    """A noun in the plural (`many`, or with an s) but for 1."""
    return one if count == 1 else many or f"{one}s"


def plural(count: int, one: str, many: str = "") -> str:
    """A count and its noun, as `noun_for` has it.

    >>> plural(1, "image"), plural(1200, "finished shard"), plural(0, "category", "categories")
    ('1 image', '1,200 finished shards', '0 categories')
    """
    return f"{count:,} {noun_for(count, one, many)}"


def whole_numbers(text: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Trimmed texts, string[n], as whole numbers, int64[n]; null where `read_whole` finds none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_whole = pc.match_substring_regex(text, f"^{WHOLE}$")
    # Arrow reads no sign in front of a positive number.
    digits = pc.replace_substring_regex(text, r"^\+|\.0*$", "")
    digits = pc.if_else(is_whole, digits, pa.scalar(None, text.type))
    try:
        return digits.cast(pa.int64())
    except pa.ArrowInvalid:  # one of 19 digits may be too large
        numbers = [read_whole(each) for each in text.to_pylist()]
        return pa.chunked_array([pa.array(numbers, pa.int64())])
