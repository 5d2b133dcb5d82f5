"""Writes the tables of `trends.md`, beside this file, from simulations; about five minutes on one core.

Run it with `python docs/studies/trends.py`; a number after it sets how many families are drawn.
"""

import re
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
# The simulation is the one that the tests use.
sys.path.insert(0, str(HERE.parents[1] / "tests"))
FAMILIES = 300
TRENDS = ((0, 2), (0, 3), (0.6, 4), (0.8, 6))  # autocorrelation, rise over the period


def main() -> None:
    """Simulate, and replace what stands between the marks in the page."""
    from support.simulated_trends import TESTS, WORLDS, false_arrows, power

    families = FAMILIES
    if len(sys.argv) > 1:
        families = int(sys.argv[1])
    rates = pd.concat([false_arrows(world, families) for world in WORLDS])
    found = pd.concat([power(*trend, families // 2) for trend in TRENDS])
    page = HERE / "trends.md"
    text = page.read_text("utf-8")
    text = filled(text, "rates", rate_rows(rates, WORLDS), tuple(TESTS), "no trend")
    text = filled(text, "power", power_rows(found), tuple(TESTS), "trend")
    page.write_text(text, "utf-8")


def rate_rows(
    rates: pd.DataFrame, worlds: tuple[str, ...]
) -> list[tuple[str, list[str]]]:
    """A row a world: families with a false arrow, and single tests with p < .05 in brackets."""
    rows = []
    for world in worlds:
        of_world = rates[rates["world"] == world]
        cells = []
        for family, single in zip(of_world["family"], of_world["single"], strict=True):
            cells.append(f"{family:.3f} ({single:.3f})")
        rows.append((world, cells))
    return rows


def power_rows(found: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """A row a trend: how often it gets an arrow."""
    rows = []
    for (correlation, rise), of_trend in found.groupby(["correlation", "rise"]):
        name = f"AR {correlation:g}, rise of {rise:g} sd"
        rows.append((name, [f"{value:.2f}" for value in of_trend["power"]]))
    return rows


def filled(
    text: str,
    mark: str,
    rows: list[tuple[str, list[str]]],
    tests: tuple[str, ...],
    first: str,
) -> str:
    """The page with a Markdown table between the marks of this name."""
    lines = [f"| {first} | {' | '.join(tests)} |", "|---" * (len(tests) + 1) + "|"]
    for name, cells in rows:
        lines.append(f"| {name} | {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    return re.sub(
        rf"(<!-- {mark} -->\n).*?(<!-- end -->)",
        lambda found: found[1] + table + found[2],
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    main()
