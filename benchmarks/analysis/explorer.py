"""The explorer and the search of as many images as the paper has, in a real browser without a graphics processor.

Prints seconds until the page is ready, milliseconds of a full frame, of a filter and of a lasso, and megabytes; and
seconds of an exact search, which is compared with the product of all rows at once. The goals are 2 s, 50 ms, 20 ms and
8 MB, and 2 s of search, on two cores. Run: `python -m benchmarks.analysis.explorer [IMAGES]`.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from twigma.analysis.explorer.page import explore
from twigma.analysis.explorer.search import closest
from twigma.builder.engine.vectors import as_column

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.browser import opened, started, wait_for
from support.mapped import planted_table, write_release

IMAGES = 805_650
DIM = 768
TIMES = 15
READY = "document.title.endsWith('(ready)')"
CIRCLE = """Array.from({length: 40}, (_, i) => [extent[0] / 2 + extent[0] / 4 * Math.cos(i * Math.PI / 20),
  extent[1] / 2 + extent[1] / 4 * Math.sin(i * Math.PI / 20)])"""


def in_browser(path: Path) -> dict[str, float]:
    """Seconds until it is ready, and milliseconds of what readers do, the median of several times."""
    with started() as browser:
        begun = time.perf_counter()
        with opened(browser, path.as_uri()) as tab:
            wait_for(tab.page, READY)
            ready = time.perf_counter() - begun
            timed = {"ready, s": ready}
            timed["frame, ms"] = _median(tab.page, "draw()", "frame")
            timed["lasso, ms"] = _median(tab.page, f"choose({CIRCLE})", "lasso")
            assert tab.requests == [path.as_uri()] and tab.messages == []
    return timed


def _median(page: Any, script: str, name: str) -> float:
    found = []
    for _ in range(TIMES):
        page.evaluate(f"{{ {script} }}")
        found.append(float(page.evaluate(f"document.body.dataset.{name}")))
        page.wait_for_timeout(100)
    return median(found)


def searched(count: int) -> tuple[float, float, bool]:
    """Seconds of the search of all rows and of one product of them all, and whether both find the same."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, DIM), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    column = pa.chunked_array([as_column(rows.astype(np.float16))])
    query = rows[7]
    closest(column.slice(0, 10), query, 1)  # imports torch, as loading the model does
    begun = time.perf_counter()
    _, ours = closest(column, query, 20)
    seconds = time.perf_counter() - begun
    whole = rows.astype(np.float16).astype(np.float32)
    begun = time.perf_counter()
    theirs = np.argsort(-(whole @ query), kind="stable")[:20]
    return seconds, time.perf_counter() - begun, ours.tolist() == theirs.tolist()


def main(count: int) -> None:
    """Print one line for the page and one for the search."""
    with tempfile.TemporaryDirectory() as folder:
        # In the order of time and from one source, as the paper's are.
        table = planted_table(count, odd=0).drop_columns(["source"])
        table = table.sort_by("created_at")
        release = write_release(Path(folder) / "twigma", table)
        written = explore(release, Path(folder) / "explore.html")
        timed = in_browser(written.path)
    listed = ", ".join(f"{name} {value:.1f}" for name, value in timed.items())
    print(f"explorer of {count:,} images: {written.bytes / 1e6:.1f} MB, {listed}")
    ours, theirs, same = searched(count)
    print(
        f"search: {ours:.2f} s, the product alone {theirs:.2f} s, equal: {same}, {ours / theirs:.1f} times"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
