"""Wilson's interval is statsmodels', and weighted shares give back the population a sample stands for."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from twigma.analysis.inference.proportions import (
    block_share,
    effective_size,
    weighted_share,
    wilson,
)


def test_wilson_is_statsmodels(rng):
    n = rng.integers(1, 500, 300)
    hits = rng.binomial(n, rng.random(300))
    hits[:4], n[:4] = [0, 5, 18, 1], [5, 5, 20, 1]
    low, high = wilson(hits, n)
    expected = proportion_confint(hits, n, method="wilson")
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)
    assert [float(x) for x in wilson(0, 0)] == [0, 1]


def test_equal_weights_change_nothing(rng):
    inside = rng.random(200) < 0.3
    plain = weighted_share(inside)
    assert plain == pytest.approx(
        (inside.mean(), *proportion_confint(inside.sum(), 200, method="wilson"))
    )
    assert weighted_share(inside, np.full(200, 7.0)) == pytest.approx(plain)
    assert effective_size(np.full(200, 7.0)) == pytest.approx(200)
    assert weighted_share([True] * 3)[::2] == (1, 1) and weighted_share([False] * 3)[
        :2
    ] == (0, 0)
    assert np.isnan(weighted_share([])[0]) and weighted_share([])[1:] == (0, 1)


def test_a_sample_with_unequal_chances_covers_the_share_of_the_population(rng):
    stratum = rng.choice(3, 30_000, p=[0.7, 0.25, 0.05])
    inside = rng.random(30_000) < np.array([0.1, 0.3, 0.8])[stratum]
    covered, plain = [], []
    for _ in range(200):
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(stratum == s), 150, replace=False)
                for s in range(3)
            ]
        )
        weights = np.bincount(stratum)[stratum[rows]] / 150
        share, low, high = weighted_share(inside[rows], weights)
        assert share == pytest.approx(
            np.repeat(inside[rows], np.bincount(stratum)[stratum[rows]]).mean()
        )
        covered.append(low <= inside.mean() <= high)
        plain.append(abs(inside[rows].mean() - inside.mean()) < (high - low) / 2)
    assert np.mean(covered) >= 0.93 and np.mean(plain) < 0.05


def test_a_share_by_owner_is_wilsons_of_as_many_rows_as_they_are_worth():
    """Owners whose images are all alike are worth one image each."""
    hits = np.repeat([True] * 15 + [False] * 45, 10)
    owner = np.repeat(np.arange(60), 10)
    found = block_share(hits, owner)
    assert (found.share, found.blocks, found.known) == (0.25, pytest.approx(60), True)
    se = stats.sem(hits[::10])
    worth = 0.25 * 0.75 / se**2
    low, high = wilson(0.25 * worth, worth, stats.t.ppf(0.975, 59))
    assert [found.low, found.high] == pytest.approx([float(low), float(high)])
    alone = block_share(hits, None)
    assert alone[:3] == weighted_share(hits) and not alone.known
    assert found.high - found.low > 3 * (alone.high - alone.low)


def test_a_share_of_none_or_all_is_worth_its_owners():
    owner = np.repeat(np.arange(20), 5)
    found = block_share(np.zeros(100, bool), owner)
    low, high = wilson(0, 20, stats.t.ppf(0.975, 19))
    assert [found.low, found.high] == pytest.approx([float(low), float(high)])
    single = block_share([True, False], ["a", "a"])
    assert single.share == 0.5 and np.isnan(single.low) and np.isnan(single.high)
    assert block_share([], ["a"][:0])[1:3] == (0, 1)


def test_unlike_owners_of_independent_images_cost_nothing(rng):
    hits = rng.random(3000) < 0.3
    owner = rng.integers(600, size=3000)
    found, alone = block_share(hits, owner), block_share(hits, None)
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.15)
