"""What common tools write beside a picture becomes our columns; wrong types are notes."""

import datetime
import json
from typing import Any

import pytest

from twigma.rehydrate.sources.pictures.beside import (
    columns_beside,
    group_of,
    notes_on,
    read_json,
    read_text,
)

NOON = datetime.datetime(2022, 8, 23, 12, 0, 0)

# As img2dataset 1.47 writes it.
IMG2DATASET = {
    "url": "https://images.lab/1.jpg",
    "caption": "a castle",
    "key": "000000001",
    "status": "success",
    "error_message": None,
    "width": 256,
    "height": 256,
    "sha256": "00",
}
# As gallery-dl's extractor for X writes it.
GALLERY_DL = {
    "tweet_id": 1562051239810326528,
    "date": "2022-08-23 12:00:00",
    "author": {"id": 44196397, "name": "painter", "nick": "P"},
    "content": "my #midjourney",
    "favorite_count": 12,
    "category": "twitter",
}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (IMG2DATASET, {"url": "https://images.lab/1.jpg", "text": "a castle"}),
        (
            GALLERY_DL,
            {
                "text": "my #midjourney",
                "author_id": "44196397",
                "like_count": 12,
                "created_at": NOON,
            },
        ),
        ({"prompt": "a fox", "seed": 3}, {"text": "a fox"}),
        ({"created_at": "2022-08-23T14:00:00+02:00"}, {"created_at": NOON}),
        ({"created_at": "Tue Aug 23 12:00:00 +0000 2022"}, {"created_at": NOON}),
        ({"timestamp": 1661256000}, {"created_at": NOON}),
        ({"timestamp": 1661256000000}, {"created_at": NOON}),
        ({"like_count": "7", "author": "ada"}, {"like_count": 7, "author_id": "ada"}),
        ({"like_count": None, "likes": 3}, {"like_count": 3}),
        ({"text": "half an emoji \ud83d"}, {"text": "half an emoji \ufffd"}),
        ({}, {}),
    ],
)
def test_the_facts_of_common_tools(
    facts: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert columns_beside(facts) == (expected, [])


@pytest.mark.parametrize("value", ["", " ", "nan", "NaN", "N/A", "null", "-", None])
@pytest.mark.parametrize("name", ["likes", "created_at", "nsfw"])
def test_what_says_that_nothing_is_known_is_no_note(name: str, value: Any) -> None:
    assert columns_beside({name: value}) == ({}, [])
    assert columns_beside({name: float("nan")}) == ({}, [])
    # It may be the text of a picture.
    assert columns_beside({"caption": "null"}) == ({"text": "null"}, [])


@pytest.mark.parametrize(
    "facts",
    [
        {"like_count": "many"},
        {"like_count": -1},
        {"like_count": True},
        {"like_count": 1.5},
        {"like_count": 10**30},
        {"created_at": "yesterday"},
        {"created_at": 1e300},
        {"created_at": [2022]},
        {"author": {"nick": "P"}},
        {"author": ["ada"]},
        {"caption": {"en": "x"}},
        {"url": 7},
    ],
)
def test_values_of_other_types_are_notes(facts: dict[str, Any]) -> None:
    values, unread = columns_beside(facts)
    assert values == {}
    (name,) = facts
    assert notes_on(unread)[0].startswith(f"{name} beside it cannot be read: ")


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"{not json", "JSON beside it that cannot be read"),
        (b"[" * 99_999, "JSON beside it that cannot be read"),
        (b"\xff\xfe{", "JSON beside it that cannot be read"),
        (b"[1]", "JSON beside it: expected an object, found a list"),
        (b" " * 1_000_001, "JSON beside it of over 1,000,000 bytes, not read"),
    ],
)
def test_json_that_is_no_object_is_a_note(data: bytes, note: str) -> None:
    assert read_json(data) == ({}, note)
    assert read_json(json.dumps(IMG2DATASET).encode()) == (IMG2DATASET, None)


def test_captions_in_text_files() -> None:
    assert read_text("\ufeffa fox, 4k \n".encode()) == "a fox, 4k"
    assert read_text(b"caf\xe9") == "caf\ufffd"
    assert read_text(b" \n") is None


def test_the_group_is_text_of_any_type() -> None:
    assert group_of({"artist": 7}, "artist") == "7"
    assert group_of({"artist": "x"}, "prompt") is None
    assert group_of({"group": "x"}, None) == "x"
