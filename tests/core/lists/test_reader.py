"""Every format of list gives its ids and other cells as they stand in the file."""

import csv
import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core.lists.columns import Row
from twigma.core.lists.reader import column_names, read_rows
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_ids import collect_ids, read_ids
from twigma.rehydrate.ids.skipped_lines import BadLine

POST = st.integers(1, 10**20 - 1).map(str)
LISTS = st.lists(POST, unique=True, max_size=40)


def save(path: Path, ids: list[str]) -> Path:
    """The same ids in the format the suffix names, written by an independent writer."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", newline="") as handle:
                writer = csv.writer(
                    handle, delimiter="\t" if path.suffix == ".tsv" else ","
                )
                writer.writerows(
                    [
                        ["text", "id"],
                        *([f'a "b",\n{n}\tc', post] for n, post in enumerate(ids)),
                    ]
                )
        case ".jsonl":
            path.write_text(
                "".join(f'{{"lang": "en", "id": {post}}}\n' for post in ids)
            )
        case ".parquet":
            pq.write_table(
                pa.table(
                    {"n": range(len(ids)), "tweet_id": pa.array(ids, pa.string())}
                ),
                path,
            )
        case ".zip":
            inside = save(path.with_name("list.parquet"), ids)
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("about.txt", "the list is in the other file")
                archive.write(inside, "data/list.parquet")
        case ".gz":
            path.write_bytes(gzip.compress("\r\n".join(["id", *ids]).encode("utf-16")))
        case _:
            path.write_text("\n".join(ids))
    return path


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.zip", "a.csv.gz", "a.txt"]
)
@given(ids=LISTS)
@settings(max_examples=25, deadline=None)
def test_every_format_gives_the_exact_strings(
    tmp_path_factory: pytest.TempPathFactory, name: str, ids: list[str]
) -> None:
    path = save(tmp_path_factory.mktemp("ids") / name, ids)
    found = collect_ids(path)
    assert (list(found.ids), found.bad) == (ids, [])


def test_the_id_column_is_named_found_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text(
        "\ufefff row,Tweet ID\n1,123\n2,124\n2,123\n".replace("f row", "row"), "utf-8"
    )
    assert read_ids(path)[0] == ["123", "124"]
    assert read_ids(path, "row")[0] == ["1", "2"]
    with pytest.raises(
        ValueError, match="expected a column 'x', found \\['row', 'Tweet ID'\\]"
    ):
        read_ids(path, "x")
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="name the id column"):
        read_ids(tmp_path / "none.csv")
    (tmp_path / "bare.csv").write_text("123,x\n124,y\n")
    with pytest.raises(ValueError, match="names the columns"):
        read_ids(tmp_path / "bare.csv")
    (tmp_path / "only.csv").write_text("whatever\n5\n")
    assert read_ids(tmp_path / "only.csv") == (["5"], [])


def test_json_lines_keep_numbers_as_written(tmp_path: Path) -> None:
    path = tmp_path / "ids.jsonl"
    rows = [
        '{"id": 1.0e18, "id_str": "1000000000000000001"}',
        "7",
        '"8"',
        "[9, 10]",
        '{"id": 1e5}',
        "{",
        "null",
        '{"x": 1, "y": 2}',
    ]
    path.write_text("\n".join(rows) + "\n" + "[" * 100_000 + "\n\n")
    ids, bad = read_ids(path)
    assert ids == ["1000000000000000001", "7", "8", "9", "10"]
    assert [line.line for line in bad] == [5, 6, 7, 8, 9]


def test_parquet_integers_and_nulls(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": pa.array([2**63 - 1, None, 5], pa.int64())}),
        tmp_path / "a.parquet",
    )
    assert read_ids(tmp_path / "a.parquet") == (
        [str(2**63 - 1), "5"],
        [BadLine(2, "", "empty")],
    )


def test_utf16_semicolons_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "u.txt").write_text("id\n123\n", "utf-16")
    assert read_ids(tmp_path / "u.txt") == (["123"], [])
    (tmp_path / "s.csv").write_text("a;id\n1;123\nx\n")
    assert read_ids(tmp_path / "s.csv") == (
        ["123"],
        [BadLine(3, "x", "expected 2 cells, found 1")],
    )
    (tmp_path / "empty.csv").write_text("")
    assert read_ids(tmp_path / "empty.csv") == ([], [])
    with pytest.raises(FileNotFoundError, match="no file of post ids"):
        read_ids(tmp_path / "none.csv")


def test_a_zip_holds_one_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        archive.writestr("b.csv", "id\n1\n")
    with pytest.raises(ValueError, match="a zip of one list, found 2"):
        read_ids(tmp_path / "two.zip")
    (tmp_path / "not.zip").write_text("id\n1\n")
    assert read_ids(tmp_path / "not.zip") == (["1"], [])


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip", "a.parquet"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, [str(10**18 + 7919 * n * n) for n in range(9000)])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        ValueError,
        match=rf"{name}: expected a complete \w+ file, found .*; get it again",
    ):
        read_ids(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_other_columns_come_along(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        path.write_text('label,id,text\n3,17,"a, ""b""\nc"\n,18,\n')
    elif name == "a.jsonl":
        path.write_text(
            '{"label": 3, "id": 17, "text": "a, \\"b\\"\\nc"}\n{"label": null, "id": "18"}\n'
        )
    else:
        pq.write_table(
            pa.table(
                {"label": [3, None], "id": ["17", "18"], "text": ['a, "b"\nc', None]}
            ),
            path,
        )
    rows = list(read_rows(path, Wanted(None, ("text", "none", "label"))))
    assert [(row.value, row.others) for row in rows] == [
        ("17", ('a, "b"\nc', "", "3")),
        ("18", ("", "", "")),
    ]
    assert sorted(column_names(path, Wanted(None))) == ["id", "label", "text"]


def test_a_bare_list_has_no_columns(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).write_text("123\n124\n")
        assert column_names(tmp_path / name, Wanted(None)) == []
        assert list(read_rows(tmp_path / name, Wanted(None, ("x",))))[1] == Row(
            2, "124", "", ("",)
        )
