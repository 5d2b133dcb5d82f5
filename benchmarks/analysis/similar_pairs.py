"""The null of Fig 4e: all rows of a reference against all others, and the tail that is fitted; no peer.

Goal: two minutes for a reference of 100,000 on 2 cores. Run: `python -m benchmarks.analysis.similar_pairs [ROWS]`.
"""

import sys
import time

from benchmarks.harness.embeddings import mixture
from benchmarks.harness.interleaved import memory
from twigma.analysis.themes.nearest_null import nearest_null

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
DIM = 768


def main() -> None:
    """Print the seconds, the peak of the memory, and the tail."""
    reference = mixture(ROWS, DIM, seed=1, home=1)
    memory("VmHWM", reset=True)
    wall, cpu = time.perf_counter(), time.process_time()
    null = nearest_null(reference)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = memory("VmHWM") / 1024
    print(f"{ROWS:,} x {ROWS:,}: {wall:.1f} s, {cpu:.1f} s CPU, {peak:.1f} GB at most")
    print(null)


if __name__ == "__main__":
    main()
