"""A sheet reads equal however a spreadsheet saved it, and an error names file, line and what was expected."""

import csv

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twigma.core.lists.sheets import read_sheet
from twigma.core.safety import spreadsheet

# Text that a Western spreadsheet can save in each encoding, with all that has a meaning in a CSV.
CELL = st.text(st.sampled_from("aé–=+@'\";,\t| \n1"), max_size=8)
SAVED = st.tuples(
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
)


def is_ascii_or_no_utf8(data):
    try:
        return data.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return True


@given(cells=st.lists(st.tuples(CELL, CELL), max_size=8), saved=SAVED)
@settings(max_examples=200, deadline=None)
def test_cells_come_back(tmp_path_factory, cells, saved):
    separator, encoding, end = saved
    path = tmp_path_factory.mktemp("sheet") / "a.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=1)
        writer.writerow(["item", "text", "group"])
        for number, row in enumerate(cells, 1):
            writer.writerow([number, *map(spreadsheet.inert, row)])
    # Bytes that are UTF-8 as well are read as such: nobody can know better.
    assume(encoding != "cp1252" or is_ascii_or_no_utf8(path.read_bytes()))
    sheet = read_sheet(path, ("item", "group"))
    assert sheet.names == ["item", "text", "group"]
    found = [(row.cells["text"], row.cells["group"]) for row in sheet.rows]
    assert found == cells


def test_empty_cells_that_a_spreadsheet_leaves_out_or_adds(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("item;text;group;;\n1;a\n2;b;c;;\n;;;;\n\n3\n")
    rows = read_sheet(path, ("item", "group")).rows
    assert [row.line for row in rows] == [2, 3, 6]
    assert [row.cells["group"] for row in rows] == ["", "c", ""]
    path.write_text("item;text;group\n1;a;b;c\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 2: expected 3 cells, found 4"):
        read_sheet(path, ("item", "group"))


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("item;gruppe\n1;a\n")
    message = r"a\.csv, line 1: expected the columns item, group; missing group, found \['item', 'gruppe'\]"
    with pytest.raises(ValueError, match=message):
        read_sheet(path, ("item", "group"))
