"""Times in every form that tools write, one by one and as columns; what could be several times is none."""

import datetime

import pandas as pd
import pyarrow as pa
import pytest

from twigma.core.values import (
    form_of,
    have_form,
    may_be_posted,
    read_time,
    read_times,
)
from twigma.core.values.times import EPOCH

TIME = datetime.datetime(2021, 1, 5, 10, 11, 12)
TEXTS = (
    "2021-01-05T10:11:12",
    "2021-01-05T10:11:12Z",
    "2021-01-05 10:11:12 UTC",
    "2021-01-05 11:11:12 +0100",
    "2021-01-05T12:11:12+02:00",
    "20210105T101112Z",
    "2021/01/05 10:11:12",
    "2021:01:05 10:11:12",
    "2021.1.5 10:11:12 UTC",
    "2021-1-5T12:11:12+02:00",
    " 2021-01-05 10:11:12.0009 ",
    "Tue, 05 Jan 2021 10:11:12 GMT",
    "Tue, 5 Jan 2021 11:11:12 +0100",
    "Tue Jan 05 10:11:12 +0000 2021",
    "1609841472",
    "1609841472.0",
    "1609841472000",
)
NO_TIMES = (
    "",
    "yesterday",
    "05/01/2021",
    "2021",
    "2021-13-45",
    "2021/13/45",
    "2021/01-05",
    "1.6828992e9",
    "20210105101112",
    "12345678901",
    "0001-01-01T00:00:00+02:00",
    "Tue Jan 35 10:11:12 +0000 2021",
)


@pytest.mark.parametrize("text", TEXTS)
def test_every_form_of_a_text(text: str) -> None:
    assert read_time(text) == TIME


@pytest.mark.parametrize(
    "value",
    [
        1609841472,
        1609841472.0,
        1609841472000,
        TIME,
        TIME.replace(tzinfo=datetime.UTC),
        pd.Timestamp("2021-01-05T11:11:12.000000001+01:00"),
    ],
)
def test_numbers_and_datetimes(value: object) -> None:
    time = read_time(value)
    assert time == TIME
    assert type(time) is datetime.datetime


def test_hours_of_one_digit() -> None:
    for text in ("2021-01-05 9:05", "2021/1/5 9:05", "2021-01-05T9:05Z"):
        assert read_time(text) == datetime.datetime(2021, 1, 5, 9, 5)


def test_when_an_image_may_have_been_posted() -> None:
    now = datetime.datetime(2026, 6, 1)
    day = datetime.timedelta(days=1)
    for time in (TIME, datetime.datetime(2000, 1, 1), now + day):
        assert may_be_posted(time, now)
    for time in (EPOCH, datetime.datetime(1999, 12, 31), now + 2 * day):
        assert not may_be_posted(time, now)


def test_a_day_alone_as_text_or_number() -> None:
    assert (
        read_time("2021-01-05") == read_time(20210105) == datetime.datetime(2021, 1, 5)
    )


@pytest.mark.parametrize(
    "value", [*NO_TIMES, True, 5, 2021, -1, 1e300, float("nan"), [2021], None, b"x"]
)
def test_what_is_no_time_or_several(value: object) -> None:
    assert read_time(value) is None


def test_milliseconds_are_cut_not_rounded() -> None:
    expected = TIME.replace(microsecond=345000)
    for value in ("2021-01-05T10:11:12.345999Z", 1609841472.345, "1609841472345"):
        assert read_time(value) == expected


@pytest.mark.parametrize("texts", [TEXTS, NO_TIMES, TEXTS[:1], TEXTS[1:2]])
def test_a_column_is_read_as_its_values_are(texts: tuple[str, ...]) -> None:
    trimmed = [text.strip() for text in texts]
    column = pa.chunked_array([pa.array(trimmed), pa.array([None, *trimmed])])
    expected = [read_time(text) for text in (*trimmed, None, *trimmed)]
    found = read_times(column)
    assert found.type == pa.timestamp("ms")
    assert found.to_pylist() == expected


@pytest.mark.parametrize(
    "text",
    ["2021-01-05", "2021-01-05 10:11", "2021-01-05T10:11:12.5", "2021-01-05T10Z"],
)
def test_what_arrow_reads_at_once_is_what_is_read_one_by_one(text: str) -> None:
    many = pa.chunked_array([[text] * 3])
    assert read_times(many).to_pylist() == [read_time(text)] * 3
    assert read_time(text) is not None


def test_which_texts_have_one_form() -> None:
    texts = pa.chunked_array([["1609841472", "1609841472000", None, "2021-01-05"]])
    assert form_of("1609841472") == "seconds"
    assert have_form(texts, "seconds").to_pylist() == [True, False, None, False]
    assert have_form(texts, "ISO 8601").to_pylist() == [False, False, None, True]
    assert have_form(texts, None).to_pylist() == [False, False, None, False]
    assert form_of("soon") is None


def test_a_column_of_many_spellings_is_read_as_its_values_are(monkeypatch):
    texts = [
        "2021-01-05 12:11:12",
        "2021-01-05T12:11:12.123456",
        "1969-12-31 23:59:59.9999",
        "2021-01-05 12:11:12.1239+02:00",
        "2021-01-05T12:11:12Z",
        "Tue Jan 05 12:11:12 +0000 2021",
        "Tue Jan 05 12:11:12 +0200 2021",
        "Tue Feb 30 12:11:12 +0000 2021",
        "Tue Feb 28 12:11:60 +0000 2021",
        "Sun Jan 31 12:11:12 +0000 2021",
        "Tue, 05 Jan 2021 12:11:12 GMT",
        "1609848672",
        "1609848672000",
        "2021-1-5",
        "1234",
        "last summer",
        "",
        None,
    ]
    column = pa.chunked_array([texts[:7], texts[7:], []], pa.string())
    expected = [read_time(each) for each in texts]
    assert read_times(column).to_pylist() == expected
    # One that is no time, in a form that Arrow reads, leaves the others as they are.
    damaged = pa.chunked_array([[*texts, "2021-02-30 00:00:00", "Xxx Jan 05 99:11:12 +0000 2021"]])  # fmt: skip
    assert read_times(damaged).to_pylist() == [*expected, None, None]
    # The usual ones are not read one by one.
    monkeypatch.setattr("twigma.core.values.times.read_time", None)
    usual = pa.chunked_array([[*texts[:6], "1609848672", None]])
    assert read_times(usual).null_count == 1
