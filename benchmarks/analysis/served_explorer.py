"""The served explorer of as many images as the paper has: `twigma explore --work`, in a real browser.

Prints wall and processor seconds until the server answers, of a search for similar images, and of the pictures on the
map, first and stored; and seconds until the page is ready and until the first pictures are painted. The goal of a
search is 2 s on two cores. Run: `python -m benchmarks.analysis.served_explorer [IMAGES]`.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from twigma.analysis.explorer.page import read_explorer
from twigma.analysis.explorer.server import ExplorerServer
from twigma.builder.engine.vectors import as_column

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support import staging
from support.browser import opened, started, wait_for
from support.mapped import planted_table, write_release

IMAGES = 805_650
DIM = 768
PICTURES = 3_000  # stored; of more, only the index is larger
TIMES = 5
READY = "document.title.endsWith('(ready)')"


def plant(folder: Path, count: int) -> tuple[Path, Path]:
    """A release with embeddings, and a working folder with some of its pictures."""
    table = planted_table(count, odd=0).drop_columns(["source"])
    rng = np.random.default_rng(0)
    chunks = []
    for start in range(0, count, 50_000):
        shape = min(50_000, count - start), DIM
        rows = rng.standard_normal(shape, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        chunks.append(as_column(rows.astype(np.float16)))
    vectors = pa.table(
        {"image_name": table["image_name"], "embedding": pa.chunked_array(chunks)}
    )
    release = write_release(folder / "twigma", table, embeddings=vectors)
    names = table["image_name"].to_pylist()
    chosen = rng.choice(count, min(PICTURES, count), replace=False)
    jpeg = {names[i]: staging.encode(staging.pixels(i, 512, 512)) for i in chosen}
    staging.make_shard(folder / "work", "00000", jpeg)
    return release, folder / "work"


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of an action."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def start(release: Path, work: Path) -> ExplorerServer:
    """The server, once it would answer."""
    return ExplorerServer(read_explorer(release), work)


def painted(server: ExplorerServer) -> tuple[float, float]:
    """Seconds until the page is ready, and until pictures are on its map."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with started() as browser:
        begun = time.perf_counter()
        with opened(browser, server.url) as tab:
            wait_for(tab.page, READY)
            ready = time.perf_counter() - begun
            wait_for(tab.page, "sprites !== null", seconds=600)
            tab.page.evaluate("zoom(1.5)")
            wait_for(tab.page, "Number(document.body.dataset.drawn) > 0")
            return ready, time.perf_counter() - begun


def show(what: str, wall: float, cpu: float) -> None:
    """One line of the result."""
    print(f"{what:<32} {wall:6.2f} s, {cpu:6.2f} s of processor", flush=True)


def main(count: int) -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        release, work = plant(Path(folder), count)
        print(f"served explorer of {count:,} images", flush=True)
        servers: list[ExplorerServer] = []
        show("start", *timed(lambda: servers.append(start(release, work))))
        server = servers[0]
        show("similar images, first", *timed(lambda: server.similar(0)))
        runs = [timed(lambda: server.similar(7)) for _ in range(TIMES)]
        show("similar images", *map(median, zip(*runs, strict=True)))
        show("pictures on the map, first", *timed(server.sprites))
        ready, first = painted(server)
        print(f"page ready {ready:.2f} s, first pictures painted {first:.2f} s")
        server.shutdown()
        server.server_close()
        again = start(release, work)
        show("pictures on the map, stored", *timed(again.sprites))
        again.server_close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
