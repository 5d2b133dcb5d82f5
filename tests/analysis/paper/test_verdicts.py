"""The rule: a table of every kind with its edge cases, how often it errs, and that wide intervals never agree."""

import math
from itertools import product
from typing import get_args

import numpy as np
import pytest

from twigma.analysis.paper.claim import Claim, Kind, Measured
from twigma.analysis.paper.verdicts import (
    AGREES,
    DIFFERS,
    RULES,
    UNKNOWN,
    judge,
)

NAN, INF = math.nan, math.inf


def claim(kind, value=NAN, low=None, high=None, **rest):
    return Claim("Fig 0", "a quantity", "A sentence.", "", kind, ("key",), value, low, high, **rest)  # fmt: skip


def ours(value, low=NAN, high=NAN, **rest):
    return Measured(value, low, high, 100, **rest)


MEAN = claim("amount", 30.1, 28.8, 31.5, rounding=0.05)
RATIO = claim("ratio", 1.10, 1.09, 1.10, rounding=0.005, se=0.047)
TAU = claim("correlation", -0.1, -0.18, -0.02, rounding=0.05)
RISES, FALLS = claim("positive"), claim("negative")
P = claim("p_value", 0.0001, null=1.0)
TABLE = {
    # amounts
    "a mean inside the bounds": (MEAN, [ours(30.2, 27.9, 32.5)], AGREES),
    "300 [-200, 800] says nothing of 30.1": (MEAN, [ours(300, -200, 800)], UNKNOWN),
    "it holds the number and much else": (MEAN, [ours(30.1, 10, 50)], UNKNOWN),
    "it just reaches beyond": (MEAN, [ours(30.2, 27.9, 33.3)], UNKNOWN),
    "apart": (MEAN, [ours(24.0, 22.0, 26.0)], DIFFERS),
    "apart, but the paper's is too narrow": (MEAN, [ours(26.8, 24.6, 29, wider=4)], UNKNOWN),
    "no interval of the paper": (claim("amount", 0.5, rounding=0.05), [ours(0.495, 0.481, 0.509)], AGREES),
    "outside but for rounding": (claim("amount", 0.5, rounding=0.05), [ours(0.56, 0.54, 0.58)], AGREES),
    "outside even with rounding": (claim("amount", 0.5, rounding=0.05), [ours(0.70, 0.66, 0.74)], DIFFERS),
    "a mean without an interval": (MEAN, [ours(30.1)], UNKNOWN),
    "a mean that is not a number": (MEAN, [ours(NAN)], UNKNOWN),
    "an infinite mean": (MEAN, [ours(INF, 1, INF)], UNKNOWN),
    "one limit, on the paper's side": (MEAN, [ours(20, NAN, 22)], DIFFERS),
    "one limit, on the other side": (MEAN, [ours(20, 18, NAN)], UNKNOWN),
    "one limit, and the same number": (MEAN, [ours(30.1, 29, NAN)], UNKNOWN),
    "one limit is infinite": (MEAN, [ours(30.1, 29, INF)], UNKNOWN),
    # ratios
    "a ratio inside the bounds": (RATIO, [ours(1.09, 1.03, 1.15)], AGREES),
    "0.5 [.2, 1.2] says nothing of 1.10": (RATIO, [ours(0.5, 0.2, 1.2)], UNKNOWN),
    "it holds no effect and the paper's": (RATIO, [ours(1.1, 0.95, 1.25)], UNKNOWN),
    "the other way": (RATIO, [ours(0.6, 0.55, 0.65)], DIFFERS),
    "apart by the paper's naive interval alone": (RATIO, [ours(1.0, 0.97, 1.03)], UNKNOWN),
    "a limit of 0 has no logarithm": (RATIO, [ours(1.1, 0.0, 1.2)], UNKNOWN),
    "a limit below 0 has none either": (RATIO, [ours(3.0, -1.0, 9.0)], UNKNOWN),
    # correlations
    "a weak correlation": (TAU, [ours(-0.1, -0.15, -0.05)], AGREES),
    "+.05 [-.3, .4] says nothing of -.1": (TAU, [ours(0.05, -0.3, 0.4)], UNKNOWN),
    "it holds no correlation": (TAU, [ours(-0.1, -0.21, 0.01)], UNKNOWN),
    "a strong one": (TAU, [ours(-0.5, -0.6, -0.4)], DIFFERS),
    "of the other sign": (TAU, [ours(0.3, 0.2, 0.4)], DIFFERS),
    # counts
    "the same count": (claim("count", 27), [ours(27)], AGREES),
    "another count": (claim("count", 27), [ours(26)], DIFFERS),
    "a count as rounded": (claim("count", 2_200_000, rounding=50_000), [ours(2_240_001)], AGREES),
    "not as rounded": (claim("count", 2_200_000, rounding=50_000), [ours(2_250_001)], DIFFERS),
    "a count that is not a number": (claim("count", 27), [ours(NAN)], UNKNOWN),
    # directions
    "grows": (RISES, [ours(0.1, 0.05, 0.15)], AGREES),
    "shrinks": (RISES, [ours(-0.1, -0.15, -0.05)], DIFFERS),
    "falls as stated": (FALLS, [ours(-0.1, -0.15, -0.05)], AGREES),
    "both directions": (FALLS, [ours(-0.1, -0.25, 0.05)], UNKNOWN),
    "a limit at no effect": (RISES, [ours(0.1, 0.0, 0.2)], UNKNOWN),
    "no interval and no test": (RISES, [ours(0.1)], UNKNOWN),
    "one-sided, above": (RISES, [ours(0.1, 0.02, NAN)], AGREES),
    "one-sided, of no use": (RISES, [ours(0.1, NAN, 0.2)], UNKNOWN),
    "a test": (RISES, [ours(0.4, p=0.01)], AGREES),
    "a test the other way": (FALLS, [ours(0.4, p=0.01)], DIFFERS),
    "a test that finds nothing": (FALLS, [ours(-0.4, p=0.2)], UNKNOWN),
    "the test decides, not the interval of one": (FALLS, [ours(-0.4, -0.7, -0.1, p=0.2)], UNKNOWN),
    "a test without an answer": (FALLS, [ours(-0.4, p=NAN)], UNKNOWN),
    "above one half": (claim("positive", null=0.5), [ours(0.7, 0.6, 0.8)], AGREES),
    "not above one half": (claim("positive", null=0.5), [ours(0.7, 0.45, 0.9)], UNKNOWN),
    "more than all others": (claim("majority"), [ours(0.3, 0.2, 0.4)], AGREES),
    "less than all others": (claim("majority"), [ours(-0.3, -0.4, -0.2)], DIFFERS),
    "not told from all others": (claim("majority"), [ours(0.3, -0.1, 0.7)], UNKNOWN),
    # several
    "the highest": (claim("highest"), [ours(1, 0.5, 1.5), ours(2, 1, 3)], AGREES),
    "one is as high": (claim("highest"), [ours(1, 0.5, 1.5), ours(0.1, -1, 1.2)], UNKNOWN),
    "one is higher": (claim("highest"), [ours(1, 0.5, 1.5), ours(-2, -3, -1)], DIFFERS),
    "the lowest": (claim("lowest"), [ours(-1, -1.5, -0.5), ours(-2, -3, -1)], AGREES),
    "one is lower": (claim("lowest"), [ours(1, 0.2, 1.8), ours(-2, -3, -1)], DIFFERS),
    "of two, one just lower": (claim("lowest"), [ours(1, 0.01, 1.99), ours(-2, -3, -1)], UNKNOWN),
    "an order without intervals": (claim("highest"), [ours(1), ours(2)], UNKNOWN),
    "alike": (claim("alike"), [ours(0.01, -0.03, 0.05, size=1.0)], AGREES),
    "perhaps alike": (claim("alike"), [ours(0.01, -0.12, 0.14, size=1.0)], UNKNOWN),
    "apart by more than a tenth": (claim("alike"), [ours(0.3, 0.2, 0.4, size=1.0)], DIFFERS),
    "apart, but by less than a tenth": (claim("alike"), [ours(0.05, 0.02, 0.08, size=1.0)], AGREES),
    "alike but one": (
        claim("alike"), [ours(0, -0.01, 0.01, size=1.0), ours(0.3, 0.2, 0.4, size=1.0)], DIFFERS,
    ),
    "alike without an interval": (claim("alike"), [ours(0.0, size=1.0)], UNKNOWN),
    "alike to what is not known": (claim("alike"), [ours(0.01, -0.03, 0.05)], UNKNOWN),
    # p-values
    "as sure as the paper": (P, [ours(1.2, 1.1, 1.3, p=1e-6)], AGREES),
    "less sure": (P, [ours(1.1, 1.0, 1.2, p=0.03)], UNKNOWN),
    "sure of the other": (P, [ours(0.8, 0.7, 0.9, p=0.001)], DIFFERS),
    "not sure of the other": (P, [ours(0.8, 0.6, 1.1, p=0.2)], UNKNOWN),
    "no more draws to be sure": (P, [ours(1.2, 1.1, 1.3, p=0.001, p_floor=0.001)], UNKNOWN),
    "no p-value": (P, [ours(1.2, 1.1, 1.3)], UNKNOWN),
    # nothing of the data
    "made by the method": (RISES, [ours(5.0, 4.0, 6.0, artefact="infinite without smoothing")], UNKNOWN),
    "no data can say": (claim("none", 5.42, why="depends on n"), [ours(5.42, 5.4, 5.44)], UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_the_table_of_cases(case):
    stated, numbers, expected = TABLE[case]
    verdict, reason = judge(stated, *numbers)
    assert (verdict, bool(reason)) == (expected, True)
    assert "nan" not in reason


def test_every_kind_is_in_the_table_with_every_verdict_it_has():
    kinds = set(get_args(Kind))
    assert set(RULES) == kinds - {"none"}
    seen = {(stated.kind, expected) for stated, _, expected in TABLE.values()}
    assert seen >= set(product(kinds - {"none"}, (AGREES, DIFFERS, UNKNOWN)))


def test_the_reason_is_the_one_that_holds():
    reasons = {
        "300 [-200, 800] says nothing of 30.1": "too wide to confirm",
        "apart, but the paper's is too narrow": "4 times as wide",
        "made by the method": "infinite without smoothing",
        "no data can say": "depends on n",
        "no more draws to be sure": "0.001 is the smallest p",
        "less sure": "falls with the number of images",
        "a mean without an interval": "no interval",
    }
    for case, words in reasons.items():
        stated, numbers, _ = TABLE[case]
        assert words in judge(stated, *numbers)[1]


def test_no_interval_agrees_with_both_quintiles_of_the_paper():
    """The bounds of the means of quintiles 1 and 5 are apart, so agreement tells them from one another."""
    photographs = ((30.1, 28.8, 31.5), (23.8, 21.9, 25.7))
    paintings = ((31.9, 29.7, 34.1), (24.1, 21.5, 26.7))
    for least, most in (photographs, paintings):
        for middle in np.linspace(20, 36, 161):
            number = ours(middle, middle - 0.01, middle + 0.01)
            agreed = [
                judge(claim("amount", *one, rounding=0.05), number)[0] == AGREES
                for one in (least, most)
            ]
            assert sum(agreed) <= 1


@pytest.mark.parametrize("stated", [MEAN, RATIO, TAU], ids=lambda one: one.kind)
def test_a_wider_interval_never_comes_to_agree(stated):
    """From no width on, the verdict on the paper's own number turns once from agrees to not identifiable, for good."""
    verdicts = []
    for half in np.geomspace(1e-4, 1e3, 60):
        limits = (stated.value - half, stated.value + half)
        verdicts.append(judge(stated, ours(stated.value, *limits))[0])
    turn = verdicts.index(UNKNOWN)
    assert set(verdicts[:turn]) == {AGREES} and set(verdicts[turn:]) == {UNKNOWN}


def test_a_true_number_is_called_different_as_rarely_as_its_level(rng):
    """Both estimate one number with normal errors, in thousands of draws: 5% are called different, on either scale."""
    called = {"amount": [], "ratio": []}
    for theirs, mine in 0.2 + rng.normal(size=(4000, 2)) * [0.05, 0.03]:
        half = 1.96 * np.array([0.05, 0.03])
        for kind, scale in (("amount", float), ("ratio", math.exp)):
            limits = (scale(theirs - half[0]), scale(theirs + half[0]))
            stated = claim(kind, scale(theirs), *limits)
            number = ours(scale(mine), scale(mine - half[1]), scale(mine + half[1]))
            called[kind].append(judge(stated, number)[0] == DIFFERS)
    # Within a tenth they agree, however sure the difference is.
    assert np.mean(called["ratio"]) <= 0.05 + 0.012
    assert np.mean(called["amount"]) == pytest.approx(0.05, abs=0.012)


def test_one_of_many_equal_numbers_is_rarely_called_beyond_the_first(rng):
    """Five equal numbers: one is called higher than the first in at most 5% of draws, thanks to the divided level."""
    called = []
    for draw in rng.normal(size=(1500, 6)):
        half = 1.96 * math.sqrt(2)
        differences = [draw[0] - other for other in draw[1:]]
        numbers = [ours(one, one - half, one + half) for one in differences]
        called.append(judge(claim("highest"), *numbers)[0] == DIFFERS)
    # Two and a half standard errors of 1,500 draws above the level.
    assert 0.01 < np.mean(called) <= 0.05 + 0.014
