"""Writes the tables of `interval_coverage.md`, beside this file, from the rates in `interval_coverage.csv`.

Run it with `python docs/studies/interval_coverage.py`. The rates that are there are kept, so that a run that was
stopped resumes. Names after it are of the intervals and tests to measure again, after a change of their estimator:
`… interval_coverage.py "KL (Fig 2c)"`. All of them take about an hour on one core; `--worlds 100` gives rougher
rates in less time, which a run with more worlds replaces, and `--table` writes the tables alone.
"""

import argparse
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).resolve().parent
RATES = HERE / "interval_coverage.csv"
PAGE = HERE / "interval_coverage.md"
KEYS = ["name", "design", "worlds"]
# The simulation is the one that the tests use.
sys.path.insert(0, str(HERE.parents[1] / "tests"))


def main() -> None:
    """Simulate what is missing, and replace what stands between the marks in the page."""
    from studies import registry

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "names", nargs="*", help="intervals and tests to measure again"
    )
    options.add_argument("--worlds", type=int, help="worlds of each cell at most")
    options.add_argument("--table", action="store_true", help="no simulation")
    given = options.parse_args()
    if not given.table:
        unknown = set(given.names) - set(registry.names())
        if unknown:
            options.error(f"no interval or test of this name: {sorted(unknown)}")
        measure(registry.cells(), set(given.names), given.worlds)
    text = filled(PAGE.read_text("utf-8"), pd.read_csv(RATES))
    PAGE.write_text(text, "utf-8")


def measure(cells: list[Any], again: set[str], most: int | None) -> None:
    """Every study in every design that is not measured, or is to be again; the table is stored after each."""
    from studies.coverage import rates

    known = pd.DataFrame(columns=["what", *KEYS])
    if RATES.exists():
        known = pd.read_csv(RATES)
    known = known[~known["name"].isin(again)]
    left = []
    for one, design in cells:
        count = min(one.worlds, most or one.worlds)
        mine = known[known["name"].isin(one.names) & (known["design"] == design)]
        if len(mine) < len(one.names) or mine["worlds"].min() < count:
            left.append((one, design, count))
    begun = time.monotonic()
    for number, (one, design, count) in enumerate(left, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = rates(one, design, count)
        stale = known["name"].isin(one.names) & (known["design"] == design)
        known = pd.concat([known[~stale], found], ignore_index=True)
        store(known)
        spent = time.monotonic() - begun
        rest = spent / number * (len(left) - number) / 60
        print(
            f"{number} of {len(left)} cells, {spent / 60:.0f} min, about {rest:.0f} min left: "
            f"{', '.join(one.names)} ({design})",
            flush=True,
        )


def store(known: pd.DataFrame) -> None:
    """Write beside and rename, so that a run that is stopped leaves what it has."""
    beside = RATES.with_suffix(".partial")
    known.round(4).to_csv(beside, index=False)
    beside.replace(RATES)


# ------------------------------------------------------------------ the tables


def filled(text: str, known: pd.DataFrame) -> str:
    """The page with the tables of these rates; a cell of the registry that has none is not measured."""
    from studies import registry

    wanted = []
    for one, design in registry.cells():
        for name in one.names:
            what = "test" if name in one.tests else "interval"
            wanted.append((what, name, design))
    order = pd.DataFrame(wanted, columns=["what", "name", "design"])
    rows = order.merge(known, how="left", on=list(order.columns))
    for what, mark in (("interval", "coverage"), ("test", "size")):
        table = markdown(rows[rows["what"] == what], registry.caveats(), what)
        text = replaced(text, mark, table)
    return text


def replaced(text: str, name: str, table: str) -> str:
    """The page with another table between the marks of this name."""
    marks = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    return re.sub(marks, lambda mark: mark[1] + table + mark[2], text, flags=re.DOTALL)


def markdown(rows: pd.DataFrame, caveats: dict[str, str], what: str) -> str:
    """A row per interval or test, a column per design: by owner, then as if images were independent."""
    from studies.coverage import DESIGNS, UNLIKE

    designs = [*DESIGNS, *UNLIKE] if what == "test" else list(DESIGNS)
    lines = [_row(what, *designs, "worlds"), "|---" * (len(designs) + 2) + "|"]
    for name, of_name in rows.groupby("name", sort=False):
        by_design = of_name.set_index("design")
        cells = []
        for design in designs:
            cell = "–"
            if design in by_design.index:
                cell = _cell(by_design.loc[design])
            cells.append(cell)
        label = f"{name}{caveats.get(str(name), '')}"
        worlds = sorted(set(of_name["worlds"].dropna().astype(int)))
        lines.append(_row(label, *cells, " or ".join(map(str, worlds))))
    return "\n".join(lines) + "\n"


def _cell(row: "pd.Series[Any]") -> str:
    """Rates with owners known and unknown; a star where the result warns of few owners."""
    if pd.isna(row["worlds"]):
        return "not measured"
    if pd.isna(row["known"]):
        return "none"
    star = "\\*" if row["warned"] > 0.5 else ""
    some = "†" if row["none"] > 0.05 else ""
    cell = f"{row['known']:.2f}{star}{some}"
    if pd.notna(row["unknown"]):
        cell += f" ({row['unknown']:.2f})"
    return cell


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
