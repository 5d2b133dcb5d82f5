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
from twigma.builder.clusters.lloyd import sums_of


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


def test_many_clusters_are_as_good_as_full_runs_of_faiss():
    rows, _ = planted(np.random.default_rng(5), 8000, groups=60, spread=0.15)
    vectors, every = vectors_of(rows), np.arange(len(rows))
    centroids = stage.kmeans(vectors, every, 150)
    reference = faiss.Kmeans(rows.shape[1], 150, max_points_per_centroid=len(rows))
    reference.train(rows.astype(np.float32))
    _, distances = stage.nearest(vectors, every, centroids)
    found = np.square(distances.astype(np.float64)).sum()
    assert found <= 1.005 * reference.obj[-1]


def test_sums_of_members_are_those_of_a_loop():
    rows = units(np.random.default_rng(6), 50).astype(np.float16).astype(np.float32)
    centroids = np.concatenate([rows[:6], rows[:7] + 9])
    away = np.square(rows[:, None] - centroids).sum(axis=2)
    labels = away.argmin(axis=1)
    assert set(labels) <= set(range(6))  # the others have no members
    found = sums_of(rows, centroids).sums
    for label in range(13):
        expected = rows[labels == label].sum(axis=0)
        np.testing.assert_allclose(found[label], expected, atol=1e-5)


@pytest.mark.parametrize("k", [10, 150])
def test_the_threads_do_not_matter(k):
    rows, _ = planted(np.random.default_rng(3), 3000, groups=12, spread=0.15)
    found = set()
    for threads in (1, 2, 8):
        with threadpool_limits(threads):
            found.add(stage.kmeans(vectors_of(rows), np.arange(3000), k).tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("k", [5, 150])
def test_fewer_distinct_rows_than_clusters(k):
    rows = np.repeat(units(np.random.default_rng(4), 3), 60, axis=0)
    centroids = stage.kmeans(vectors_of(rows), np.arange(180), k)
    labels, distances = stage.nearest(vectors_of(rows), np.arange(180), centroids)
    assert (
        np.isfinite(centroids).all()
        and len(np.unique(labels)) == 3
        and distances.max() < 0.01
    )
