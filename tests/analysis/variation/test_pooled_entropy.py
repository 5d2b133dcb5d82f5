"""Entropy over several codebooks: its parts, and how often its interval holds the mean over all codebooks."""

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.variation.measures import entropy, entropy_influence
from twigma.analysis.variation.pooled_entropy import (
    BOOKS,
    codebooks,
    entropy_with_interval,
    mean_entropy,
)
from twigma.analysis.vectors.codebook import assign, codebook, principal


def cloud(rng, n, d=8):
    """Rows without clusters, so that every codebook is another one."""
    x = rng.normal(size=(n, d)) * np.linspace(0.3, 2, d)
    return x.astype(np.float32)


def test_an_interval_is_that_of_its_formula():
    x = cloud(np.random.default_rng(0), 400)
    books = codebooks(x, 12, seed=2)
    assert len(books) == BOOKS and books[0].shape == (12, 8)
    labels = [assign(x, each) for each in books]
    values = [entropy(each).plug_in for each in labels]
    assert len(set(values)) == BOOKS
    influence = np.mean([entropy_influence(each) for each in labels], axis=0)
    sampling = influence.std() / np.sqrt(400)
    of_books = stats.sem(values)
    half = np.hypot(1.959964 * sampling, stats.t.ppf(0.975, BOOKS - 1) * of_books)
    found, averaged, spread = entropy_with_interval(x, books)
    assert found.value == pytest.approx(np.mean(values))
    assert found.high - found.value == pytest.approx(half, rel=1e-6)
    assert spread == pytest.approx(np.std(values, ddof=1))
    corrected = [entropy(each).miller_madow for each in labels]
    assert averaged.miller_madow == pytest.approx(np.mean(corrected))


def test_seeds_share_no_codebook():
    x = cloud(np.random.default_rng(1), 300)
    first, second = codebooks(x, 8, seed=0), codebooks(x, 8, seed=1)
    assert all(not np.array_equal(a, b) for a in first for b in second)
    again = codebooks(x, 8, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_one_codebook_has_no_spread():
    influence = np.random.default_rng(2).random((1, 50))
    estimate, spread = mean_entropy(np.array([1.5]), influence)
    assert spread == 0
    half = 1.959964 * influence.std() / np.sqrt(50)
    assert estimate.high - 1.5 == pytest.approx(half, rel=1e-6)


def test_the_interval_holds_the_mean_over_codebooks():
    """One codebook's interval, from the images alone, misses it more often than one in four."""
    rng = np.random.default_rng(3)
    population = cloud(rng, 20_000)
    directions = principal(population)
    k, n = 20, 8000
    every = [
        assign(population, codebook(population[:1000], k, "robust", seed, directions))
        for seed in range(100, 130)
    ]
    # The plug-in entropy is low by (k - 1)/2n; the interval is about its own mean.
    target = np.mean([entropy(each).plug_in for each in every]) - (k - 1) / (2 * n)
    inside = {1: [], BOOKS: []}
    for _ in range(200):
        rows = rng.choice(len(population), n)
        order = rng.permutation(len(every))
        for count, found in inside.items():
            labels = [every[i][rows] for i in order[:count]]
            values = np.array([entropy(each).plug_in for each in labels])
            influences = np.array([entropy_influence(each) for each in labels])
            estimate = mean_entropy(values, influences)[0]
            found.append(estimate.low <= target <= estimate.high)
    assert np.mean(inside[BOOKS]) >= 0.91
    assert np.mean(inside[1]) < 0.75
