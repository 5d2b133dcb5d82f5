"""Whole numbers of texts, floats and columns, against Python's integers; flags and texts."""

import pyarrow as pa
import pytest

from twigma.core.values import (
    LARGEST,
    clean_text,
    read_count,
    read_flag,
    read_text,
    read_whole,
    whole_numbers,
)

WHOLE = {
    "7": 7,
    "+7": 7,
    "-7": -7,
    "007": 7,
    "3.0": 3,
    "3.": 3,
    str(LARGEST): LARGEST,
    str(2**53 + 1): 2**53 + 1,  # a float would round it
}
OTHERS = ("", "1,234", "1.5", "1e3", "٣", "--1", "true", str(LARGEST + 1), "9" * 30)


@pytest.mark.parametrize(("text", "number"), WHOLE.items())
def test_whole_numbers_as_text(text: str, number: int) -> None:
    assert read_whole(f" {text} ") == number
    expected = number if number >= 0 else None
    assert read_count(text) == expected


@pytest.mark.parametrize("value", [*OTHERS, True, 1.5, float("inf"), 10**30, None, [1]])
def test_what_is_no_whole_number(value: object) -> None:
    assert read_whole(value) is None


@pytest.mark.parametrize("texts", [tuple(WHOLE), OTHERS, ("7", "3.0")])
def test_a_column_is_read_as_its_values_are(texts: tuple[str, ...]) -> None:
    column = pa.chunked_array([[*texts, None]])
    expected = [*map(read_whole, texts), None]
    assert whole_numbers(column).to_pylist() == expected


def test_flags_have_words_of_their_own_and_of_a_source() -> None:
    assert [read_flag(word) for word in ("T", 1.0, "yes", True)] == [True] * 4
    assert [read_flag(word) for word in ("f", 0, "No", False)] == [False] * 4
    assert read_flag("soft") is None
    assert read_flag("Soft", ("soft",)) is True
    assert read_flag("none", (), ("none",)) is False


def test_texts_that_arrow_can_hold() -> None:
    assert clean_text("half an emoji \ud83d") == "half an emoji \ufffd"
    assert clean_text("\U0001f600") == "\U0001f600"
    assert read_text("  a fox\n") == "a fox"
    assert read_text(7) == "7"
    others: tuple[object, ...] = ("", " ", None, 1.5, True, b"x", [])
    assert [read_text(value) for value in others] == [None] * len(others)
