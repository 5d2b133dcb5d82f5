import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.rehydrate.ids import BadLine, read_ids, sample_ids, write_quarantine

POSTS = [str((1_600_000_000_000 + 7_919 * n) << 20 | 1 + n) for n in range(60)]
POST = st.integers(1, 10**20 - 1).map(str)
LISTS = st.lists(POST, unique=True, max_size=40)


def save(path: Path, ids: list[str]) -> Path:
    """The same ids in the format the suffix names, written by an independent writer."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", newline="") as handle:
                writer = csv.writer(handle, delimiter="\t" if path.suffix == ".tsv" else ",")
                writer.writerows([["text", "id"], *([f'a "b",\n{n}\tc', post] for n, post in enumerate(ids))])
        case ".jsonl":
            path.write_text("".join(f'{{"lang": "en", "id": {post}}}\n' for post in ids))
        case ".parquet":
            pq.write_table(pa.table({"n": range(len(ids)), "tweet_id": pa.array(ids, pa.string())}), path)
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("ids.csv", "\r\n".join(["id", *ids]))
        case _:
            path.write_text("\n".join(ids))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.zip", "a.txt"])
@given(ids=LISTS)
@settings(max_examples=40, deadline=None)
def test_every_format_gives_the_exact_strings(
    tmp_path_factory: pytest.TempPathFactory, name: str, ids: list[str]
) -> None:
    path = save(tmp_path_factory.mktemp("ids") / name, ids)
    assert read_ids(path) == (ids, [])


@given(
    rows=st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=24)), ids=LISTS
)
@settings(max_examples=150, deadline=None)
def test_every_line_is_an_id_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], ids: list[str]
) -> None:
    lines = [row for pair in zip(rows, ids, strict=False) for row in pair]
    path = tmp_path_factory.mktemp("ids") / "ids.csv"
    path.write_text("".join(line + "\n" for line in ["id", *lines]), "utf-8", newline="")
    found, bad = read_ids(path)
    named = {line for line, _, _ in bad}
    for number, line in enumerate(lines, 2):
        blank = not line.strip()
        assert blank or number in named or line.strip(' \t"') in found
    assert set(ids[: len(rows)]) <= set(found)


def test_damaged_lines_are_set_aside_with_line_and_reason(tmp_path: Path) -> None:
    lines = ["id", POSTS[0], "1.62E+18", POSTS[1] + ".0", "", "١٢٣٤٥٦", "1" * 21, "-5", f'"{POSTS[2]}', POSTS[3], "é"]
    (tmp_path / "ids.csv").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    ids, bad = read_ids(tmp_path / "ids.csv")
    assert ids == [POSTS[0], POSTS[1 + 2]]
    reasons = {line: reason for line, _, reason in bad}
    assert list(reasons) == [3, 4, 6, 7, 8, 9, 11, 12]
    assert "scientific" in reasons[3] and "decimal" in reasons[4] and "ASCII" in reasons[6]
    assert "20 digits" in reasons[7] and "quote" in reasons[9]


def test_ten_thousand_broken_rows_are_each_named(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("id,likes\n" + "".join(f"{POSTS[n % 60]},{n}\n" + f'{n}e+17,"x\n' for n in range(10_000)))
    ids, bad = read_ids(path)
    assert ids == POSTS
    assert [line.line for line in bad] == list(range(3, 20_002, 2))


@pytest.mark.parametrize("step", [256, 1000])
def test_rounded_lists_are_refused_with_the_numbers(tmp_path: Path, step: int) -> None:
    rounded = [str(int(post) // step * step) for post in POSTS]
    (tmp_path / "ids.txt").write_text("\n".join(rounded))
    with pytest.raises(ValueError, match=f"60 of 60 ids \\(100.0%\\) are multiples of {step}"):
        read_ids(tmp_path / "ids.txt")
    (tmp_path / "few.txt").write_text("\n".join(rounded[:49]))
    assert len(read_ids(tmp_path / "few.txt")[0]) == 49


def test_a_real_float64_round_trip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n".join(str(int(float(post))) for post in POSTS))
    with pytest.raises(ValueError, match="float64"):
        read_ids(tmp_path / "ids.txt")
    (tmp_path / "e.txt").write_text("\n".join(f"{float(post):.5E}" for post in POSTS))
    with pytest.raises(ValueError, match="60 of 60 ids are in scientific notation"):
        read_ids(tmp_path / "e.txt")
    pq.write_table(pa.table({"id": [1.5e18]}), tmp_path / "f.parquet")
    with pytest.raises(ValueError, match="double"):
        read_ids(tmp_path / "f.parquet")


def test_the_id_column_is_named_found_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("\ufefff row,Tweet ID\n1,123\n2,124\n2,123\n".replace("f row", "row"), "utf-8")
    assert read_ids(path)[0] == ["123", "124"]
    assert read_ids(path, "row")[0] == ["1", "2"]
    with pytest.raises(ValueError, match="expected a column 'x', found \\['row', 'Tweet ID'\\]"):
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
    pq.write_table(pa.table({"id": pa.array([2**63 - 1, None, 5], pa.int64())}), tmp_path / "a.parquet")
    assert read_ids(tmp_path / "a.parquet") == ([str(2**63 - 1), "5"], [BadLine(2, "", "empty")])


def test_utf16_semicolons_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "u.txt").write_text("id\n123\n", "utf-16")
    assert read_ids(tmp_path / "u.txt") == (["123"], [])
    (tmp_path / "s.csv").write_text("a;id\n1;123\nx\n")
    assert read_ids(tmp_path / "s.csv") == (["123"], [BadLine(3, "x", "expected 2 cells, found 1")])
    (tmp_path / "empty.csv").write_text("")
    assert read_ids(tmp_path / "empty.csv") == ([], [])
    with pytest.raises(FileNotFoundError, match="no file of post ids"):
        read_ids(tmp_path / "none.csv")


def test_a_zip_holds_one_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        archive.writestr("b.csv", "id\n1\n")
    with pytest.raises(ValueError, match="a zip of one file, found 2"):
        read_ids(tmp_path / "two.zip")
    (tmp_path / "not.zip").write_text("id\n1\n")
    with pytest.raises(ValueError, match="expected a zip"):
        read_ids(tmp_path / "not.zip")


def test_quarantine_holds_no_formula(tmp_path: Path) -> None:
    bad = [BadLine(2, "=1+1", "why"), BadLine(3, "\ud800é", "why")]
    path = write_quarantine(tmp_path, bad, Path("list.csv"))
    assert path is not None
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [(row["file"], row["line"], row["value"]) for row in rows] == [
        ("list.csv", "2", "'=1+1"),
        ("list.csv", "3", "\\ud800\\xe9"),
    ]
    assert write_quarantine(tmp_path, [], Path("list.csv")) is None
    assert not path.exists()


def test_a_sample_keeps_the_share_of_every_month_and_is_the_same_tomorrow() -> None:
    month = 2_592_000_000
    times = [(620 + n // 100) * month + n % 100 * month // 100 for n in range(1000)]
    ids = [str((time - 1288834974657) << 22) for time in times] + ["5", "6"]
    drawn = sample_ids(ids, 100, seed=3)
    assert len(drawn) == 100 and drawn == sample_ids(ids, 100, seed=3) != sample_ids(ids, 100, seed=4)
    assert [post for post in ids if post in set(drawn)] == drawn
    per_month = Counter(ids.index(post) // 100 for post in drawn)
    assert max(per_month.values()) - min(per_month[m] for m in range(10)) <= 1
    assert sample_ids(ids, 5000) == ids
    assert json.dumps(sample_ids([], 0)) == "[]"
