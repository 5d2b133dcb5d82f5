"""Wilson's interval is statsmodels', and weighted shares give back the population a sample stands for."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from twigma.analysis.inference.proportions import effective_size, weighted_share, wilson


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
