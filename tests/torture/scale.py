"""Scale: how memory grows with the rows (row 1)."""

import time
from pathlib import Path

import numpy as np

from twigma.demo.platform.server import Platform
from twigma.demo.platform.x_api import LOOKUP

from ..support.worlds import descendants
from .runs import PHOTOS, broken_law, build, ended, last_words, start
from .table import Measured, row

WARM = 0.25  # of the rows, before memory is measured
EVERY = 0.25  # seconds between two measurements


@row(
    1,
    "many rows on loopback",
    "L; RSS slope <= 1 MB/10k rows",
    quick=None,
    default=100_000,
    long=800_000,
)
def many_rows(count: int, folder: Path) -> Measured:
    """So many photos, four on a post; the memory of the run and all its processes while photos come."""
    world, work = build(folder / "world", count // PHOTOS), folder / "work"
    seen: list[tuple[int, int]] = []
    peak = 0
    with Platform(world, limits={LOOKUP: count}) as platform:
        began = time.monotonic()
        with ended(start(work, platform, world / "ids.csv")) as process:
            while process.poll() is None:
                used = sum(map(_resident, [process.pid, *descendants(process.pid)]))
                peak = max(peak, used)
                seen.append((platform.hits["media"], used))
                time.sleep(EVERY)
            code, seconds = process.returncode, time.monotonic() - began
        photos = platform.hits["media"]
    fault = (
        last_words(work)
        if code
        else broken_law(work, (world / "ids.csv").read_text().split()[1:])
    )
    slope = _slope(seen, photos)
    figures = f"{photos:,} photos of {count // PHOTOS:,} posts in {seconds:.0f} s; peak {peak / 1e6:.0f} MB"
    return Measured(
        not fault and slope <= 1,
        f"{figures}; slope {slope:.2f} MB/10k rows; {fault or 'L holds'}",
    )


def _resident(pid: int) -> int:
    """Bytes of memory of a process that are its own; 0 when it is gone."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * 4096


def _slope(seen: list[tuple[int, int]], photos: int) -> float:
    """Megabytes that memory grows by in 10,000 rows, by least squares, from the warm-up to the last photo."""
    warm = np.array(
        [(rows, used) for rows, used in seen if WARM * photos < rows < photos], float
    )
    return float(np.polyfit(warm[:, 0] / 1e4, warm[:, 1] / 1e6, 1)[0])
