"""`twigma analyze` of millions of images and three reference sets: CPU seconds and memory of each figure; no peer.

Goal: at most 12 GB of memory that no file stands behind at ten million rows. Columns and embeddings are those of
`harness/large_folder.py`. Run: `python -m benchmarks.analysis.analysis_scale 10000000 1000 FOLDER`, of so many images
and so many in each reference set, in a folder that stays, where they are not made again: 4 KB a row on the disk.
Without arguments a tenth of the paper's rows, in a temporary folder.
"""

import shutil
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from benchmarks.harness.large_folder import SETS, write_folder, write_reference
from benchmarks.harness.process_cost import anonymous
from twigma.analysis.figures import FIGURES
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.run_figures import compute
from twigma.builder.release.release import release

ROWS, REFERENCES = 80_565, 10_000


class Watch:
    """Prints what one step after the other took: CPU seconds, wall seconds, and the most memory meanwhile."""

    def __init__(self) -> None:
        self._most = 0.0
        threading.Thread(target=self._look, daemon=True).start()
        self._start = time.process_time(), time.perf_counter()

    def done(self, step: str, note: str = "") -> None:
        """Print a line of the step that ends, and begin the next one."""
        cpu, wall = self._start
        spent = f"{time.process_time() - cpu:8.1f} s CPU {time.perf_counter() - wall:8.1f} s"
        print(f"{step:<28} {spent} {self._most:6.2f} GB  {note}", flush=True)
        self._most = 0.0
        self._start = time.process_time(), time.perf_counter()

    def _look(self) -> None:
        while True:
            self._most = max(self._most, anonymous("self"))
            time.sleep(0.05)


def write_world(folder: Path, rows: int, references: int) -> None:
    """The working folder, its release, and the reference sets, as far as they are missing."""
    if not (folder / "twigma").exists():
        write_folder(folder / "work", rows, embeddings=True)
        release(folder / "work", folder / "twigma")
        # They are in the release, and would take as much room again.
        shutil.rmtree(folder / "work" / "columns" / "embed")
    for name in SETS:
        if not (folder / "refs" / name).exists():
            write_reference(folder / "refs" / name, name, references)


def main() -> None:
    """Measure in the folder that is named, or in a temporary one."""
    warnings.simplefilter("ignore")
    rows, references = ROWS, REFERENCES
    if len(sys.argv) > 1:
        rows = int(sys.argv[1].replace(",", ""))
    if len(sys.argv) > 2:
        references = int(sys.argv[2].replace(",", ""))
    if len(sys.argv) > 3:
        measure(Path(sys.argv[3]), rows, references)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), rows, references)


def measure(folder: Path, rows: int, size: int) -> None:
    """Print a line for each figure."""
    write_world(folder, rows, size)
    references = {name: folder / "refs" / name for name in SETS}
    watch = Watch()
    data = load.load(folder / "twigma", folder / "work", references, scratch=folder)
    watch.done("load", f"{len(data.images.table):,} rows")
    for figure in FIGURES:
        result, reasons = compute(figure, data, Settings())
        lacks = "" if result is not None else reasons[0]["how"][0][:60]
        if result is not None:
            # Their rows are made when they are written.
            for name, table in result.long.items():
                table.write(folder / f"{name}.parquet")
        watch.done(figure.name, lacks)


if __name__ == "__main__":
    main()
