"""New images settle where UMAP's own descent moves them, alone as beside others, on any number of threads."""

import os
import warnings

import numpy as np
import pytest

from twigma.builder.clusters import descent
from twigma.builder.clusters.umap_map import MIN_DIST, strengths

ANCHORS, IMAGES, COUNT = 400, 700, 15


@pytest.fixture
def layout():
    """UMAP's compiled descent, and its curve for the distance that we use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        from umap import layouts, umap_
    return layouts.optimize_layout_euclidean, umap_.find_ab_params(1.0, MIN_DIST)


@pytest.fixture
def placed(layout):
    """The arguments of `settle` for images around training images in two heaps."""
    _, curve = layout
    rng = np.random.default_rng(0)
    heaps = rng.integers(2, size=(ANCHORS, 1)) * 12
    anchors = (heaps + rng.normal(size=(ANCHORS, 2))).astype(np.float32)
    near = rng.integers(ANCHORS, size=(IMAGES, COUNT))
    distances = np.sort(rng.gamma(2, 0.1, (IMAGES, COUNT)), axis=1).astype(np.float32)
    weights = strengths(distances)
    shares = weights / weights.sum(axis=1, keepdims=True)
    starts = np.einsum("ij,ijk->ik", shares, anchors[near]).astype(np.float32)
    return starts, anchors, near, weights, curve


def by_umap(optimize, placed):
    """UMAP's descent of all images, with the edges that it draws in order of the images."""
    starts, anchors, near, weights, curve = placed
    head, rank = np.nonzero(weights >= 1 / descent.EPOCHS)
    places = starts.copy()
    optimize(
        places,
        anchors,
        head,
        near[head, rank],
        descent.EPOCHS,
        len(anchors),
        1 / weights[head, rank],
        *curve,
        np.random.default_rng(descent.SEED).integers(-(2**31), 2**31, 3),
        initial_alpha=descent.RATE,
    )
    return places


def test_images_settle_where_umap_moves_them(placed, layout):
    optimize, _ = layout
    moved = descent.settle(*placed)
    starts, *_ = placed
    expected = by_umap(optimize, placed)
    # They do move, so that the starts would not pass.
    assert np.median(np.abs(expected - starts)) > 0.05
    np.testing.assert_allclose(moved, expected, atol=0.01)
    assert np.median(np.abs(moved - expected)) < 1e-4


def test_alone_as_beside_others_and_by_any_number_of_threads(placed, monkeypatch):
    starts, anchors, near, weights, curve = placed
    together = descent.settle(*placed)
    alone = [
        descent.settle(starts[[at]], anchors, near[[at]], weights[[at]], curve)
        for at in range(50)
    ]
    assert np.concatenate(alone).tobytes() == together[:50].tobytes()
    monkeypatch.setattr(descent, "ROWS", 7)
    for threads in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda: threads)  # noqa: B023 - asked at once
        assert descent.settle(*placed).tobytes() == together.tobytes()
    assert not len(descent.settle(starts[:0], anchors, near[:0], weights[:0], curve))
