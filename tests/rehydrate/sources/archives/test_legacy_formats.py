import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archived import MONTHS, post, v1

from twigma.rehydrate.sources.archives.legacy_formats import (
    id_text,
    inner,
    iso_time,
    number,
    scalars,
    v1_media,
    v1_post,
)


@given(st.datetimes(datetime.datetime(2006, 3, 21), datetime.datetime(2030, 1, 1)))
def test_a_time_is_the_same_moment(time: datetime.datetime) -> None:
    text = f"{time:%a} {MONTHS[time.month - 1]} {time:%d %H:%M:%S} +0000 {time.year}"
    parsed = datetime.datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")
    assert datetime.datetime.fromisoformat(iso_time(text)) == parsed


@pytest.mark.parametrize(
    "text", [None, 5, "", "2022-08-22T18:14:05Z", "Wed Okt 10 20:19:24 +0000 2018"]
)
def test_another_time_is_left_as_it_is(text: object) -> None:
    assert iso_time(text) == text


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"id_str": "123", "id": 120}, "123"),
        ({"id": 1561783901234567001}, "1561783901234567001"),
        ({"id_str": None, "id": "9"}, "9"),
        ({"id": 1.5e18}, None),
        ({"id": True}, None),
        ({}, None),
    ],
)
def test_an_id_is_exact_or_none(record: dict[str, object], name: str | None) -> None:
    assert id_text(record) == name


def test_counts_written_as_text_are_numbers() -> None:
    assert [number(value) for value in ("12", "-1", "1e3", 7, None)] == [
        12,
        "-1",
        "1e3",
        7,
        None,
    ]
    written = v1(post(2)) | {"favorite_count": "6", "retweet_count": "2"}
    assert v1_post(written) == v1_post(v1(post(2)))


def test_four_photos_are_in_extended_entities_alone() -> None:
    tweet = v1(post(1, photos=4))
    assert len(v1_media(tweet)) == 4
    del tweet["extended_entities"]
    assert len(v1_media(tweet)) == 1


def test_what_is_no_object_reads_as_empty() -> None:
    assert inner({"a": {"b": {"c": 1}}}, "a", "b") == {"c": 1}
    assert [
        inner(value, "a", "b") for value in (None, [], {"a": 5}, {"a": {"b": []}})
    ] == [{}] * 4
    assert scalars({"a": 1, "b": [], "c": None, "d": "x", "e": 1.5}) == {
        "a": 1,
        "d": "x",
    }
