"""What grows with the images, from one million to ten: CPU seconds and memory of each step, and how they grow; no peer.

Goal: at most 12 GB at ten million rows, and every exponent near 1. Each step runs in a process of its own, on a folder
that `harness/large_folder.py` writes without embeddings (`benchmarks/analysis/analysis_scale.py` measures the analysis
of those). Memory is what no file stands behind. Run: `python -m benchmarks.growth FOLDER 1000000 4000000 10000000`,
which takes 0.6 KB of disk a row of the largest; with `--embeddings` it is `release` with embeddings alone, and 4 KB a
row.
"""

import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.large_folder import write_folder
from benchmarks.harness.process_cost import Cost, cost_of, cost_of_python

LOAD = """
import os
os.environ |= {{"HF_HOME": "{folder}/hf", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}}
import datasets, twigma
rows = datasets.load_dataset("twigma", data_dir="{folder}/twigma", split="train")
print(len(rows), rows[len(rows) // 2])
"""
OPEN = """
import twigma
release = twigma.open_release("{folder}/twigma")
print(len(release), sum(release.metadata["like_count"].to_numpy()))
"""
STEPS = (
    "status",
    "release",
    "load_dataset",
    "open_release",
    "analyze, metadata alone",
    "explore",
)
WITH_EMBEDDINGS = ("release",)


def measure(folder: Path, rows: int, embeddings: bool) -> dict[str, Cost]:
    """The cost of every step on so many rows, in a new folder that is deleted again."""
    shutil.rmtree(folder, ignore_errors=True)
    write_folder(folder / "work", rows, embeddings=embeddings)
    work, release = str(folder / "work"), str(folder / "twigma")
    without = [] if embeddings else ["--without", "embed"]
    commands: dict[str, list[str]] = {
        "status": ["status", "--work", work],
        "release": ["release", "--work", work, "--out", release, *without],
        "analyze, metadata alone": [
            *("analyze", release, "--work", work),
            *("--out", str(folder / "report")),
        ],
        "explore": ["explore", release, "--out", str(folder / "explorer.html")],
    }
    scripts = {"load_dataset": LOAD, "open_release": OPEN}
    costs = {}
    for step in WITH_EMBEDDINGS if embeddings else STEPS:
        log = folder / "log.txt"
        if step in commands:
            cost = cost_of(commands[step], log)
        else:
            cost = cost_of_python(scripts[step].format(folder=folder), log)
        if cost.code:
            print(log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        costs[step] = cost
        print(f"{rows:>12,} {step:<26} {_cells(cost)}", flush=True)
    shutil.rmtree(folder)
    return costs


def _cells(cost: Cost) -> str:
    text = f"{cost.cpu:8.1f} s CPU {cost.wall:8.1f} s {cost.memory:6.2f} GB"
    return f"{text} FAILED" if cost.code else text


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """How a cost grows between the smallest and the largest size: 1 where twice the rows cost twice as much."""
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0])


def main() -> None:
    """Print a line for each step and size, then how each step grows."""
    arguments = [text for text in sys.argv[1:] if text != "--embeddings"]
    embeddings = len(arguments) < len(sys.argv) - 1
    folder = Path(arguments[0])
    sizes = [int(text.replace(",", "")) for text in arguments[1:]]
    costs = [measure(folder / f"rows{rows}", rows, embeddings) for rows in sizes]
    if len(sizes) < 2:
        return
    for step in costs[0]:
        cpu = exponent(sizes, [each[step].cpu for each in costs])
        memory = exponent(sizes, [each[step].memory for each in costs])
        print(f"{step:<26} CPU ~ rows^{cpu:.2f}, memory ~ rows^{memory:.2f}")


if __name__ == "__main__":
    main()
