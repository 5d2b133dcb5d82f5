"""The torture table at small counts; `make torture` runs it in earnest."""

from pathlib import Path

import pytest

from .torture.table import Row, rows

QUICK = [row for row in rows() if row.quick is not None]


@pytest.mark.parametrize("row", QUICK, ids=lambda row: f"{row.number:02}")
def test_a_row_of_the_torture_table_passes(row: Row, tmp_path: Path) -> None:
    measured = row.run(row.quick or 0, tmp_path)
    assert measured.ok, (
        f"{row.check}: expected {row.passes}, measured {measured.figures}"
    )
