"""A table is found in whatever holds it, by its columns; what holds none says what it has."""

import csv
import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.dataset.tables.table_formats import find_table

WANTED = ("id", "text")
CELLS = [["", "id", "text"], ["0", "0012", 'a "b"\nc; d\te, f'], ["1", "13", "é"]]


def text(separator=",", newline="\n"):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator, lineterminator=newline).writerows(CELLS)
    return buffer.getvalue()


def parquet():
    buffer = io.BytesIO()
    table = {"id": ["0012", "13"], "text": [CELLS[1][2], "é"], "more": [1, 2]}
    pq.write_table(pa.table(table), buffer)
    return buffer.getvalue()


def packed(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


PLAIN = text().encode()
MAC = ("__MACOSX/._twigma.csv", b"\x00\x05\x16\x07Mac OS X"), ("._twigma.csv", b"\x00")
FORMS = {
    "comma": PLAIN,
    "tab": text("\t").encode(),
    "semicolon": text(";").encode(),
    "Windows": text(newline="\r\n").encode(),
    "BOM": text(";").encode("utf-8-sig"),
    "UTF-16": text("\t").encode("utf-16"),
    "gzip": gzip.compress(PLAIN, mtime=0),
    "Parquet": parquet(),
    "Parquet in gzip": gzip.compress(parquet(), mtime=0),
    "macOS first": packed(*MAC, ("twigma.csv", PLAIN)),
    "another table first": packed(
        ("a.csv", b"a,b\n1"), ("b/", b""), ("b/c.tsv", text("\t"))
    ),
    "a gzip in a zip": packed(
        ("a.txt", b"hello"), ("twigma.csv.gz", gzip.compress(PLAIN, mtime=0))
    ),
    "Parquet in a zip": packed(("a.parquet", parquet())),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_cells_in_every_form(tmp_path, form):
    path = tmp_path / "file"  # the content decides, not the name
    path.write_bytes(FORMS[form])
    found = find_table(path, WANTED).table
    assert found.select(WANTED).to_pydict() == {
        "id": ["0012", "13"],
        "text": [CELLS[1][2], "é"],
    }


@pytest.mark.parametrize(("data", "seen"), [
    (b"", "file ()"),
    (b"a,b\n1,2\n", "file (a, b)"),
    (b"id,text,id\n1,2,3\n", "file (id, text, id)"),
    (packed(("x.csv", b"a;b\n")), "file/x.csv (a;b)"),
    (b"\x80\x04pickle", "pickle"),
])  # fmt: skip
def test_what_holds_no_such_table_says_what_it_has(tmp_path, data, seen):
    path = tmp_path / "file"
    path.write_bytes(data)
    search = find_table(path, WANTED)
    assert search.table is None
    assert seen in search.seen[0]


def _encrypted():
    data = bytearray(packed(("a.csv", PLAIN)))
    for at in (6, data.index(b"PK\x01\x02") + 8):  # the flag in both headers
        data[at] |= 1
    return bytes(data)


@pytest.mark.parametrize("data", [
    gzip.compress(PLAIN, mtime=0)[:-9], b"\x1f\x8bnothing", b"PK\x03\x04nothing", packed(("a.csv", PLAIN))[:-30],
    _encrypted(), b"PAR1nothing", parquet()[:-9], PLAIN + b"2,3\n", b"id,text\n1,\xff\n",
])  # fmt: skip
def test_a_damaged_file_is_named_in_our_words(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(
        ValueError,
        match=r"file: expected a complete table or archive, found .*; download it again",
    ):
        find_table(path, WANTED)


def test_a_bomb_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"id,text\n" + b"1,2\n" * (20 << 20), 9))
    with pytest.raises(ValueError, match="unpacks to over"):
        find_table(path, WANTED)
