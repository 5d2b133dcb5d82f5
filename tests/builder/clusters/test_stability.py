"""Silhouette and stability against scikit-learn, and the limit from which a number of clusters is stable."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from twigma.builder.clusters import stability as stage


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_silhouette_is_that_of_scikit_learn(rng):
    x = rng.normal(size=(60, 3))
    labels = rng.integers(0, 4, 60)
    labels[0] = 9  # alone
    away = np.linalg.norm(x[:, None] - x[None], axis=2)
    expected = silhouette_score(x, labels)
    assert stage.silhouette(away, labels) == pytest.approx(expected, abs=1e-12)


def test_without_two_clusters_there_is_no_silhouette(rng):
    away = np.abs(np.subtract.outer(*[rng.normal(size=60)] * 2))
    assert np.isnan(stage.silhouette(away, np.zeros(60, np.int64)))
    assert np.isnan(stage.silhouette(away, np.arange(60)))
    assert stage.silhouette(np.zeros((4, 4)), np.array([0, 0, 1, 1])) == 0


def test_every_pair_of_fits_counts(rng):
    x = rng.normal(size=(40, 2))
    away = np.linalg.norm(x[:, None] - x[None], axis=2)
    fits = [rng.integers(0, 3, 40) for _ in range(4)]
    scores = stage.judge_fits(fits, away)
    pairs = [adjusted_rand_score(one, two) for one, two in combinations(fits, 2)]
    assert len(pairs) == 6
    assert scores.stability == pytest.approx(sum(pairs) / 6)
    assert scores.least_stability == min(pairs)
    mean = np.mean([silhouette_score(x, labels) for labels in fits])
    assert scores.silhouette == pytest.approx(mean)
    assert not scores.is_stable


@pytest.mark.parametrize(("stability", "stable"), [(0.95, True), (0.949, False)])
def test_the_limit_of_stability(stability, stable):
    assert stage.Stability(0.1, stability, 0.1).is_stable is stable
