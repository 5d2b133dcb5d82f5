"""Files that are no list, are cut off, or unpack without end: each is refused with its name, in bounded time."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.packing import PACKERS

from twigma.core.lists.reader import read_rows
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_ids import collect_ids, read_ids
from twigma.rehydrate.ids.skipped_lines import BadLine

STARTS = [
    *(b"", b"id\n", b"[", b"{", b"\xff\xfe", b"PAR1", b"ARROW1\0\0", b"PK\x03\x04"),
    *(b"\x1f\x8b\x08", b"BZh9", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"$FL2@(#) "),
    *(b"<stata_dta>", b"\x72\x02\x01\0", b"X\n\0\0\0", b"RDX3\nX\n"),
]


@given(data=st.binary(max_size=3000), start=st.sampled_from(STARTS))
@settings(max_examples=300, deadline=None)
def test_junk_never_ends_in_a_foreign_error(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("junk") / "a.csv"
    path.write_bytes(start + data)
    try:
        collect_ids(path)
    except ValueError as error:
        assert "a.csv" in str(error)


@pytest.mark.parametrize("kind", ["feather", "parquet", "dta"])
def test_a_table_with_wrong_bytes_is_refused_with_its_name(tmp_path, kind):
    """Wrong offsets in an Arrow file would end the process; Arrow's own errors name no file."""
    good, path = tmp_path / "good", tmp_path / f"a.{kind}"
    frame = pd.DataFrame({"id": [str(10**18 + 7919 * n) for n in range(30)]})
    write = {"feather": frame.to_feather, "parquet": frame.to_parquet}
    write.get(kind, frame.to_stata)(good)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        data = np.frombuffer(good.read_bytes(), np.uint8).copy()
        places = rng.integers(0, len(data), rng.integers(1, 6))
        data[places] = rng.integers(0, 256, len(places))
        path.write_bytes(data.tobytes())
        try:
            collect_ids(path)
        except ValueError as error:
            assert f"a.{kind}" in str(error)
            refused += 1
    assert refused > 3


@pytest.mark.parametrize("packing", sorted(set(PACKERS) - {""}))
def test_a_packed_list_that_is_cut_off(tmp_path, packing):
    ids = [str(10**18 + 7919 * n * n) for n in range(20_000)]
    data = PACKERS[packing]("\n".join(ids).encode())
    path = tmp_path / f"a.csv{packing}"
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ValueError, match=r"a\.csv.*: expected a complete .* file"):
        collect_ids(path)


def test_a_json_list_that_is_cut_off(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(["17", "18", "19"], indent=1)[:-9])
    with pytest.raises(ValueError, match=r"a\.json: expected a complete JSON list"):
        read_ids(path)
    # A damaged line at the head of JSON lines costs only itself.
    path.write_text('{"id": "1\n{"id": "17"}\n{"id": "18"}\n')
    assert collect_ids(path).bad == [BadLine(1, '{"id": "1', "not JSON")]
    assert list(collect_ids(path).ids) == ["17", "18"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html><html><body>Sign in", "a web page"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx or .csv"),
        (b"\0" * 5000, "zero bytes"),
        (bytes(range(256)), "binary data that begins with"),
    ],
)
def test_what_is_no_list_is_named(tmp_path, data, reason):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.csv: expected a list, found ") as caught:
        read_ids(path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("packing", [".bz2", ".xz", ".zst"])
def test_a_small_file_that_unpacks_to_gigabytes(tmp_path, packing):
    path = tmp_path / f"a{packing}"
    path.write_bytes(PACKERS[packing](b"0" * (70 << 20)))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="unpacks to over 67,108,864 bytes"):
        list(read_rows(path, Wanted(None)))


SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text")
)
CELL = '<table:table-cell table:number-columns-repeated="9999"><text:p>7</text:p></table:table-cell>'
ROW = f'<table:table-row table:number-rows-repeated="999999">{CELL}</table:table-row>'


def test_a_workbook_that_repeats_a_cell_ten_billion_times(tmp_path):
    path = tmp_path / "a.ods"
    content = f"<office:body {SPACES}><table:table>{ROW}</table:table></office:body>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    with pytest.raises(ValueError, match=r"a\.ods: repeats cells over 1,000,000"):
        read_ids(path)


def test_a_workbook_of_two_filled_sheets(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.create_sheet("empty")
    book.save(tmp_path / "a.xlsx")
    assert read_ids(tmp_path / "a.xlsx") == ([], [])
    book.create_sheet("more").append(["id"])
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(ValueError, match=r"a\.xlsx: expected a workbook of one sheet"):
        read_ids(tmp_path / "a.xlsx")
