"""Writes the tables of `interval_coverage.md`, beside this file; about eight minutes on a core.

Run it with `python docs/studies/interval_coverage.py`.
"""

import re
import sys
import warnings
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
# The simulation is the one that the tests use.
sys.path.insert(0, str(HERE.parents[1] / "tests"))


def main() -> None:
    """Simulate, and replace what stands between the marks in the page."""
    from studies import distances_of_sets  # noqa: F401 - registers its intervals
    from studies.coverage import coverages, sizes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tables = {"coverage": coverages(), "size": sizes()}
    page = HERE / "interval_coverage.md"
    text = page.read_text("utf-8")
    for name, found in tables.items():
        text = replaced(text, name, markdown(found))
    page.write_text(text, "utf-8")


def replaced(text: str, name: str, table: str) -> str:
    """The page with another table between the marks of this name."""
    marks = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    return re.sub(marks, lambda mark: mark[1] + table + mark[2], text, flags=re.DOTALL)


def markdown(found: pd.DataFrame) -> str:
    """A row per interval or test, a column per design: by owner, then as if images were independent."""
    key = found.columns[0]
    designs = list(dict.fromkeys(found["design"]))
    lines = [_row(key, *designs), "|---" * (len(designs) + 1) + "|"]
    for name, rows in found.groupby(key, sort=False):
        by_design = rows.set_index("design")
        cells = []
        for design in designs:
            cells.append(_cell(by_design.loc[design]))
        lines.append(_row(str(name), *cells))
    return "\n".join(lines) + "\n"


def _cell(row: "pd.Series[float]") -> str:
    """Rates with owners known and unknown; a star where the result warns of few owners."""
    star = "\\*" if row.get("warned", 0) > 0.5 else ""
    return f"{row['known']:.2f}{star} ({row['unknown']:.2f})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
