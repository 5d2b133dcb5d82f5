"""`twigma analyze` of 805,650 images and two reference sets of 60,000 and 100,000: time of each figure, peak memory.

Goal: at most 8 GB on 2 cores; no peer. The columns are those of the released file with private ones and embeddings of
`harness/embeddings.py`; likes, captions and times are random. Run:
`python -m benchmarks.analysis.analysis_scale 805650`; without a number a tenth of all rows.
"""

import multiprocessing
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.builder.release import write_shard, write_work
from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import memory
from twigma.analysis.figures import FIGURES
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.run_figures import compute
from twigma.builder.engine.vectors import as_column
from twigma.builder.release.release import release
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part
from twigma.rehydrate.images import shards

ROWS, REFERENCES, PART = 80_565, {"photographs": 60_000, "paintings": 100_000}, 20_000
MODEL = {"model": "mixture"}


def write_embeddings(work: Path, names: list[str], home: int) -> None:
    """`columns/embed` of these images."""
    for number, first in enumerate(range(0, len(names), PART)):
        mine = names[first : first + PART]
        x = mixture(len(mine), seed=number, home=home).astype(np.float16)
        table = pa.table({"image_name": mine, "embedding": as_column(x)})
        write_part(
            work / "columns" / "embed" / f"{number:05}.arrow",
            table,
            MODEL | {"n": number},
        )


def write_reference(folder: Path, name: str, rows: int, home: int) -> None:
    """A working folder of one set, in groups of twenty."""
    work, names = folder / name, [f"{name}{number}" for number in range(rows)]
    groups = [f"{name} {number // 20}" for number in range(rows)]
    table = pa.table({"id": names, "image_name": names})
    write_parquet(
        work / "images.parquet", columns.add(table, group=groups, source=[name] * rows)
    )
    write_shard(
        work, "00000", pa.chunked_array([pa.array(names)]), np.zeros(rows, bool)
    )
    write_embeddings(work, names, home)


def write_world(folder: Path, rows: int) -> None:
    """The release, its working folder, and the reference sets."""
    write_work(folder / "work", rows, embeddings=False)
    stored = shards.read_sidecars(folder / "work")
    stored = stored.filter(pc.equal(stored["status"], "success"))[
        "image_name"
    ].to_pylist()
    write_embeddings(folder / "work", stored, 0)
    release(folder / "work", folder / "twigma")
    for home, (name, n) in enumerate(REFERENCES.items(), 1):
        write_reference(folder, name, min(n, rows), home)


def main() -> None:
    """Print a line for each figure."""
    warnings.simplefilter("ignore")
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        ) as writer:  # whose memory is not counted
            writer.submit(write_world, folder, rows).result()
        references = {set_: folder / set_ for set_ in REFERENCES}
        began = time.perf_counter()
        memory("VmHWM", reset=True)
        data = load.load(folder / "twigma", folder / "work", references)
        report("load", began)
        sizes = [len(one.rows) for one in data.references.values()]
        print(f"{len(data.images.table):,} images of {rows:,}, references {sizes}")
        for figure in FIGURES:
            start = time.perf_counter()
            memory("VmHWM", reset=True)
            result, reasons = compute(figure, data, Settings())
            lacks = (
                "; ".join(reason["how"][0] for reason in reasons)[:60]
                if result is None
                else ""
            )
            report(figure.name, start, lacks)
        report("all", began)


def report(name: str, start: float, note: str = "") -> None:
    """One line: seconds, and the most memory of the process meanwhile."""
    print(
        f"{name:<28} {time.perf_counter() - start:8.1f} s  {memory('VmHWM') / 1024:5.1f} GB  {note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
