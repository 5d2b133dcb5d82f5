"""What an id is, the lines that hold none, and lists that were damaged on the way."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.rehydrate.ids.post_id import month, parse_id, parse_post_id
from twigma.rehydrate.ids.post_ids import collect_ids, read_id_list, read_ids
from twigma.rehydrate.ids.skipped_lines import BadLine, write_quarantine

POSTS = [str((1_600_000_000_000 + 7_919 * n) << 20 | 1 + n) for n in range(60)]
POST = st.integers(1, 10**20 - 1).map(str)
CONTROLS = "".join(map(chr, range(2, 28)))  # many of them are no text
LISTS = st.lists(POST, unique=True, max_size=40)


@given(
    rows=st.lists(
        st.text(
            st.characters(
                exclude_categories=("Cs",), exclude_characters="\r\n" + CONTROLS
            ),
            max_size=24,
        )
    ),
    ids=LISTS,
)
@settings(max_examples=150, deadline=None)
def test_every_line_is_an_id_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], ids: list[str]
) -> None:
    lines = [row for pair in zip(rows, ids, strict=False) for row in pair]
    path = tmp_path_factory.mktemp("ids") / "ids.csv"
    path.write_text(
        "".join(line + "\n" for line in ["id", *lines]), "utf-8", newline=""
    )
    found, _, bad = collect_ids(path)
    named = {line for line, _, _ in bad}
    for number, line in enumerate(lines, 2):
        # An empty line and a comment are no ids, and no damage.
        passed_over = not line.strip() or line.strip(' \t\0"').startswith("#")
        assert (
            passed_over or number in named or parse_post_id(line.strip(' \t"')) in found
        )
    assert set(ids[: len(rows)]) <= set(found)


def test_damaged_lines_are_set_aside_with_line_and_reason(tmp_path: Path) -> None:
    lines = [
        "id",
        POSTS[0],
        "1.62E+18",
        POSTS[1] + ".0",
        "",
        "١٢٣٤٥٦",
        "1" * 21,
        "-5",
        f'"{POSTS[2]}',
        POSTS[3],
        "é",
    ]
    (tmp_path / "ids.csv").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    ids, _, bad = collect_ids(tmp_path / "ids.csv")
    assert list(ids) == [POSTS[0], POSTS[1 + 2]]
    reasons = {line: reason for line, _, reason in bad}
    assert list(reasons) == [3, 4, 6, 7, 8, 9, 11, 12]
    assert (
        "scientific" in reasons[3] and "decimal" in reasons[4] and "ASCII" in reasons[6]
    )
    assert "20 digits" in reasons[7] and "quote" in reasons[9]


def test_ten_thousand_broken_rows_are_each_named(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(
        "id,likes\n"
        + "".join(f"{POSTS[n % 60]},{n}\n" + f'{n}e+17,"x\n' for n in range(10_000))
    )
    ids, _, bad = collect_ids(path)
    assert list(ids) == POSTS
    assert [line.line for line in bad] == list(range(3, 20_002, 2))


@pytest.mark.parametrize("step", [256, 1000])
def test_rounded_lists_are_refused_with_the_numbers(tmp_path: Path, step: int) -> None:
    rounded = [str(int(post) // step * step) for post in POSTS]
    (tmp_path / "ids.txt").write_text("\n".join(rounded))
    with pytest.raises(
        ValueError, match=f"60 of 60 ids \\(100.0%\\) are multiples of {step:,}"
    ):
        read_ids(tmp_path / "ids.txt")
    fewest = {256: 33, 1000: 3}[step]
    (tmp_path / "few.txt").write_text("\n".join(rounded[:fewest]))
    with pytest.raises(ValueError, match=f"{fewest} of {fewest} ids"):
        read_ids(tmp_path / "few.txt")
    # Of fewer, chance leaves as much.
    (tmp_path / "few.txt").write_text("\n".join(rounded[: fewest - 1]))
    assert len(read_ids(tmp_path / "few.txt")[0]) == fewest - 1


def test_a_real_float64_round_trip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(
        "\n".join(str(int(float(post))) for post in POSTS)
    )
    with pytest.raises(ValueError, match="float64"):
        read_ids(tmp_path / "ids.txt")
    (tmp_path / "e.txt").write_text("\n".join(f"{float(post):.5E}" for post in POSTS))
    with pytest.raises(
        ValueError,
        match="60 of 60 ids are written as floating-point numbers, such as '1",
    ):
        read_ids(tmp_path / "e.txt")
    pq.write_table(pa.table({"id": [1.5e18]}), tmp_path / "f.parquet")
    with pytest.raises(ValueError, match="double"):
        read_ids(tmp_path / "f.parquet")


def test_quarantine_holds_no_formula_and_keeps_the_lines_of_other_lists(
    tmp_path: Path,
) -> None:
    def rows() -> list[tuple[str, str, str]]:
        with (tmp_path / "quarantine.csv").open(newline="") as handle:
            return [
                (row["file"], row["line"], row["value"])
                for row in csv.DictReader(handle)
            ]

    bad = [BadLine(2, "=1+1", "why"), BadLine(3, "\ud800é", "why")]
    path = write_quarantine(tmp_path, bad, Path("list.csv"))
    assert path == tmp_path / "quarantine.csv"
    first = [("list.csv", "2", "'=1+1"), ("list.csv", "3", "\\ud800\\xe9")]
    assert rows() == first
    write_quarantine(tmp_path, [BadLine(9, "x", "why")], Path("other.csv"))
    assert rows() == [*first, ("other.csv", "9", "x")]
    assert write_quarantine(tmp_path, bad[:1], Path("list.csv")) == path
    assert rows() == [("other.csv", "9", "x"), first[0]]
    assert write_quarantine(tmp_path, [], Path("list.csv")) is None and rows() == [
        ("other.csv", "9", "x")
    ]
    assert (
        write_quarantine(tmp_path, [], Path("other.csv")) is None and not path.exists()
    )
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="move it away"):
        write_quarantine(tmp_path, bad, Path("list.csv"))


def test_a_post_on_several_rows_is_one_id_with_the_cells_of_its_first_row(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("id,label\n17,x\n18,y\n17,z\nq,w\n")
    found = read_id_list(tmp_path / "a.csv", None, ["label"])
    assert found == (
        {"17": ("x",), "18": ("y",)},
        3,
        [BadLine(5, "q", "not a number of 1 to 20 digits")],
    )


@pytest.mark.parametrize("column", ["", "id,label\n"])
def test_an_id_padded_with_zeros_is_the_id_without_them(
    tmp_path: Path, column: str
) -> None:
    cell = ",x" if column else ""
    forms = ["{}", "0{}", "000{}", "x0{}", "'0{}", "https://x.com/i/status/0{}"]
    rows = [form.format(POSTS[0]) + cell for form in forms]
    path = tmp_path / "ids.csv"
    path.write_text(column + "\n".join([*rows, "0" + cell, "000" + cell]))
    found = read_id_list(path)
    assert list(found.ids) == POSTS[:1] and found.rows == len(forms)
    assert [line.reason for line in found.bad] == ["zero is no id"] * 2
    # As a block, where every cell is digits.
    path.write_text("id\n" + "".join(f"{post}\n0{post}\n" for post in POSTS))
    assert list(read_id_list(path).ids) == POSTS


@pytest.mark.parametrize(
    "form", ["{}.0", "+{}", "１{}", "{}e0", "1,{}", "{} 5", "-{}", "{}\u00a0x"]
)
def test_what_is_no_id_for_certain_is_set_aside(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ids.tsv"
    rows = [*POSTS, form.format("17")]
    path.write_text("id\tlabel\n" + "".join(f"{row}\tx\n" for row in rows))
    found = read_id_list(path)
    assert list(found.ids) == POSTS and len(found.bad) == 1


@given(st.datetimes(datetime(2010, 11, 5), datetime(2400, 1, 1)))
def test_the_month_of_an_id(time: datetime) -> None:
    since = (time - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert month(str(since - 1288834974657 << 22 | 4095)) == f"{time:%Y-%m}"
    assert month("29700859247") == ""


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_of_columns_with_one_name_the_first_counts(tmp_path: Path, ending: str) -> None:
    names = ["id", "label", "id", "label"]
    columns = [[post] for post in (POSTS[0], "x", POSTS[1], "y")]
    table = pa.Table.from_arrays(list(map(pa.array, columns)), names)
    path = tmp_path / f"ids.{ending}"
    if ending == "csv":
        pa.csv.write_csv(table, path)
    elif ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    assert read_id_list(path, None, ["label"]).ids == {POSTS[0]: ("x",)}


@pytest.mark.parametrize("name", ["000", "0", "003"])
def test_the_name_of_an_image_keeps_its_zeros(name: str) -> None:
    """As of pictures that are called 000, 001, …, in removals and selections."""
    assert parse_id(name) == name
    assert parse_post_id(name) == name.lstrip("0")


@pytest.mark.parametrize("cell", ["1.58659E+18", "1547770898463771828.0"])
def test_lost_digits_are_named_beside_a_text_over_several_lines(
    cell: str, tmp_path: Path
) -> None:
    file = tmp_path / "ids.csv"
    rows = [f'{cell},"text ""{n}""\nnext line"' for n in range(2)]
    file.write_text("\n".join(["id,text", *rows]))
    with pytest.raises(ValueError, match=r"found none on 2 lines; line 2: .* are lost"):
        read_ids(file)
