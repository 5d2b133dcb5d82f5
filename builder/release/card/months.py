"""Posts in each month as a line of bars."""

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


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
