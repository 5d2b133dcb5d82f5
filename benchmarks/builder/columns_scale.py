"""Deduplication and clusters of 805,650 embedded images, with memory above the matrix and wall time; no peer.

Goal: at most 3 GB above the matrix of 1.24 GB, which stays mapped. The embeddings are those of
`harness/embeddings.py` with exact and near copies among them.
Run: `python -m benchmarks.builder.columns_scale 805650`; about 20 minutes, most of which is UMAP, and
without a number a tenth of the rows.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.builder.release import write_shard
from benchmarks.harness.embeddings import mixture
from twigma.builder.clusters.cluster import cluster
from twigma.builder.engine.vectors import as_column
from twigma.builder.stages.dedupe import dedupe
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part

ROWS, SHARD, EXACT, NEAR = 80_565, 10_000, 0.02, 0.01


def populate(work: Path, rows: int) -> None:
    """`columns/embed`, sidecars and images.parquet of that many images, some of which repeat the one before them."""
    rng, names = np.random.default_rng(0), []
    for number, first in enumerate(range(0, rows, SHARD)):
        x = mixture(min(SHARD, rows - first), seed=number)
        kinds = rng.choice(3, len(x), p=(1 - EXACT - NEAR, EXACT, NEAR))
        kinds[0] = 0
        same, near = np.flatnonzero(kinds == 1), np.flatnonzero(kinds == 2)
        x[same] = x[same - 1]
        x[near] = x[near - 1] + rng.normal(
            scale=0.0005, size=(len(near), x.shape[1])
        ).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        mine = [f"{first + at:019}" for at in range(len(x))]
        table = pa.table(
            {"image_name": mine, "embedding": as_column(x.astype(np.float16))}
        )
        table = columns.add(table, pixel_hash=mine)
        write_part(
            work / "columns" / "embed" / f"{number:05}.arrow",
            table,
            {"model": "mixture", "n": number},
        )
        write_shard(
            work,
            f"{number:05}",
            pa.chunked_array([pa.array(mine)]),
            np.zeros(len(mine), bool),
        )
        names += mine
    times = np.datetime64("2022-01-01", "ms") + np.arange(rows).astype("timedelta64[s]")
    write_parquet(
        work / "images.parquet",
        pa.table({"id": names, "image_name": names, "created_at": times}),
    )


def measured(name: str, work: Callable[[], object]) -> None:
    """Run it, and print its wall and CPU time and the most private memory it held (mapped files do not count)."""
    most, running = [private()], True

    def watch() -> None:
        while running:
            most[0] = max(most[0], private())
            time.sleep(0.05)

    before, start, watcher = (
        private(),
        time.perf_counter(),
        threading.Thread(target=watch),
    )
    cpu = sum(os.times()[:2])
    watcher.start()
    try:
        work()
    finally:
        running = False
        watcher.join()
    wall = time.perf_counter() - start
    print(
        f"{name:<10} {wall:8.1f} s, {sum(os.times()[:2]) - cpu:8.1f} s CPU, +{most[0] - before:6.0f} MB",
        flush=True,
    )


def private() -> float:
    """MB of this process's memory that no file stands behind."""
    return (
        float(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])
        / 1024
    )


def main() -> None:
    """Print a line for each stage."""
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        populate(work, rows)
        print(
            f"{rows:,} rows, a matrix of {rows * 768 * 2 / 2**20:,.0f} MB, {os.cpu_count()} CPUs"
        )
        measured(
            "dedupe",
            lambda: print({reason: int(n) for reason, n in dedupe(work).items()}),
        )
        measured("cluster", lambda: print(cluster(work).sizes))


if __name__ == "__main__":
    main()
