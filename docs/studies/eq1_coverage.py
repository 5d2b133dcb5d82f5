"""Draws `eq1_coverage.png` and writes the table of `eq1_coverage.md`, both beside this file; about five minutes.

Run it with `python docs/studies/eq1_coverage.py`.
"""

import re
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
# The simulation is the one that the tests use.
sys.path.insert(0, str(HERE.parents[1] / "tests"))
REPETITIONS = 200


def main() -> None:
    """Simulate, draw, and replace what stands between the marks in the page."""
    from support.simulated_likes import INTERVALS, KINDS, coverage

    by_kind = [coverage(kind, REPETITIONS) for kind in KINDS]
    found = pd.concat(by_kind, ignore_index=True)
    draw(found, KINDS, INTERVALS).savefig(HERE / "eq1_coverage.png", dpi=110)
    page = HERE / "eq1_coverage.md"
    marked = re.sub(
        r"(<!-- table -->\n).*(<!-- end -->)",
        lambda mark: mark[1] + table(found, KINDS, INTERVALS) + mark[2],
        page.read_text("utf-8"),
        flags=re.DOTALL,
    )
    page.write_text(marked, "utf-8")


def draw(
    found: pd.DataFrame, kinds: tuple[str, ...], intervals: tuple[str, ...]
) -> Figure:
    """A panel a kind of likes; a point a rate ratio, and the nominal 95%."""
    figure = Figure(figsize=(13, 2.9), layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        rows = found[found["kind"] == kind]
        for place, name in enumerate(intervals):
            points = rows.loc[rows["interval"] == name, "coverage"]
            colour = "#0072B2" if name == "jackknife" else "#E69F00"
            ax.plot(
                points,
                [place] * len(points),
                "o",
                color=colour,
                alpha=0.7,
                clip_on=False,
                zorder=3,
            )
        ax.axvline(0.95, color="#6b7785", lw=1)
        ax.set(
            title=kind.replace(", ", ",\n"),
            xlim=(0, 1),
            xlabel="coverage of the 95% interval",
        )
        ax.set_yticks(range(len(intervals)), intervals)
        ax.grid(color="#dde2e8")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    return figure


def table(
    found: pd.DataFrame, kinds: tuple[str, ...], intervals: tuple[str, ...]
) -> str:
    """The lowest and highest coverage of the four ratios, as Markdown."""
    lines = [
        _table_row("likes", "φ", *intervals),
        "|---" * (len(intervals) + 2) + "|",
    ]
    for kind in kinds:
        rows = found[found["kind"] == kind]
        spread = rows.groupby("interval")["coverage"].agg(["min", "max"])
        cells = []
        for name in intervals:
            low, high = spread.loc[name]
            cells.append(f"{low:.2f} to {high:.2f}")
        dispersion = f"{rows['dispersion'].mean():.0f}"
        lines.append(_table_row(kind, dispersion, *cells))
    return "\n".join(lines) + "\n"


def _table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
