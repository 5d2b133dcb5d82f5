"""What grows with the images, from one million to ten: CPU seconds and memory of each step, and how they grow; no peer.

Goal: at most 12 GB at ten million rows, and every exponent near 1. Each step runs in a process of its own; memory is
what no file stands behind. `harness/growth_steps.py` lists the steps. Run one of:

    python -m benchmarks.growth rows FOLDER 1000000 4000000 10000000        # 0.6 KB of disk a row of the largest
    python -m benchmarks.growth embeddings FOLDER 1000000 4000000           # 2.3 KB
    python -m benchmarks.growth posts FOLDER 250000 500000 1000000 2000000  # 2 KB a post

With --steps only these are run, as "status,release"; with --keep what was made stays, and is not made again.
`benchmarks/analysis/analysis_scale.py` measures what reads the embeddings of a release.
"""

import argparse
import math
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.archive import write_archive, write_ids
from benchmarks.harness.growth_steps import EMBEDDINGS, POSTS, ROWS
from benchmarks.harness.large_folder import write_folder
from benchmarks.harness.process_cost import Cost, cost_of, cost_of_python

KINDS = {"rows": ROWS, "embeddings": EMBEDDINGS, "posts": POSTS}


def write_inputs(folder: Path, kind: str, size: int) -> None:
    """What the steps of a kind read, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind != "posts":
        if not (folder / "work").exists():
            write_folder(folder / "work", size, embeddings=kind == "embeddings")
    elif not (folder / "ids.csv").exists():
        write_archive(folder / "archive.jsonl", size)
        write_ids(folder / "ids.csv", size)


def measure(folder: Path, steps: dict[str, str]) -> Iterator[tuple[str, Cost]]:
    """The cost of each step."""
    paths = {
        "folder": folder,
        "work": folder / "work",
        "release": folder / "twigma",
        "archive": folder / "archive.jsonl",
        "ids": folder / "ids.csv",
    }
    log = folder / "log.txt"
    for name, text in steps.items():
        cost = _cost(text.format(**paths), log)
        if cost.code:
            print(log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        yield name, cost


def _cost(step: str, log: Path) -> Cost:
    if step.startswith("twigma "):
        return cost_of(shlex.split(step)[1:], log)
    return cost_of_python(step, log)


def _line(size: int, name: str, cost: Cost) -> str:
    text = f"{cost.cpu:8.1f} s CPU {cost.wall:8.1f} s {cost.memory:6.2f} GB"
    failed = " FAILED" if cost.code else ""
    return f"{size:>12,} {name:<28} {text}{failed}"


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """How a cost grows between the smallest and the largest size: 1 where twice the rows cost twice as much."""
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0])


def main() -> None:
    """Print a line for each step and size, then how each step grows."""
    options = _options()
    steps = KINDS[options.kind]
    if options.steps:
        steps = {name: steps[name] for name in options.steps.split(",")}
    costs: dict[str, list[Cost]] = {name: [] for name in steps}
    for size in options.sizes:
        folder = options.folder / f"{options.kind}{size}"
        write_inputs(folder, options.kind, size)
        for name, cost in measure(folder, steps):
            print(_line(size, name, cost), flush=True)
            costs[name].append(cost)
        if not options.keep:
            shutil.rmtree(folder)
    if len(options.sizes) < 2:
        return
    for name, of_sizes in costs.items():
        cpu = exponent(options.sizes, [cost.cpu for cost in of_sizes])
        memory = exponent(options.sizes, [cost.memory for cost in of_sizes])
        print(f"{name:<28} CPU ~ rows^{cpu:.2f}, memory ~ rows^{memory:.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--steps", help="names with commas between them")
    parser.add_argument("--keep", action="store_true", help="what was made")
    return parser.parse_args()


if __name__ == "__main__":
    main()
