"""The k-means codebook against scikit-learn, and equal samples of sets."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from twigma.analysis.vectors.codebook import (
    assign,
    codebook,
    principal,
    training_rows,
)
from twigma.analysis.vectors.samples import size_matched


def mixture(rng, n=6000, d=16, k=10, spread=1.6):
    centres = rng.normal(size=(k, d)) * spread
    return centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))


def inertia(x, centroids):
    return float(((x - centroids[assign(x, centroids)]) ** 2).sum())


def test_robust_recipe_is_as_good_as_sklearn_and_stable():
    x = mixture(np.random.default_rng(1))
    peer = KMeans(10, n_init=10, random_state=0).fit(x).inertia_
    found = [codebook(x, 10, "robust", seed) for seed in (0, 1)]
    assert all(inertia(x, c) <= peer * 1.002 for c in found)
    assert adjusted_rand_score(assign(x, found[0]), assign(x, found[1])) >= 0.95
    assert np.array_equal(found[0], codebook(x, 10, "robust", 0))


@pytest.fixture
def world(rng):
    """Twelve overlapping groups in a decaying spectrum, wider than the directions that are looked at."""
    scale = 1 / np.arange(1, 201) ** 0.5
    centres = rng.normal(size=(12, 200)) * scale
    group = rng.integers(0, 12, 4000)
    noise = 0.35 * rng.normal(size=(4000, 200)) * scale
    return (centres[group] + noise).astype(np.float32), group


def test_starts_among_few_directions_are_as_good_as_full_runs(world):
    x, group = world
    found = codebook(x, 12, directions=principal(x))
    reference = KMeans(12, n_init=10, random_state=0).fit(x)
    assert inertia(x, found) <= 1.002 * reference.inertia_
    assert adjusted_rand_score(assign(x, found), group) > 0.95
    many = codebook(x, 100, directions=principal(x))
    reference = KMeans(100, n_init=3, random_state=0).fit(x)
    assert inertia(x, many) <= 1.02 * reference.inertia_
    np.testing.assert_array_equal(found, codebook(x, 12))


def test_a_flat_spectrum_too():
    """Fifty groups of unequal size, each in a direction of its own: ten directions hold few of them."""
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(128, 128)))[0]
    group = rng.choice(50, 8000, p=rng.dirichlet(np.ones(50)))
    x = (centres[group] + 0.02 * rng.normal(size=(8000, 128))).astype(np.float32)
    reference = KMeans(10, n_init=10, random_state=0).fit(x)
    assert inertia(x, codebook(x, 10)) <= 1.01 * reference.inertia_


def test_groups_are_found_beside_what_varies_more(rng):
    """Ten groups in directions of their own, and twelve others along which all images vary more."""
    group = rng.integers(0, 10, 4000)
    apart = np.eye(10)[group] + 0.05 * rng.normal(size=(4000, 10))
    others = 0.45 * rng.normal(size=(4000, 12)) / np.sqrt(1.5)
    x = np.hstack([apart, others, 0.02 * rng.normal(size=(4000, 80))])
    for seed in range(5):
        found = assign(x, codebook(x, 10, "robust", seed))
        assert adjusted_rand_score(found, group) > 0.9


def test_directions_are_those_of_the_svd(world):
    x, _ = world
    found = principal(x)
    expected = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:64]
    np.testing.assert_allclose(np.abs(expected @ found.axes).diagonal(), 1, atol=1e-3)
    assert principal(x[:, :5]).axes.shape == (5, 5)


@pytest.mark.parametrize("recipe", ["paper", "mauve", "robust"])
def test_assign_is_the_nearest_centroid(recipe):
    x = mixture(np.random.default_rng(2), n=500)
    centroids = codebook(x, 7, recipe)
    distance = ((x[:, None] - centroids[None]) ** 2).sum(2)
    assert centroids.dtype == np.float32 and centroids.shape == (7, 16)
    assert (assign(x, centroids) == distance.argmin(1)).all()


@pytest.mark.parametrize(
    ("recipe", "n", "k"),
    [("paper", 3000, 7), ("mauve", 3000, 7), ("robust", 30_000, 40)],
)
def test_the_training_rows_alone_give_the_same_centroids(recipe, n, k):
    x = mixture(np.random.default_rng(4), n=n, d=8).astype(np.float32)
    rows = training_rows(n, k, recipe, seed=5)
    assert k <= len(rows) < n and len(set(rows)) == len(rows)
    assert np.array_equal(codebook(x[rows], k, recipe, 5), codebook(x, k, recipe, 5))
    assert np.array_equal(training_rows(100, k, recipe), np.arange(100))


def test_size_matched():
    rng = np.random.default_rng(3)
    sets = {
        "a": rng.normal(size=(50, 4)),
        "b": rng.normal(size=(80, 4)).astype(np.float16),
    }
    drawn = size_matched(sets, 60, seed=1)
    assert np.array_equal(drawn["a"], sets["a"]) and drawn["a"].dtype == np.float64
    assert not np.shares_memory(drawn["a"], sets["a"])
    assert drawn["b"].shape == (50, 4) and drawn["b"].dtype == np.float32
    assert (
        len(
            {row.tobytes() for row in drawn["b"]}
            & {r.tobytes() for r in sets["b"].astype("f4")}
        )
        == 50
    )
    assert np.array_equal(size_matched(sets, 60, seed=1)["b"], drawn["b"])
    assert not np.array_equal(size_matched(sets, 60, seed=2)["b"], drawn["b"])
    assert {len(x) for x in size_matched(sets, 20).values()} == {20}


def test_degenerate_inputs():
    x = np.eye(4)
    with pytest.raises(ValueError, match="found none"):
        size_matched({})
    for bad in ({"a": x[:1]}, {"a": x, "b": x[:, :3]}, {"a": x[0]}):
        with pytest.raises(ValueError, match="embeddings of one length"):
            size_matched(bad)
    for value in (0.0, np.nan, np.inf):
        with pytest.raises(
            ValueError, match="1 of 4 sampled rows are zero or not finite"
        ):
            size_matched({"a": np.vstack([x[:3], np.full(4, value)])})
    with pytest.raises(ValueError, match="for 5 clusters"):
        codebook(x, 5)
