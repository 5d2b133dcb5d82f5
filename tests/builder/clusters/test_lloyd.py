"""An iteration of k-means against the definition in float64; no byte depends on the order of rows or on the blocks."""

import math

import numpy as np
import pytest
from support.staging import planted, units, vectors_of
from threadpoolctl import threadpool_limits

from twigma.builder.clusters import lloyd
from twigma.builder.engine import row_blocks
from twigma.builder.engine.row_blocks import RowBlocks

ROWS, K, DIM = 5_000, 7, 48


@pytest.fixture(scope="module")
def rows():
    """Overlapping groups, so that many rows lie between two centroids."""
    return planted(np.random.default_rng(0), ROWS, groups=12, dim=DIM, spread=0.15)[0]


@pytest.fixture(scope="module")
def centroids(rows):
    return rows[:: ROWS // K][:K].astype(np.float32)


def test_an_iteration_is_the_mean_of_the_nearest_rows(rows, centroids):
    every = np.arange(ROWS)
    moved, sizes, inertia = lloyd.move(RowBlocks(vectors_of(rows)), every, centroids)
    x = rows.astype(np.float64)
    squares = np.square(x[:, None] - centroids.astype(np.float64)).sum(axis=2)
    labels = squares.argmin(axis=1)
    means = np.array([x[labels == label].mean(axis=0) for label in range(K)])
    np.testing.assert_array_equal(sizes, np.bincount(labels, minlength=K))
    np.testing.assert_array_equal(moved, means.astype(np.float32))
    assert inertia == pytest.approx(squares.min(axis=1).sum(), rel=1e-5)


def test_sums_are_exact(rows, centroids):
    found = lloyd.sums_of(rows, centroids)
    labels, _ = lloyd.nearest_of(rows, centroids)
    for label in range(K):
        mine = rows[labels == label].astype(np.float64)
        exact = [math.fsum(column) for column in mine.T]
        np.testing.assert_array_equal(found.sums[label], exact)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_order_nor_blocks_nor_threads_matter(
    rows, centroids, threads, monkeypatch
):
    every = np.arange(ROWS)
    first, sizes, _ = lloyd.move(RowBlocks(vectors_of(rows)), every, centroids)
    shuffled = rows[np.random.default_rng(threads).permutation(ROWS)]
    monkeypatch.setattr(row_blocks, "ROWS", 700)
    blocks = RowBlocks(vectors_of(shuffled, parts=9))
    with threadpool_limits(threads):
        again, sizes_again, _ = lloyd.move(blocks, every, centroids)
    assert again.tobytes() == first.tobytes()
    np.testing.assert_array_equal(sizes, sizes_again)


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_what_is_compared_with_a_row_does_not_matter(rows, centroids, count):
    """To the last bit of the distance: few rows would be multiplied by another routine than many."""
    labels, distances = lloyd.nearest_of(rows, centroids)
    for at in range(0, 300, count):
        found, far = lloyd.nearest_of(rows[at : at + count], centroids)
        np.testing.assert_array_equal(found, labels[at : at + count])
        assert far.tobytes() == distances[at : at + count].tobytes()


def test_a_centroid_without_rows_stays(rows, centroids):
    far = np.full((1, DIM), -2, np.float32)
    together = np.concatenate([centroids, far])
    moved, sizes, _ = lloyd.move(RowBlocks(vectors_of(rows)), np.arange(ROWS), together)
    assert sizes[K] == 0 and (moved[K] == -2).all()


def test_some_of_the_rows():
    rows = units(np.random.default_rng(1), 100)
    chosen = np.arange(3, 100, 7)
    blocks = RowBlocks(vectors_of(rows))
    _, sizes, _ = lloyd.move(blocks, chosen, rows[:2].astype(np.float32))
    assert sizes.sum() == len(chosen)
