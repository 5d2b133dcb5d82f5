"""The authors' columns in other forms: read exactly, or refused with value, row and what was expected."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from support import releasing

from twigma.core import columns
from twigma.dataset.published.published_columns import conform

ROWS = 3
IDS = [str(releasing.FIRST + 3 * i) for i in range(ROWS)]
DATE = datetime.datetime(2021, 1, 5, 10, 11, 12)


def table(**changed):
    """Three published rows, as text."""
    cells = {name: ["1", "2", None] for name in columns.PUBLISHED}
    cells |= {"id": IDS, "image_name": IDS, "created_at": ["2021-01-05"] * ROWS}
    cells |= {"possibly_sensitive": ["True", "False", None]}
    return pa.table({name: changed.get(name, cells[name]) for name in cells})


def converted(name, values):
    return conform(table(**{name: values}), "there")[name].to_pylist()


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        *(("1.0", "0.0"), ("True", "False"), ("t", "f"), (" TRUE ", "false")),
        *(("1", "0"), (1, 0), (1.0, 0.0), (True, False)),
    ],
)
def test_truth_in_every_spelling(yes, no):
    assert converted("possibly_sensitive", [yes, no, None]) == [True, False, None]


@pytest.mark.parametrize("form", [
    "2021-01-05T10:11:12", "2021-01-05T10:11:12Z", "2021-01-05T10:11:12.000Z", "2021-01-05T12:11:12+02:00",
    "2021-01-05 10:11:12+00:00", "2021-01-05 10:11:12", "20210105T101112Z",
    "Tue, 05 Jan 2021 10:11:12 +0000", "Tue, 05 Jan 2021 10:11:12 GMT", "Tue, 5 Jan 2021 11:11:12 +0100",
    "Tue Jan 05 10:11:12 +0000 2021",
    "1609841472", "1609841472.0", "1609841472000", 1609841472, 1609841472.0, 1609841472000,
    DATE, pa.scalar(DATE, pa.timestamp("us", "UTC")), np.datetime64("2021-01-05T10:11:12", "ns"),
])  # fmt: skip
def test_a_moment_in_every_form(form):
    values = (
        pa.array([form, None, form])
        if not isinstance(form, pa.Scalar)
        else pa.array([form.as_py()] * 3, form.type)
    )
    assert set(converted("created_at", values)) <= {DATE, None}
    assert converted("created_at", values)[0] == DATE


def test_fractions_of_a_second_are_cut_to_milliseconds():
    expected = DATE.replace(microsecond=345000)
    for text in ("2021-01-05T10:11:12.345678Z", "1609841472.345", "1609841472345"):
        assert converted("created_at", [text, None, None])[0] == expected


def test_ids_of_parquet_are_exact_as_whole_numbers_and_refused_as_floats():
    numbers = pa.array([int(each) for each in IDS])
    assert converted("id", numbers) == IDS
    assert converted("id", pa.array(IDS).dictionary_encode()) == IDS
    assert converted("id", pa.array(IDS, pa.large_string())) == IDS
    with pytest.raises(
        ValueError,
        match="there: id: expected text, found double, in which digits are lost",
    ):
        converted("id", numbers.cast(pa.float64(), safe=False))


def test_counts_beside_nulls_and_nan_are_null():
    assert converted("like_count", ["3.0", " 4 ", "nan"]) == [3, 4, None]
    assert converted("like_count", pa.array([3.0, float("nan"), None])) == [
        3,
        None,
        None,
    ]
    assert converted("UMAP_dim_1", pa.array([0.5, float("nan"), None])) == [
        0.5,
        None,
        None,
    ]
    assert converted("nsfw_score", ["2.5e-1", ".5", "None"]) == [0.25, 0.5, None]


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("possibly_sensitive", "maybe", "there: possibly_sensitive: expected true or false .*, found 'maybe' on row 2"),
    ("possibly_sensitive", "2", "expected true or false .*, found '2' on row 2"),
    ("like_count", "1,234", "there: like_count: expected whole numbers, found '1,234' on row 2"),
    ("like_count", "3.5", "expected whole numbers, found '3.5' on row 2"),
    ("nsfw_score", "0,25", "there: nsfw_score: expected numbers, found '0,25' on row 2"),
    ("created_at", "05/01/2021", "there: created_at: expected dates such as .*, found '05/01/2021' on row 2"),
    ("created_at", "2021-13-45", "expected dates such as .*, found '2021-13-45' on row 2"),
    ("created_at", "1609841472", "expected dates .* all in one form, found '1609841472' on row 2"),
    ("id", "1.49E+18", "there: id: expected post ids of digits, found '1.49E.18' on row 2"),
    ("id", None, "there: id: expected post ids of digits, found None on row 2"),
    ("label_10_cluster", "99999999999", "label_10_cluster: expected int32, found"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_our_words(name, value, sentence):
    values = table()[name].to_pylist()
    values[1] = value
    with pytest.raises(ValueError, match=sentence) as refused:
        converted(name, values)
    assert "Traceback" not in str(refused.value)


def test_a_column_of_lists_is_refused():
    with pytest.raises(
        ValueError, match="like_count: expected text or numbers, found list"
    ):
        converted("like_count", [[1], [2], [3]])


def test_dates_that_are_all_in_an_unknown_form_name_the_first():
    with pytest.raises(ValueError, match="found 'soon' on row 1"):
        converted("created_at", ["soon", "later", None])


def test_a_table_without_dates_has_none():
    assert converted("created_at", [None, "", "NaT"]) == [None] * 3
