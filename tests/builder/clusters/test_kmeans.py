"""Centroids against scikit-learn, planted groups, and one another over seeds and threads."""

from itertools import combinations

import faiss
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from support.staging import planted, units, vectors_of
from threadpoolctl import threadpool_limits

from twigma.builder.clusters import kmeans as stage


def inertia(rows, centroids):
    return (
        np.square(rows.astype(np.float64)[:, None] - centroids[None])
        .sum(axis=2)
        .min(axis=1)
        .sum()
    )


@pytest.mark.parametrize("sample", [100_000, 400])
def test_inertia_is_as_low_as_scikit_learns(sample, monkeypatch):
    monkeypatch.setattr(stage, "FIT_ROWS", sample)
    rows, _ = planted(np.random.default_rng(1), 1500, groups=12, spread=0.12)
    found = inertia(rows, stage.kmeans(vectors_of(rows), np.arange(1500), 10))
    reference = (
        KMeans(10, n_init=10, random_state=0).fit(rows.astype(np.float32)).inertia_
    )
    assert found <= reference * 1.01


def test_nearest_is_scikit_learns():
    rows, _ = planted(np.random.default_rng(2), 400)
    centroids = stage.kmeans(vectors_of(rows), np.arange(400), 4)
    labels, distances = stage.nearest(vectors_of(rows), np.arange(400), centroids)
    away = np.linalg.norm(rows.astype(np.float64)[:, None] - centroids[None], axis=2)
    np.testing.assert_array_equal(labels, away.argmin(axis=1))
    np.testing.assert_allclose(distances, away.min(axis=1), atol=1e-3)
    assert (np.diff(np.bincount(labels)) <= 0).all()


def test_seeds_agree_where_single_runs_do_not():
    """The planted truth of the specification: 60,000 rows of groups that overlap (their own labels: ARI .62)."""
    rng = np.random.default_rng(0)
    centres = units(rng, 10, 64).astype(np.float32)
    rows = centres[rng.choice(10, 60_000, p=rng.dirichlet(np.full(10, 3)))]
    rows += 0.4 * rng.standard_normal(rows.shape, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors, every = vectors_of(rows.astype(np.float16)), np.arange(60_000)
    ours = [
        stage.nearest(vectors, every, stage.kmeans(vectors, every, 10, seed=seed))[0]
        for seed in range(3)
    ]
    single = []
    for seed in range(2):
        fit = faiss.Kmeans(64, 10, seed=seed)
        fit.train(rows)
        single.append(fit.index.search(rows, 1)[1][:, 0])
    assert adjusted_rand_score(*single) < 0.8
    assert (
        min(adjusted_rand_score(one, other) for one, other in combinations(ours, 2))
        >= 0.95
    )


def test_the_threads_do_not_matter():
    rows, _ = planted(np.random.default_rng(3), 3000, groups=12, spread=0.15)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(stage.kmeans(vectors_of(rows), np.arange(3000), 10).tobytes())
    assert found[0] == found[1]


def test_fewer_distinct_rows_than_clusters():
    rows = np.repeat(units(np.random.default_rng(4), 3), 20, axis=0)
    centroids = stage.kmeans(vectors_of(rows), np.arange(60), 5)
    labels, distances = stage.nearest(vectors_of(rows), np.arange(60), centroids)
    assert (
        np.isfinite(centroids).all()
        and len(np.unique(labels)) == 3
        and distances.max() < 0.01
    )
