"""Ours against a peer in one run, interleaved (A B A B), and one row of medians: what every benchmark here prints.

Only ratios of one run count on a machine that others use too; cpu/wall says how busy it was. Run by `make bench`
through the other files of this folder; alone it prints nothing.
"""

import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
COLUMNS = ("peer s", "ours s", "ratio", "peer +MB", "ours +MB", "cpu/wall")
PROCESS = Path("/proc/self")  # Linux; elsewhere the memory is not measured


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds, CPU seconds with those of child processes, MB of peak growth (NaN: not measured)."""

    wall: float
    cpu: float
    memory: float


def versus(
    name: str,
    ours: Callable[[], A],
    peer: Callable[[], B],
    *,
    rounds: int = 3,
    quality: Callable[[A, B], str],
) -> tuple[Cost, Cost]:
    """Call both in turn, print a row, and give the median costs of ours and of the peer.

    The ratio is peer / ours: above 1, ours is faster. `quality` makes a few words of the two last results.
    """
    pairs = [(_measure(peer), _measure(ours)) for _ in range(rounds)]
    (_, theirs), (_, mine) = pairs[-1]
    _heading()
    peer_cost, our_cost = (
        _median([pair[0][0] for pair in pairs]),
        _median([pair[1][0] for pair in pairs]),
    )
    costs = (peer_cost, our_cost)
    numbers = [f"{cost.wall:.3f}" for cost in costs] + [
        f"{peer_cost.wall / our_cost.wall:.2f}x"
    ]
    numbers += [f"{cost.memory:.0f}" for cost in costs]
    numbers += [" ".join(f"{cost.cpu / cost.wall:.1f}" for cost in costs)]
    _print_row(name, numbers, quality(mine, theirs))
    return our_cost, peer_cost


@functools.cache
def _heading() -> None:
    _print_row("what", COLUMNS, "quality")


def _print_row(name: str, cells: Sequence[str], quality: str) -> None:
    print(
        f"{name:<48} {' '.join(f'{cell:>9}' for cell in cells)}  {quality}", flush=True
    )


def _measure(work: Callable[[], A]) -> tuple[Cost, A]:
    before, times, start = memory("VmRSS", reset=True), os.times(), time.perf_counter()
    result = work()
    wall, spent = (
        time.perf_counter() - start,
        [now - then for now, then in zip(os.times(), times, strict=True)],
    )
    grown = (
        float("nan") if any(spent[2:4]) else memory("VmHWM") - before
    )  # child processes have their own
    return Cost(wall, sum(spent[:4]), grown), result


def _median(costs: list[Cost]) -> Cost:
    """Medians, but of memory the most: a later round may reuse what an earlier one left with the allocator."""
    return Cost(
        median(c.wall for c in costs),
        median(c.cpu for c in costs),
        max(c.memory for c in costs),
    )


def memory(field: str, reset: bool = False) -> float:
    """MB of this process: `VmRSS` now, `VmHWM` at its highest since the last reset; NaN where it is not known."""
    try:
        if reset:
            (PROCESS / "clear_refs").write_text("5")
        return (
            float((PROCESS / "status").read_text().partition(f"{field}:")[2].split()[0])
            / 1024
        )
    except (OSError, IndexError):
        return float("nan")


if __name__ == "__main__":
    pass
