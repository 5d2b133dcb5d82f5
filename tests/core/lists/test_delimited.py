"""Lines that are read many at once give the rows that they give one by one."""

import csv
import io
import random

import pytest

from twigma.core.lists.columns import Block, Row
from twigma.core.lists.delimited import line_buffer, records, text_rows
from twigma.core.safety import bounded
from twigma.rehydrate.ids.list_columns import Wanted
from twigma.rehydrate.ids.post_id import are_digits, parse_id, why_bad
from twigma.rehydrate.ids.post_ids import collect_ids

STRAY = "a quote is open or stray"
JUNK = ['"', '""', ",", "\n", "\n\n", " ", "# c", "é", "\0", "x18", "1.5e18", '7,"x"']
TEXTS = ["plain", '"a, b"', '"q ""x"""', '"l\nm"', '"l\n\nm"', '"\n"', "", " "]


def split(text):
    """The cells of one record, `open` or `stray`: what `csv` says of it."""
    try:
        return next(csv.reader([text], strict=True), [""])
    except csv.Error as error:
        return "open" if "end of data" in str(error) else "stray"


def begins_row(cell):
    """Whether a cell is an id, or one that lost its digits."""
    return parse_id(cell) or "digits are lost" in why_bad(cell)


def joined_record(lines, width):
    """How many lines the record at the head of these has, and its cells; (1, None) where there is none."""
    for count in range(2, min(len(lines), records.MOST_JOINED + 1) + 1):
        cells = split("\n".join(lines[:count]))
        if cells == "stray":
            break
        if cells != "open" and len(cells) == width and begins_row(cells[0]):
            return count, cells
    return 1, None


def rows_one_by_one(lines):
    """The rows of a table whose first column are ids, by its definition: a record at a time."""
    width = lines[0].count(",") + 1
    at = 1
    while at < len(lines):
        line, count = lines[at], 1
        cells = split(line)
        if cells == "open":
            count, cells = joined_record(lines[at:], width)
        if cells is None or cells == "stray":
            yield at + 1, line, STRAY, ()
        elif line.strip() and len(cells) != width:
            yield at + 1, line, f"expected {width} cells, found {len(cells)}", ()
        elif line.strip():
            yield at + 1, cells[0], "", tuple(cells[1:])
        at += count


def random_lines(seed):
    """Lines of a table with quoted texts, and more or less junk between them."""
    rng = random.Random(seed)
    width = rng.randint(1, 3)
    dirt = rng.choice([0, 0.02, 0.2, 0.6])
    parts = [",".join(["id", "text", "label"][:width]), "\n"]
    for _ in range(rng.randrange(60)):
        cells = [str(10**17 + rng.randrange(30))]
        cells += [rng.choice(TEXTS) for _ in range(width - 1)]
        parts.append(",".join(cells))
        if rng.random() < dirt:
            parts += rng.choices(JUNK, k=rng.randrange(4))
        parts.append("\n")
    return "".join(parts).split("\n")


def read(lines, size):
    """The parts of a text table whose lines come so many at a time."""
    blocks = [lines[at : at + size] for at in range(0, len(lines), size)]
    columns = Wanted(None, tuple(lines[0].split(",")[1:]))
    return list(text_rows(iter(blocks), columns, "a.csv"))


def rows_of(parts):
    rows = []
    for part in parts:
        rows += part.rows() if isinstance(part, Block) else [part]
    return rows


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_rows_are_those_of_the_lines_one_by_one(size):
    in_blocks = 0
    for seed in range(400):
        lines = random_lines(seed)
        parts = read(lines, size)
        expected = [Row(*row) for row in rows_one_by_one(lines)]
        assert rows_of(parts) == expected, seed
        in_blocks += sum(isinstance(part, Block) for part in parts)
    assert in_blocks > 300


def test_a_clean_table_is_read_in_blocks_and_texts_on_many_lines_too():
    lines = ["id,text", "17,a", '18,"b', "", 'c"', "19,d", '20,"e', 'f"', "21,g"]
    texts = [("a",), ("b\n\nc",), ("d",)]
    assert read(lines, 7) == [
        Block(2, [0, 1, 4], ["17", "18", "19"], texts),
        Row(7, "20", "", ("e\nf",)),
        Block(9, [0], ["21"], [("g",)]),
    ]


def test_lines_that_are_too_long_or_too_many_are_not_joined(monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 12)
    fits, longer = ["id,text", '17,"abcd', 'efg"'], ["id,text", '17,"abcd', 'efgh"']
    for size in (1, 9):
        assert rows_of(read(fits, size)) == [Row(2, "17", "", ("abcd\nefg",))]
        too_long = "a quote is open for more than 12 characters"
        assert rows_of(read(longer, size))[0].reason == too_long
    monkeypatch.undo()
    most = records.MOST_JOINED
    too_many = f"a quote is open for more than {most:,} lines"
    for count, reason in ((most, ""), (most + 1, too_many)):
        lines = ["id,text", '17,"a', *["b"] * (count - 1), 'c"']
        for size in (1, 500):
            assert rows_of(read(lines, size))[0].reason == reason


def test_after_many_stray_quotes_no_lines_are_joined(monkeypatch):
    monkeypatch.setattr(records, "MOST_FAILED_JOINS", 3)
    stray = ['"x', 'y" z'] * 3
    record = ['17,"a', 'b"']
    for size in (1, 7):
        rows = rows_of(read(["id,text", *stray, *record], size))
        assert Row(8, "17", "", ("a\nb",)) not in rows
    before = rows_of(read(["id,text", *record, *stray, *record], 9))
    assert before[0] == Row(2, "17", "", ("a\nb",)) and before[-1].others == ("a\nb",)


def test_a_line_that_was_cut_is_one_row():
    lines = ["id", "17", bounded.Cut("18"), "19"]
    reason = f"longer than {line_buffer.LONGEST_LINE:,} characters"
    expected = [Row(2, "17", ""), Row(3, "18", reason), Row(4, "19", "")]
    assert rows_of(read(lines, 9)) == expected


@pytest.mark.parametrize("longest", [9, 40, 1 << 20])
def test_blocks_have_the_lines_of_the_text(monkeypatch, longest):
    rng = random.Random(longest)
    for size in (1, 7, 64):
        monkeypatch.setattr(bounded, "BLOCK", size)
        pieces = rng.choices(
            ["a", "é" * 9, "b" * 30, "\n", "\r\n", "\r", "\n\n"], k=200
        )
        text = "".join(pieces).encode()
        lines = list(bounded.text_lines(io.BytesIO(text), longest))
        whole = io.StringIO(text.decode(), newline=None).read().split("\n")
        if not whole[-1]:
            whole.pop()
        assert lines == [
            line if len(line) < longest else line[:longest] for line in whole
        ]
        cut = [isinstance(line, bounded.Cut) for line in lines]
        assert cut == [len(line) >= longest for line in whole]


def test_ids_are_digits_only_where_each_is():
    assert are_digits(["1", "9" * 20])
    for other in ("", "9" * 21, "x1", "1 ", "١٢", "-1", "\ud800", "017", "0"):
        assert not are_digits(["17", other]) and not are_digits([other, "17"])


def test_unusual_ids_at_the_edges_of_blocks(tmp_path, monkeypatch):
    """Addresses, spaces, comments and bad ids among digits; an id twice keeps the cells of its first row."""
    ids = [str(10**17 + number) for number in range(40)]
    for place in range(40):
        lines = [f"{post},{number}" for number, post in enumerate(ids)]
        lines[place:place] = [
            f" x{ids[0]} ,late",
            "# note,c",
            "1.5e17,",
            f"{ids[39]},z",
        ]
        path = tmp_path / "a.csv"
        path.write_text("id,label\n" + "\n".join(lines))
        for size in (1, 64, 1 << 14):
            monkeypatch.setattr(bounded, "BLOCK", size)
            found = collect_ids(path, None, ["label"])
            cells = {post: (str(number),) for number, post in enumerate(ids)}
            cells[ids[39]] = ("z",)
            if place == 0:
                cells[ids[0]] = ("late",)
            assert found.ids == cells and found.rows == 42
            assert [line.line for line in found.bad] == [place + 4]
