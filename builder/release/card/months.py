"""Posts in each month, as numbers and as a line of bars."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

BARS = "▁▂▃▄▅▆▇█"


def posts_per_month(metadata: pa.Table) -> dict[str, int]:
    """Distinct posts in each UTC month from the first to the last, months without posts included (Figure 1b)."""
    dated = metadata.select(["id", "created_at"])
    dated = dated.filter(dated["created_at"].is_valid())
    if not len(dated):
        return {}
    month = pc.strftime(dated["created_at"], format="%Y-%m")
    table = pa.table({"month": month, "id": dated["id"]}).group_by("month")
    rows = table.aggregate([("id", "count_distinct")]).to_pylist()
    counts = {row["month"]: row["id_count_distinct"] for row in rows}
    return {month: counts.get(month, 0) for month in _months(min(counts), max(counts))}


def _months(first: str, last: str) -> list[str]:
    """Every month from the first to the last, as YYYY-MM."""
    numbers = range(_month_number(first), _month_number(last) + 1)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def _month_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars of eight heights.

    >>> sparkline([0, 1, 4, 8])
    '▁▂▅█'
    """
    top = max([*counts, 1])
    highest = len(BARS) - 1
    # Rounded up, so that only months without posts have the lowest bar.
    heights = [-(-count * highest // top) for count in counts]
    return "".join(BARS[height] for height in heights)
