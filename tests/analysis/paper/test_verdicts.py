"""The rule on planted claims of every verdict, and how often it errs when the paper's number is true."""

import math

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.paper.verdicts import (
    AGREES,
    DIFFERS,
    UNKNOWN,
    Claim,
    Measured,
    judge,
    verdicts,
)


def number(value, low=None, high=None, *, kind="number", **rest):
    return Claim("Fig 0", "a quantity", "", kind, ("key",), value, low, high, **rest)


PLANTED = {
    "inside our interval": (number(5.42), (5.0, 4.5, 5.5), AGREES),
    "outside, and no interval stated": (number(5.42), (5.0, 4.9, 5.1), DIFFERS),
    "outside but for rounding": (number(0.5, rounding=0.05), (0.56, 0.54, 0.58), AGREES),
    "outside even with rounding": (number(0.5, rounding=0.05), (0.60, 0.58, 0.62), DIFFERS),
    "two intervals that overlap": (number(30.1, 28.8, 31.5), (28.0, 26.0, 30.0), AGREES),
    "two intervals apart": (number(30.1, 28.8, 31.5), (24.0, 22.0, 26.0), DIFFERS),
    "apart by the paper's narrow interval alone": (
        number(1.19, 1.18, 1.19, kind="ratio", se=0.065), (1.10, 1.06, 1.14), UNKNOWN,
    ),
    "apart by more than even its figures imply": (
        number(1.19, 1.18, 1.19, kind="ratio", se=0.02), (0.8, 0.76, 0.84), DIFFERS,
    ),
    "no interval stated, but one implied": (number(0.992, kind="ratio", se=0.065), (1.08, 1.02, 1.14), UNKNOWN),
    "ours without an interval": (number(5.42), (5.42, math.nan, math.nan), UNKNOWN),
    "a count that is the same": (number(27, kind="count"), (27, math.nan, math.nan), AGREES),
    "another count": (number(27, kind="count"), (26, math.nan, math.nan), DIFFERS),
    "grows as stated": (Claim("", "", "", "positive"), (0.1, 0.05, 0.15), AGREES),
    "shrinks, not as stated": (Claim("", "", "", "positive"), (-0.1, -0.15, -0.05), DIFFERS),
    "falls as stated": (Claim("", "", "", "negative"), (-0.1, -0.15, -0.05), AGREES),
    "no sign to tell": (Claim("", "", "", "negative"), (-0.1, -0.25, 0.05), UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED)
def test_planted_claims_of_every_verdict(case):
    claim, (value, low, high), expected = PLANTED[case]
    verdict, reason = judge(claim, Measured(value, low, high, 100))
    assert (verdict, bool(reason)) == (expected, True)


def test_a_true_number_is_called_different_as_rarely_as_its_level(rng):
    """Both estimate one number with normal errors, in thousands of draws: 5% are called different, on either scale."""
    called = {"number": [], "ratio": []}
    for theirs, ours in 0.2 + rng.normal(size=(4000, 2)) * [0.05, 0.03]:
        half = 1.96 * np.array([0.05, 0.03])
        for kind, scale in (("number", float), ("ratio", math.exp)):
            claim = number(
                scale(theirs),
                scale(theirs - half[0]),
                scale(theirs + half[0]),
                kind=kind,
            )
            measured = Measured(
                scale(ours), scale(ours - half[1]), scale(ours + half[1]), 1
            )
            called[kind].append(judge(claim, measured)[0] == DIFFERS)
    assert (
        np.mean(called["number"])
        == np.mean(called["ratio"])
        == pytest.approx(0.05, abs=0.012)
    )


def test_a_wider_interval_by_author_makes_the_papers_too_narrow_to_say():
    entry = {"value": 20.0, "low": 19.5, "high": 20.5, "n": 900}
    claim = number(23.0, 22.0, 24.0)
    by_image = verdicts([claim], {"key": entry}, {})
    assert by_image["verdict"].tolist() == [DIFFERS]
    row = verdicts(
        [claim], {"key": entry | {"robust_low": 18.5, "robust_high": 21.5}}, {}
    ).iloc[0]
    assert (row["verdict"], row["low"], row["high"], row["n"]) == (
        UNKNOWN,
        18.5,
        21.5,
        900,
    )
    assert "3 times as wide" in row["reason"]


def test_a_test_decides_by_its_adjusted_p_value():
    entries = {
        "a": {"value": -0.4, "p_adjusted": 0.01},
        "b": {"value": -0.4, "p_adjusted": 0.2},
    }
    claims = [
        Claim("", key, "", kind, (key,))
        for key in "ab"
        for kind in ("negative", "positive")
    ]
    assert verdicts(claims, entries, {})["verdict"].tolist() == [
        AGREES,
        DIFFERS,
        UNKNOWN,
        UNKNOWN,
    ]


def test_a_difference_of_two_has_the_interval_of_independent_estimates():
    values = {
        "x": {"value": 5.0, "low": 4.7, "high": 5.3, "n": 9},
        "y": {"value": 4.0, "low": 3.6, "high": 4.4, "n": 7},
    }
    row = verdicts([Claim("", "", "above 0", "positive", ("x", "y"))], values, {}).iloc[
        0
    ]
    assert (row["ours"], row["low"], row["high"], row["n"]) == pytest.approx(
        (1.0, 0.5, 1.5, 7)
    )
    assert row["verdict"] == AGREES


def test_what_is_missing_is_the_reason():
    claims = [
        Claim("Fig 2c", "a", "5.42", "number", ("gone",), 5.42, result="fig2c"),
        Claim("Fig 2c", "b", "5.42", "number", ("gone",), 5.42, result="fig9"),
        Claim("2.1", "c", "19", "unstated", value=19, why="counted elsewhere"),
    ]
    table = verdicts(
        claims, {"gone": {"value": None}}, {"fig2c": "no a reference set: make one"}
    )
    assert table["verdict"].tolist() == [UNKNOWN] * 3
    assert table["reason"].tolist() == [
        "no a reference set: make one", "the figure does not give this number here", "counted elsewhere",
    ]  # fmt: skip
    assert table["ours"].isna().all() and table["paper"].tolist() == [5.42, 5.42, 19]
    assert isinstance(table, pd.DataFrame) and table.columns[0] == "figure"
