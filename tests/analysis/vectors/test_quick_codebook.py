"""The quick codebook: planted clusters, an inertia as low as that of scikit-learn and of the slow recipe, its seed."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from twigma.analysis.vectors.codebook import (
    assign,
    codebook,
    principal,
    quick_codebook,
    refined_codebook,
)
from twigma.analysis.vectors.spectra import components, moments


def inertia(x, centroids):
    return float(((x - centroids[assign(x, centroids)]) ** 2).sum())


@pytest.fixture
def world(rng):
    """Twelve overlapping groups in a decaying spectrum, wider than the directions that are looked at."""
    scale = 1 / np.arange(1, 201) ** 0.5
    centres = rng.normal(size=(12, 200)) * scale
    group = rng.integers(0, 12, 4000)
    return (centres[group] + 0.35 * rng.normal(size=(4000, 200)) * scale).astype(
        np.float32
    ), group


def test_the_inertia_is_as_low_as_that_of_full_runs(world):
    x, group = world
    found = quick_codebook(x, 12, principal(x))
    reference = KMeans(12, n_init=10, random_state=0).fit(x)
    assert inertia(x, found) <= 1.002 * min(
        reference.inertia_, inertia(x, codebook(x, 12))
    )
    assert adjusted_rand_score(assign(x, found), group) > 0.95
    many = quick_codebook(x, 100, principal(x))
    assert inertia(x, many) <= 1.02 * inertia(x, codebook(x, 100))


def test_refined_among_principal_coordinates_it_is_as_low_too(world):
    x, group = world
    every = components(moments(x.astype(np.float64)))
    coordinates = every.project(x)
    found = refined_codebook(coordinates, 12)
    reference = KMeans(12, n_init=10, random_state=0).fit(coordinates)
    assert inertia(coordinates, found) <= 1.002 * reference.inertia_
    assert adjusted_rand_score(assign(coordinates, found), group) > 0.95
    np.testing.assert_array_equal(found, refined_codebook(coordinates, 12))
    many = refined_codebook(coordinates, 100)
    slow = codebook(coordinates, 100)
    assert inertia(coordinates, many) <= 1.02 * inertia(coordinates, slow)
    with pytest.raises(ValueError, match="codebook: expected 1 <= k"):
        refined_codebook(coordinates[:5], 12)


def test_directions_are_those_of_the_svd(world):
    x, _ = world
    found = principal(x)
    expected = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:64]
    np.testing.assert_allclose(np.abs(expected @ found.axes).diagonal(), 1, atol=1e-3)
    assert principal(x[:, :5]).axes.shape == (5, 5)


def test_a_seed_gives_the_same_centroids(world):
    x, _ = world
    once, again = (quick_codebook(x, 12, principal(x, 3), 3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    with pytest.raises(ValueError, match="codebook: expected 1 <= k"):
        quick_codebook(x[:5], 12, principal(x))
