"""Numbers and text for the eye."""

import doctest
import math

import numpy as np
import pytest

from twigma.analysis import wording


def test_doctests():
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (12.345, "12.3"), (123.456, "123.5"), (1234.56, "1,235"), (0.00001234, "1.23e−05"),
        (-0.5, "−0.500"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "–"), (805650, "805,650"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert wording.number(value) == text


def test_intervals_percentages_and_p_values():
    assert wording.interval(1.19, 1.18, 1.2) == "1.19\u00a0[1.18,\u00a01.20]"
    assert wording.interval(1.19, None, 1.2) == wording.interval(1.19, math.nan, 1.2) == "1.19"
    assert wording.percents(0.123, 0.1, 0.15) == "12.3%\u00a0[10,\u00a015]"
    assert wording.percents(0.5, None, None) == "50%"
    assert (wording.percent(None), wording.percent(math.nan)) == ("–", "–")
    assert (wording.p_value(0.0001), wording.p_value(0.032), wording.p_value(None)) == (
        "p < 0.001", "p = 0.032", "p unknown",
    )  # fmt: skip
    assert (wording.listed([]), wording.listed(["a"]), wording.listed("abc")) == ("none", "a", "a, b and c")


def test_invisible_characters_go_and_scripts_of_the_world_stay():
    hidden = "".join(map(chr, [*range(32), 0x7F, 0x202A, 0x202E, 0x2066, 0x2069, 0x200B, 0xFEFF, 0xD800, 0xE000]))
    assert wording.clean("a" + hidden + "b").replace(" ", "") == "ab"
    assert wording.clean("日本語 العربية 🎨 é") == "日本語 العربية 🎨 é"
    assert wording.clean("x" * 500) == "x" * 199 + "…"


def test_cells_know_what_they_are():
    made = wording.table("t", ["name", "n", "ok"], [["a\u202e", np.int64(3), np.bool_(True)], ["b", None, False]])
    assert [[c.text for c in row] for row in made.rows] == [["a", "3", "yes"], ["b", "–", "no"]]
    assert made.numeric == (False, True, False)
