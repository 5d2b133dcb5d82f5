"""`filters`: the rows that pass, by plain Python beside it, and one sentence for what is no filter of these columns."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from twigma.dataset.options.row_filters import check_filters

ROWS = [
    {"id": "17", "width": 64, "likes": 3, "day": datetime.datetime(2022, 1, 1)},
    {"id": "18", "width": 96, "likes": None, "day": datetime.datetime(2022, 1, 2)},
    {"id": "19", "width": 128, "likes": 40, "day": datetime.datetime(2022, 1, 3)},
]
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("width", pa.int32()),
        ("likes", pa.int64()),
        ("day", pa.timestamp("ms")),
        ("tags", pa.list_(pa.string())),
    ]
)
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ([("width", "<", 96)], lambda row: row["width"] < 96),
        ((("width", ">=", 96), ("id", "!=", "19")), lambda row: row["id"] == "18"),
        ([["id", "=", "17"]], lambda row: row["id"] == "17"),
        ([[("id", "==", "17")], [("likes", ">", 9)]], lambda row: row["id"] != "18"),
        ([("id", "in", {"17", "19"})], lambda row: row["id"] != "18"),
        ([("width", "in", np.array([64, 128]))], lambda row: row["width"] != 96),
        ([("id", "not in", [])], lambda row: True),
        ([("id", "in", [])], lambda row: False),
        ([("day", ">", datetime.date(2022, 1, 2))], lambda row: row["id"] == "19"),
        (pc.field("likes").is_null(), lambda row: row["likes"] is None),
    ],
)
def test_the_rows_that_pass(filters, passes):
    kept = TABLE.filter(check_filters(filters, SCHEMA, "rows"))
    assert kept["id"].to_pylist() == [row["id"] for row in ROWS if passes(row)]


def test_no_filters_are_all_rows():
    assert check_filters(None, SCHEMA, "rows") is None


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (("id", "=", "a"), r"expected filters as a list .*: write \[\('id', '=', 'a'"),
        ([], r"expected filters as a list of conditions .*, found \[\]"),
        ([[]], r"expected filters as a list of conditions .*, found \[\]"),
        ("id", "expected filters as a list of conditions .*, found 'id'"),
        ([5], "expected filters as a list of conditions .*, found 5"),
        ([(3, "=", 1)], r"expected filters as a list .*, found \(3, '=', 1\)"),
        ([("id", "=")], r"expected filters as a list .*, found \('id', '='\)"),
        ([("id", "~", "a")], "expected an operator among =, .* for id, found '~'"),
        ([("likes", "=", 1), ("like", "=", 1)], "rows has no column like; it has id,"),
        ([("id", "=", 17)], r"text to compare with id \(string\), found 17 \(int\): w"),
        (
            [("id", "in", ["1", 2])],
            r"text to compare with id .*, found 2 \(int\): writ",
        ),
        ([("width", "<", "96")], r"a number .* width \(int32\), found '96' \(str\)"),
        ([("width", "<", 2**70)], r"a number .* width \(int32\), found 118059162071"),
        ([("day", "<", "2022-01-01")], r"a datetime.datetime without time zone .* day"),
        ([("likes", "=", None)], r"found None: rows .*field\('likes'\).is_null\(\)$"),
        ([("id", "in", "17")], r"a list of values after 'in' for id .*, found '17'"),
        (
            [("id", "not in", 17)],
            r"a list of values after 'not in' for id .*, found 17",
        ),
        ([("tags", "=", "a")], r"nothing, as filters compare text, .*tags \(list<"),
        (pc.field("like") > 3, "rows has no column like; it has id, width"),
        (
            pc.field("id") > 3,
            r"its columns can be compared by, found \(id > 3\): Funct",
        ),
        (pc.field("width"), "its columns can be compared by, found width: Filter"),
    ],
)
def test_what_is_no_filter_is_said_in_one_sentence(filters, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        check_filters(filters, SCHEMA, "rows")
    assert type(error.value) is ValueError
    assert str(error.value).startswith("rows") and "\n" not in str(error.value)
