"""Draws docs/coverage.png and writes the table of docs/coverage.md: `python docs/coverage.py`, about three minutes."""

import re
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
REPETITIONS = 200


def main() -> None:
    """Simulate, draw, and replace what stands between the marks in the page."""
    from support.simulated_likes import INTERVALS, KINDS, coverage

    found = pd.concat(
        [coverage(kind, REPETITIONS) for kind in KINDS], ignore_index=True
    )
    draw(found, KINDS, INTERVALS).savefig(HERE / "coverage.png", dpi=110)
    page = HERE / "coverage.md"
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
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        rows = found[found["kind"] == kind]
        for place, name in enumerate(intervals):
            points = rows.loc[rows["interval"] == name, "coverage"]
            colour = "#0072B2" if name == "by author" else "#E69F00"
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
        ax.set(title=kind, xlim=(0, 1), xlabel="coverage of the 95% interval")
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
        "| likes | φ | " + " | ".join(intervals) + " |",
        "|---" * (len(intervals) + 2) + "|",
    ]
    for kind in kinds:
        rows = found[found["kind"] == kind]
        spread = rows.groupby("interval")["coverage"].agg(["min", "max"])
        cells = [
            f"{spread['min'][name]:.2f} to {spread['max'][name]:.2f}"
            for name in intervals
        ]
        lines.append(
            f"| {kind} | {rows['dispersion'].mean():.0f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
