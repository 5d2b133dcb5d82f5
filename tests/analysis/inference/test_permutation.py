"""Divisions of blocks against all that there are, and p beyond the draws against tails known in closed form."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.inference.permutation import (
    ENOUGH,
    SMALLEST,
    random_divisions,
    tail_p,
)


def test_blocks_of_one_size_are_divided_into_every_half_alike(rng):
    first = random_divisions([10, 10, 10, 10], 20, 6000, rng)
    assert (first.sum(axis=1) == 2).all()
    halves = Counter(tuple(row) for row in first.tolist())
    assert len(halves) == 6
    assert stats.chisquare(list(halves.values())).pvalue > 0.001


def test_a_division_has_as_many_rows_as_blocks_allow(rng):
    sizes = np.array([50, 20, 10, 10, 5, 3, 1, 1] + [1] * 60)
    rows = random_divisions(sizes, 80, 500, rng) @ sizes
    # The block at the border is taken or left, whichever is nearer.
    assert np.abs(rows - 80).max() <= 25 and np.median(np.abs(rows - 80)) <= 3
    lopsided = random_divisions([1000, 1], 500, 20, rng)
    assert (lopsided.sum(axis=1) == 1).all()
    with pytest.raises(ValueError, match="at least 2 blocks, found 1"):
        random_divisions([5], 2, 1, rng)


def test_divisions_of_unlike_blocks_vary_as_the_sets_do(rng):
    """A mean of 40 tens against one of 400 ones: the variance of their difference is kept, though blocks differ."""
    sizes = np.array([10] * 40 + [1] * 400)
    sums = sizes * rng.normal(size=(1, 440))
    first = random_divisions(sizes, 400, 4000, rng).astype(float)
    difference = first @ sums[0] / (first @ sizes)
    difference -= (1 - first) @ sums[0] / ((1 - first) @ sizes)
    expected = 1 / 40 + 1 / 400
    # Of one draw of the values, hence ±: their own variance is not exactly 1.
    actual = (sums[0, :40] ** 2).sum() / 400**2 + (sums[0, 40:] ** 2).sum() / 400**2
    assert difference.var() == pytest.approx(actual, rel=0.1)
    assert actual == pytest.approx(expected, rel=0.5)


def test_a_common_value_has_its_share_of_the_draws():
    null = np.arange(100.0)
    assert tail_p(60.0, null) == pytest.approx(41 / 101)
    assert tail_p(100 - ENOUGH, null) == pytest.approx((ENOUGH + 1) / 101)
    assert tail_p(2.0, np.full(99, 2.0)) == 1
    assert tail_p(3.0, np.full(99, 2.0)) == pytest.approx(0.01)


@pytest.mark.parametrize("p", [1e-3, 1e-4, 1e-6])
def test_the_tail_of_sums_of_squares_is_that_of_the_law(p):
    """Weighted sums of squared normals, as KL and MMD² are without a difference; many draws give the truth."""
    rng = np.random.default_rng(11)
    law = stats.chi2(9)
    found = []
    for _ in range(15):
        found.append(tail_p(law.isf(p), law.rvs(999, random_state=rng)))
    # Rather too large, and never far too small, which would find differences that are none.
    assert np.log10(p) - 0.3 < np.median(np.log10(found)) < np.log10(p) + 1
    assert min(found) > p / 20


def test_p_has_no_floor_and_falls_with_the_value(rng):
    null = rng.chisquare(5, size=499)
    p = [tail_p(value, null) for value in (20, 30, 60, 120)]
    assert np.all(np.diff(p) < 0) and p[-1] < 1e-8
    assert tail_p(1e9, null) == SMALLEST


def test_p_of_the_null_is_uniform(rng):
    p = []
    for _ in range(600):
        draws = rng.chisquare(4, size=300)
        p.append(tail_p(draws[0], draws[1:]))
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) <= 0.01) <= 0.025
