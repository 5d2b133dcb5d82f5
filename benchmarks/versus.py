"""Ours against a peer in one run, interleaved (A B A B), and one row of medians: what every benchmark here prints.

Only ratios of one run count on a machine that others use too; cpu/wall says how busy it was. Run by `make bench`
through the other files of this folder; alone it prints nothing.
"""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ours, Peer, Result = TypeVar("Ours"), TypeVar("Peer"), TypeVar("Result")
COLUMNS = ("peer s", "ours s", "ratio", "peer +MB", "ours +MB", "cpu/wall")
PROCESS = Path("/proc/self")  # Linux; elsewhere the memory is not measured
COMPONENTS, LATENT = 200, 48  # of `mixture`


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds, CPU seconds with those of child processes, MB of peak growth of this process."""

    wall: float
    cpu: float
    memory: float


def versus(
    name: str,
    ours: Callable[[], Ours],
    peer: Callable[[], Peer],
    *,
    rounds: int = 3,
    quality: Callable[[Ours, Peer], str] | None = None,
) -> tuple[Cost, Cost]:
    """Call both in turn, print a row, and give the median costs of ours and of the peer.

    The ratio is peer / ours: above 1, ours is faster. `quality` makes a few words of the two last results.
    """
    pairs = [(_measure(peer), _measure(ours)) for _ in range(rounds)]
    (_, theirs), (_, mine) = pairs[-1]
    peer_cost, our_cost = _median([pair[0][0] for pair in pairs]), _median([pair[1][0] for pair in pairs])
    _heading()
    numbers = f"{peer_cost.wall:>9.3f} {our_cost.wall:>9.3f} {peer_cost.wall / our_cost.wall:>8.2f}x"
    busy = f"{peer_cost.cpu / peer_cost.wall:.1f} {our_cost.cpu / our_cost.wall:.1f}"
    memory = f"{peer_cost.memory:>9.0f} {our_cost.memory:>9.0f}"
    print(f"{name:<44} {numbers} {memory} {busy:>9}  {quality(mine, theirs) if quality else ''}", flush=True)
    return our_cost, peer_cost


@functools.cache
def _heading() -> None:
    print(f"{'what':<44} {' '.join(f'{column:>9}' for column in COLUMNS)}  quality")


def _measure(work: Callable[[], Result]) -> tuple[Cost, Result]:
    before = _memory("VmRSS", reset=True)
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    result = work()
    wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
    return Cost(wall, cpu, _memory("VmHWM") - before), result


def _median(costs: list[Cost]) -> Cost:
    """Medians, but of memory the most: a later round may reuse what an earlier one left with the allocator."""
    return Cost(median(c.wall for c in costs), median(c.cpu for c in costs), max(c.memory for c in costs))


def _memory(field: str, reset: bool = False) -> float:
    """MB of this process: `VmRSS` now, `VmHWM` at its highest since the last reset; NaN where it is not known."""
    try:
        if reset:
            (PROCESS / "clear_refs").write_text("5")
        return float((PROCESS / "status").read_text().partition(f"{field}:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return float("nan")


def mixture(rows: int, dim: int = 768, *, seed: int = 0, home: int = 0) -> npt.NDArray[np.float32]:
    """Unit rows float32[rows, dim] of 200 anisotropic Gaussians; `home` weighs the Gaussians, `seed` draws the rows."""
    fixed, rng = np.random.default_rng(7), np.random.default_rng((seed, home))
    centres = fixed.normal(size=(COMPONENTS, dim)).astype(np.float32)
    directions = fixed.normal(size=(LATENT, dim)).astype(np.float32)
    scales = fixed.gamma(1.0, 0.25, size=(COMPONENTS, LATENT)).astype(np.float32)
    weights = np.random.default_rng(home).dirichlet(np.full(COMPONENTS, 0.5))
    label = rng.choice(COMPONENTS, rows, p=weights)
    x = rng.standard_normal((rows, dim), np.float32)
    x *= 0.5
    x += centres[label]
    x += (rng.standard_normal((rows, LATENT), np.float32) * scales[label]) @ directions
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


if __name__ == "__main__":
    pass
