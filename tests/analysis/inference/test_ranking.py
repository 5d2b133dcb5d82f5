"""Superlatives are given where intervals are apart, and nowhere else."""

import doctest
import math

import numpy as np
import pytest

from twigma.analysis.inference import ranking
from twigma.analysis.inference.ranking import Extremes, Ranked, extremes, superlatives

NAN = math.nan


def at(name, value, half):
    return Ranked(name, value, value - half, value + half)


def test_doctests():
    assert doctest.testmod(ranking).failed == 0


def test_only_estimates_that_overlap_no_other_are_named():
    apart = [at("b", 2, 0.4), at("c", 3, 0.4), at("a", 1, 0.4)]
    assert extremes(apart) == Extremes("a", "c")
    touching = [at("a", 1, 0.5), at("b", 2, 0.5), at("c", 4, 0.5)]
    assert extremes(touching) == Extremes(None, "c")
    assert extremes([at("a", 1, 0.2), at("b", 2, 1), at("c", 2.5, 1)]).largest is None
    assert extremes([at("a", 1, 0.1)]) == Extremes(None, None)


def test_the_widest_interval_may_reach_over_the_second():
    """The first is compared with all others, not with the one that follows it."""
    wide = Ranked("wide", 5.0, 0.5, 9.5)
    estimates = [at("a", 1, 0.1), at("b", 2, 0.1), wide]
    assert extremes(estimates) == Extremes(None, None)


def test_without_an_interval_there_is_no_order():
    for unknown in (Ranked("b", 2, NAN, NAN), Ranked("b", 2, 1.9, NAN)):
        estimates = [at("a", 1, 0.1), unknown]
        assert extremes(estimates) == Extremes(None, None)
        said = superlatives(estimates, "nearest", "farthest")
        assert said == "without intervals, no order is given"


def test_an_infinite_limit_is_not_below_anything():
    infinite = Ranked("b", 2.0, 1.9, math.inf)
    assert extremes([at("a", 1, 0.1), infinite]) == Extremes("a", "b")
    assert extremes([infinite, at("c", 9, 0.1)]) == Extremes(None, None)


@pytest.mark.parametrize("sets", [2, 4, 8])
def test_of_equal_estimates_hardly_ever_one_is_named(sets):
    """Two independent intervals of one truth are apart in 0.6% of all cases; the larger and smaller of eight in few."""
    rng = np.random.default_rng(sets)
    named = 0
    for _ in range(1000):
        estimates = [at(str(i), rng.normal(), 1.96) for i in range(sets)]
        named += extremes(estimates) != Extremes(None, None)
    assert named <= 25
