"""Counts with a comma before each three digits, as spreadsheets write them: 1,234. Pure."""

import re
from collections.abc import Collection
from typing import Any

from twigma.rehydrate.sources.facts.columns import NAMES, flat_name

THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
COUNTS = frozenset(
    name
    for column, names in NAMES.items()
    if column.endswith("_count")
    for name in names
)


def join_thousands(rows: Collection[dict[str, Any]]) -> None:
    """Write the counts of a table without commas, column by column, where each comma of the column parts thousands.

    Where one does not, such as that of 1,5, the column may mean decimals by it, and is left as it is.

    >>> rows = [{"likes": "1,234"}, {"likes": "7"}]
    >>> join_thousands(rows)
    >>> rows
    [{'likes': '1234'}, {'likes': '7'}]
    """
    with_comma: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str) and "," in value and flat_name(name) in COUNTS:
                with_comma.setdefault(name, []).append(row)
    for name, found in with_comma.items():
        if all(THOUSANDS.fullmatch(row[name].strip()) for row in found):
            for row in found:
                row[name] = row[name].replace(",", "")
