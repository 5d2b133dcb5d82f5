"""Writes the table of `corrected_measurement.md`, beside this file; about ten minutes.

Run it with `python docs/studies/corrected_measurement.py`.
"""

import re
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
# The simulation is the one that the tests use.
sys.path.insert(0, str(HERE.parents[1] / "tests"))
WORLDS = 1000


def main() -> None:
    """Simulate, and replace what stands between the marks in the page."""
    from support.planted_detectors import coverage

    rows = table(coverage(WORLDS))
    page = HERE / "corrected_measurement.md"
    marked = re.sub(
        r"(<!-- table -->\n).*(<!-- end -->)",
        lambda mark: mark[1] + rows + mark[2],
        page.read_text("utf-8"),
        flags=re.DOTALL,
    )
    page.write_text(marked, "utf-8")


def table(found: pd.DataFrame) -> str:
    """Coverage of the three estimators, and the corrected interval's width, as Markdown."""
    keys = ["design", "detector", "what"]
    wide = found.pivot_table(
        index=keys, columns="estimator", values=["covered", "width"], sort=False
    )
    names = found["estimator"].unique()
    lines = [
        _table_row("sample", "detector", "of", *names, "corrected ÷ labels alone"),
        "|---" * (len(keys) + len(names) + 1) + "|",
    ]
    for key, row in wide.iterrows():
        covered = [f"{row['covered', name]:.3f}" for name in names]
        width = f"{row['width', names[-1]]:.3f}"
        lines.append(_table_row(*key, *covered, width))
    return "\n".join(lines) + "\n"


def _table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
