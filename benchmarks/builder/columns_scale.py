"""Scores, deduplication and clusters of many embedded images: CPU, memory above the mapped matrix, and growth; no peer.

The embeddings are those of `harness/embeddings.py` with exact and near copies among them. Of several numbers of rows
each stage's growth is printed: the power of the rows with which its CPU time grew (1: linear), and what the last one
leads to at ten million.
Run: `python -m benchmarks.builder.columns_scale 250000 500000 1000000`; a million take about half an hour, most of
which is UMAP; without a number a tenth of TWIGMA's rows.
"""

import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.builder.release import write_shard
from benchmarks.harness.embeddings import mixture
from twigma.builder.clusters.cluster import cluster
from twigma.builder.engine.vectors import as_column
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.nsfw import nsfw_parts
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part

ROWS, TARGET = 80_565, 10_000_000
SHARD, EXACT, NEAR = 10_000, 0.02, 0.01


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
            {"model": "ViT-L-14/openai", "n": number},
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


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds of the clock and of CPU, and MB of private memory above those before."""

    wall: float
    cpu: float
    memory: float


def measured(name: str, work: Callable[[], object]) -> Cost:
    """Run it, and print what it cost; mapped files do not count as memory."""
    most, running = [private()], True

    def watch() -> None:
        while running:
            most[0] = max(most[0], private())
            time.sleep(0.05)

    before, start = private(), time.perf_counter()
    watcher = threading.Thread(target=watch)
    cpu = sum(os.times()[:2])
    watcher.start()
    try:
        work()
    finally:
        running = False
        watcher.join()
    wall = time.perf_counter() - start
    cost = Cost(wall, sum(os.times()[:2]) - cpu, most[0] - before)
    print(
        f"{name:<18} {cost.wall:8.1f} s, {cost.cpu:8.1f} s CPU, +{cost.memory:6.0f} MB",
        flush=True,
    )
    return cost


def private() -> float:
    """MB of this process's memory that no file stands behind."""
    return (
        float(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])
        / 1024
    )


def costs(rows: int) -> dict[str, Cost]:
    """What each stage costs for that many rows."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        populate(work, rows)
        matrix = rows * 768 * 2 / 2**20
        print(f"{rows:,} rows, a matrix of {matrix:,.0f} MB, {os.cpu_count()} CPUs")
        stages = {
            "nsfw": lambda: nsfw_parts(work),
            "dedupe, no near": lambda: dedupe(work, None),
            "dedupe": lambda: dedupe(work),
            "cluster": lambda: cluster(work),
        }
        return {name: measured(name, run) for name, run in stages.items()}


def print_growth(by_rows: dict[int, dict[str, Cost]]) -> None:
    """The power of the rows with which each stage grew from the last size but one to the last, and where it leads.

    Of CPU time the larger of a line and a power law through the two: a fit on a sample is a constant, pairs are not.
    """
    *_, fewer, more = sorted(by_rows)
    for name, cost in by_rows[more].items():
        before = by_rows[fewer][name]
        power = math.log(cost.cpu / before.cpu) / math.log(more / fewer)
        steps = (TARGET - more) / (more - fewer)
        line = cost.cpu + steps * (cost.cpu - before.cpu)
        cpu = max(line, cost.cpu * (TARGET / more) ** power)
        memory = cost.memory + steps * max(0, cost.memory - before.memory)
        expected = f"{cpu:,.0f} s CPU, +{memory:,.0f} MB (extrapolated)"
        print(f"{name:<18} rows^{power:.2f}; at {TARGET:,}: {expected}")


def main() -> None:
    """Print a line for each stage and size, then the growth."""
    sizes = [int(text.replace(",", "")) for text in sys.argv[1:]] or [ROWS]
    by_rows = {rows: costs(rows) for rows in sizes}
    if len(sizes) > 1:
        print_growth(by_rows)


if __name__ == "__main__":
    main()
