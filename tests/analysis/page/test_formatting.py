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
    assert formatting.percents(0.123, 0.1, 0.15) == "12.3%\u00a0[10.0,\u00a015.0]"
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


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((-0.0152, -0.0252, -0.00521), "−0.0152 [−0.0252, −0.0052]"),
        ((1.02, 0.979, 1.06), "1.02 [0.98, 1.06]"),
        ((0.5, 0.2, 1.2), "0.50 [0.20, 1.20]"),
        ((30.2, 27.9, 32.54), "30.2 [27.9, 32.5]"),
        ((1234.5, 999.4, 1500.1), "1,234 [999, 1,500]"),
        # Narrow: as many decimals as show that the limits differ.
        ((1.10004, 1.09996, 1.10012), "1.10004 [1.09996, 1.10012]"),
        ((7.0, 5.0, 9.0), "7 [5, 9]"),
        ((0.0, -0.001, 0.4), "0.000 [−0.001, 0.400]"),
        ((-0.0004, -0.4, 0.3), "0.000 [−0.400, 0.300]"),
        ((1.0, 1.0, math.inf), "1 [1, ∞]"),
        ((2e-5, 1e-5, 3e-5), "2.00e−05 [1.00e−05, 3.00e−05]"),
        ((0.25, 0.25, 0.25), "0.250 [0.250, 0.250]"),
    ],
)  # fmt: skip
def test_an_interval_has_the_same_decimals_throughout(numbers, text):
    assert formatting.interval(*numbers).replace("\u00a0", " ") == text


PLAIN = str.maketrans({"−": "-", ",": "", "[": "", "]": ""})


@pytest.mark.parametrize("value", [1.844881055031740, 2.5, 1.0, 640.3])
def test_rounding_of_sums_sets_no_decimals(value):
    noise = value * 2e-15
    text = formatting.interval(value, value - noise, value + noise)
    assert len(text.split()[0]) <= 5
    assert (
        len(set(text.replace("[", "").replace("]", "").replace(",", "").split())) == 1
    )
    share = formatting.percents(value / 1000, (value - noise) / 1000, value / 1000)
    column = formatting.table("", ("Share",), [(share,), (formatting.percent(0.5),)])
    assert len(column.rows[0][0].text) < 24


def test_numbers_round_to_what_is_printed():
    """Each of the three is the given number within half a unit of the last decimal, at all sizes."""
    rng = np.random.default_rng(7)
    for size in 10.0 ** rng.uniform(-3, 3, 300):
        value, half = size * rng.normal(), size * 10 ** rng.uniform(-3, 0)
        limits = (value, value - half, value + half)
        printed = formatting.interval(*limits).translate(PLAIN)
        texts = printed.split()
        decimals = {len(text.partition(".")[2]) for text in texts}
        assert len(decimals) == 1
        for text, number in zip(texts, limits, strict=True):
            assert (
                abs(float(text) - number) <= 0.5000001 * 10.0 ** -decimals.copy().pop()
            )


def test_spaces_that_hold_a_number_together_stay_and_others_go():
    gap = "\u00a0"
    interval = formatting.interval(1.19, 1.18, 1.2)
    assert formatting.clean(f"KL  {interval}\n nats") == f"KL {interval} nats"
    assert formatting.clean(f"−1{gap}[−2,{gap}−1]") == f"−1{gap}[−2,{gap}−1]"
    # A stranger's words without one place to break a line.
    assert formatting.clean(gap.join(["aa"] * 4) + gap * 9) == "aa aa aa aa"
    assert formatting.clean("a\u202f\u2003\u3000b") == "a b"
    (row,) = formatting.table("t", ["x"], [[interval]]).rows
    assert row[0].text == interval


def test_rows_have_the_mark_of_their_cell():
    verdict = formatting.Cell("agrees", mark="agrees")
    made = formatting.table("t", ["a", "b"], [["x", verdict], ["y", "z"]], kind="verdicts")  # fmt: skip
    assert (made.marks, made.kind) == (("agrees", ""), "verdicts")


def test_shares_of_a_column_have_equal_decimals():
    """As many as three digits of the largest need, and every interval to be seen."""
    percents, percent = formatting.percents, formatting.percent
    rows = [
        [percents(0.995, 0.985, 0.998), percent(0.0634)],
        [percents(0.00167, 0.00029, 0.00938), percent(0.00924)],
        [percents(0.0, 0.0, 0.00636), "–"],
        ["text", percent(0.05)],
    ]
    made = formatting.table("t", ["a", "b"], rows)
    texts = [[cell.text.replace("\u00a0", " ") for cell in row] for row in made.rows]
    assert texts == [
        ["99.5% [98.5, 99.8]", "6.34%"],
        ["0.2% [0.0, 0.9]", "0.92%"],
        ["0.0% [0.0, 0.6]", "–"],
        ["text", "5.00%"],
    ]
    # In a sentence each has the digits that it needs.
    assert percents(0.00167, 0.00029, 0.00938).startswith("0.167%")


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
