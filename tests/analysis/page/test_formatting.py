"""Numbers and text for the eye."""

import doctest
import math

import numpy as np
import pytest

from twigma.analysis.page import formatting


def test_doctests():
    assert doctest.testmod(formatting).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (12.345, "12.3"), (123.456, "123.5"), (1234.56, "1,235"), (0.00001234, "1.23e−05"),
        (-0.5, "−0.500"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "–"), (805650, "805,650"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert formatting.number(value) == text


def test_intervals_percentages_and_p_values():
    assert formatting.interval(1.19, 1.18, 1.2) == "1.19\u00a0[1.18,\u00a01.20]"
    assert (
        formatting.interval(1.19, None, 1.2)
        == formatting.interval(1.19, math.nan, 1.2)
        == "1.19"
    )
    assert formatting.percents(0.123, 0.1, 0.15) == "12.3%\u00a0[10,\u00a015]"
    assert formatting.percents(0.5, None, None) == "50%"
    assert (formatting.percent(None), formatting.percent(math.nan)) == ("–", "–")
    assert (formatting.p_value(0.0001), formatting.p_value(0.032), formatting.p_value(None)) == (
        "p < 0.001", "p = 0.032", "p unknown",
    )  # fmt: skip
    assert (
        formatting.listed([]),
        formatting.listed(["a"]),
        formatting.listed("abc"),
    ) == ("none", "a", "a, b and c")


def test_invisible_characters_go_and_scripts_of_the_world_stay():
    hidden = "".join(
        map(
            chr,
            [
                *range(32),
                0x7F,
                0x202A,
                0x202E,
                0x2066,
                0x2069,
                0x200B,
                0xFEFF,
                0xD800,
                0xE000,
            ],
        )
    )
    assert formatting.clean("a" + hidden + "b").replace(" ", "") == "ab"
    assert formatting.clean("日本語 العربية 🎨 é") == "日本語 العربية 🎨 é"
    assert formatting.clean("x" * 500) == "x" * 199 + "…"


def test_cells_know_what_they_are():
    made = formatting.table(
        "t",
        ["name", "n", "ok"],
        [["a\u202e", np.int64(3), np.bool_(True)], ["b", None, False]],
    )
    assert [[c.text for c in row] for row in made.rows] == [
        ["a", "3", "yes"],
        ["b", "–", "no"],
    ]
    assert made.numeric == (False, True, False)
