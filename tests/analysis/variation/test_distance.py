"""Mean distances against scipy's pdist, closed forms."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist, pdist
from scipy.special import gammaln

from twigma.analysis.inference.intervals import Estimate, interval
from twigma.analysis.variation import distance
from twigma.analysis.variation.distance import (
    mean_pairwise_distance,
    mean_squared_distance,
)
from twigma.analysis.variation.groups import grouped_distance, same_different_ratio


def unit(rng, n, d=32):
    x = rng.normal(size=(n, d)) + 0.5
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [3, 500, 2500])
def test_equals_pdist(n):
    x = unit(np.random.default_rng(n), n)
    found = mean_pairwise_distance(x)
    assert abs(found.value - pdist(x).mean()) < 1e-12
    rows = cdist(x, x).sum(1) / (n - 1)
    assert abs(
        (found.high - found.low) / 2 - 1.96 * 2 * rows.std() / np.sqrt(n)
    ) < 1e-4 * (found.high - found.low)
    assert found.n == n


def test_float16_rows():
    x = unit(np.random.default_rng(1), 300).astype(np.float16)
    assert abs(mean_pairwise_distance(x).value - pdist(x.astype(float)).mean()) < 1e-9


def test_gaussian_closed_form():
    """E‖x − y‖ = 2 Γ((d+1)/2)/Γ(d/2) for standard normals."""
    x = np.random.default_rng(2).normal(size=(3000, 768))
    truth = 2 * np.exp(gammaln(769 / 2) - gammaln(768 / 2))
    assert abs(mean_pairwise_distance(x).value / truth - 1) < 1e-3
    assert abs(mean_pairwise_distance(x, exact=False, seed=1).value / truth - 1) < 1e-3


def test_squared_distance_identities():
    x = unit(np.random.default_rng(3), 1500)
    n, centre = len(x), x.mean(0)
    assert abs(mean_squared_distance(x) - (pdist(x) ** 2).mean()) < 1e-12
    assert (
        abs(mean_squared_distance(x) - 2 * (1 - (n * centre @ centre - 1) / (n - 1)))
        < 1e-12
    )


def test_sampled_pairs_agree_with_all(monkeypatch):
    monkeypatch.setattr(distance, "PAIRS", 100_000)
    x = unit(np.random.default_rng(4), 3000)
    exact, sampled = (
        mean_pairwise_distance(x),
        mean_pairwise_distance(x, exact=False, seed=5),
    )
    half = (sampled.high - sampled.low) / 2
    assert abs(sampled.value - exact.value) < half < 2 * (exact.high - exact.low)
    assert sampled == mean_pairwise_distance(x, exact=False, seed=5)
    monkeypatch.setattr(distance, "EXACT", 1000)
    assert mean_pairwise_distance(x, seed=5) == sampled


@pytest.mark.parametrize("exact", [True, False])
def test_interval_covers(exact, monkeypatch):
    monkeypatch.setattr(distance, "PAIRS", 4000)
    rng = np.random.default_rng(6)
    truth = 2 * np.exp(gammaln(3 / 2) - gammaln(1))
    hits = 0
    for seed in range(400):
        found = mean_pairwise_distance(
            rng.normal(size=(200, 2)), exact=exact, seed=seed
        )
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_blocks_widen_the_interval_of_dependent_rows():
    rng = np.random.default_rng(7)
    artist = np.repeat(np.arange(50), 20)
    x = rng.normal(size=(50, 8))[artist] + 0.3 * rng.normal(size=(1000, 8))
    rows, blocked = mean_pairwise_distance(x), mean_pairwise_distance(x, groups=artist)
    assert blocked.value == rows.value and blocked.high - blocked.low > 2 * (
        rows.high - rows.low
    )
    influence = rng.normal(size=6)
    alone = interval(1.0, influence, np.arange(6))
    student = stats.t.interval(0.95, 5, 1.0, stats.sem(influence))
    assert (alone.low, alone.high) == pytest.approx(student, abs=1e-12)
    named, coded = ["a", None, "a", "b", None, "c"], np.array([0, 1, 0, 2, 3, 4])
    assert astuple(interval(1.0, influence, named)) == pytest.approx(
        astuple(interval(1.0, influence, coded)), abs=1e-12
    )
    with pytest.raises(ValueError, match="one block"):
        interval(1.0, influence, np.zeros(6))


def test_degenerate_inputs():
    x = np.random.default_rng(11).normal(size=(10, 3))
    with pytest.raises(ValueError, match="at least 2 rows"):
        mean_pairwise_distance(x[:1])
    pair = mean_pairwise_distance(x[:2])
    assert (
        pair.value == pytest.approx(np.linalg.norm(x[0] - x[1]))
        and np.isnan([pair.low, pair.high]).all()
    )
    with pytest.raises(ValueError, match="at least 3"):
        mean_pairwise_distance(x[:2], exact=False)
    with pytest.raises(ValueError, match="NaN or infinity"):
        mean_squared_distance(np.where(x > 1, np.nan, x))
    for labels in (np.zeros(10), np.arange(10), [None] * 10):
        with pytest.raises(ValueError, match="at least two groups"):
            grouped_distance(x, labels)
    with pytest.raises(ValueError, match="a label for each of 10 rows"):
        same_different_ratio(x, np.zeros(9))
    with pytest.raises(ValueError, match="all rows are equal"):
        same_different_ratio(np.ones((10, 3)), np.arange(10) // 5)
    assert mean_pairwise_distance(np.ones((10, 3))) == Estimate(0, 0, 0, 10)
