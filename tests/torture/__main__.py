"""Run rows of the torture table: `python -m tests.torture [--long] [ROW …]`; each line is printed as its row ends."""

import argparse
import sys
import tempfile
import time
import unittest
from pathlib import Path

from .table import Measured, Row, rows


def main() -> None:
    """Run the rows asked for, all by default; exit 1 when one fails."""
    table = rows()
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=__doc__
    )
    parser.add_argument(
        "rows",
        nargs="*",
        type=int,
        metavar="ROW",
        help="numbers of rows  [default: all]",
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="as often as the table says: hours instead of minutes",
    )
    args = parser.parse_args()
    if unknown := set(args.rows) - {row.number for row in table}:
        parser.error(
            f"no row {sorted(unknown)}: choose from {[row.number for row in table]}"
        )
    print("row | check | pass when | measured | ok | seconds")
    began, ends = time.monotonic(), []
    for row in table:
        if not args.rows or row.number in args.rows:
            ends.append(_run(row, row.long if args.long else row.default))
    count = {end: ends.count(end) for end in ("ok", "FAILED", "skipped")}
    print(
        ", ".join(f"{n} {end}" for end, n in count.items())
        + f" of {len(ends)}; {time.monotonic() - began:.0f} s"
    )
    sys.exit(bool(count["FAILED"]))


def _run(row: Row, count: int) -> str:
    """Run one row in a folder of its own and print its line: ok, FAILED or skipped."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"torture-{row.number:02}-") as folder:
        try:
            measured = row.run(count, Path(folder))
            end = "ok" if measured.ok else "FAILED"
        except unittest.SkipTest as reason:
            measured, end = Measured(False, f"skipped: {reason}"), "skipped"
        except Exception as error:
            measured, end = (
                Measured(False, f"{type(error).__name__}: {error}"),
                "FAILED",
            )
    figures = " ".join(measured.figures.split())
    print(
        f"{row.number:>3} | {row.check} | {row.passes} | {figures} | {end} | {time.monotonic() - began:.1f}",
        flush=True,
    )
    return end


if __name__ == "__main__":
    main()
