"""Centroids against scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from staging import planted, vectors_of

from twigma.builder import kmeans as stage


def inertia(rows, centroids):
    return np.square(rows.astype(np.float64)[:, None] - centroids[None]).sum(axis=2).min(axis=1).sum()


@pytest.mark.parametrize("sample", [100_000, 400])
def test_inertia_is_as_low_as_scikit_learns(sample, monkeypatch):
    monkeypatch.setattr(stage, "FIT_ROWS", sample)
    rows, _ = planted(np.random.default_rng(1), 1500, groups=12, spread=0.12)
    found = inertia(rows, stage.kmeans(vectors_of(rows), np.arange(1500), 10))
    reference = KMeans(10, n_init=10, random_state=0).fit(rows.astype(np.float32)).inertia_
    assert found <= reference * 1.01


def test_nearest_is_scikit_learns():
    rows, _ = planted(np.random.default_rng(2), 400)
    centroids = stage.kmeans(vectors_of(rows), np.arange(400), 4)
    labels, distances = stage.nearest(vectors_of(rows), np.arange(400), centroids)
    away = np.linalg.norm(rows.astype(np.float64)[:, None] - centroids[None], axis=2)
    np.testing.assert_array_equal(labels, away.argmin(axis=1))
    np.testing.assert_allclose(distances, away.min(axis=1), atol=1e-3)
    assert (np.diff(np.bincount(labels)) <= 0).all()
