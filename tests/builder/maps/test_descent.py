"""Images come to rest where UMAP's own descent moves them, alone as beside others, by any number of threads."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from twigma.builder.maps import descent
from twigma.builder.maps.weights import strengths

ANCHORS, IMAGES, COUNT = 400, 700, 15


@pytest.fixture
def umap():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        import umap
        import umap.layouts
        import umap.utils
    return umap


@pytest.fixture
def placed():
    """The arguments of `settle` for images around training images in two heaps."""
    rng = np.random.default_rng(0)
    heaps = rng.integers(2, size=(ANCHORS, 1)) * 12
    anchors = (heaps + rng.normal(size=(ANCHORS, 2))).astype(np.float32)
    near = rng.integers(ANCHORS, size=(IMAGES, COUNT))
    distances = np.sort(rng.gamma(2, 0.1, (IMAGES, COUNT)), axis=1).astype(np.float32)
    weights = strengths(distances)
    shares = weights / weights.sum(axis=1, keepdims=True)
    starts = np.einsum("ij,ijk->ik", shares, anchors[near]).astype(np.float32)
    return starts, anchors, near, weights


def by_umap(optimize, placed):
    """UMAP's descent of all images, with the edges that it draws in order of the images."""
    starts, anchors, near, weights = placed
    head, rank = np.nonzero(weights >= 1 / descent.SETTLE_EPOCHS)
    places = starts.copy()
    optimize(
        places,
        anchors,
        head,
        near[head, rank],
        descent.SETTLE_EPOCHS,
        len(anchors),
        1 / weights[head, rank],
        descent.A,
        descent.B,
        np.random.default_rng(descent.SEED).integers(-(2**31), 2**31, 3),
        initial_alpha=descent.SETTLE_RATE,
    )
    return places


def test_images_settle_where_umap_moves_them(placed, umap):
    moved = descent.settle(*placed)
    starts, *_ = placed
    expected = by_umap(umap.layouts.optimize_layout_euclidean, placed)
    # They do move, so that the starts would not pass.
    assert np.median(np.abs(expected - starts)) > 0.05
    np.testing.assert_allclose(moved, expected, atol=0.02)
    assert np.median(np.abs(moved - expected)) < 3e-4


def test_alone_as_beside_others_and_by_any_number_of_threads(placed, monkeypatch):
    starts, anchors, near, weights = placed
    together = descent.settle(*placed)
    alone = [
        descent.settle(starts[[at]], anchors, near[[at]], weights[[at]])
        for at in range(50)
    ]
    assert np.concatenate(alone).tobytes() == together[:50].tobytes()
    monkeypatch.setattr(descent, "ROWS", 7)
    for threads in (1, 3):
        monkeypatch.setattr(descent, "usable_cpus", lambda: threads)  # noqa: B023 - asked at once
        assert descent.settle(*placed).tobytes() == together.tobytes()
    assert not len(descent.settle(starts[:0], anchors, near[:0], weights[:0]))


def test_the_curve_is_that_of_umap(umap):
    expected = umap.umap_.find_ab_params(1.0, descent.MIN_DIST)
    np.testing.assert_allclose((descent.A, descent.B), expected, atol=1e-9)


def test_numbers_are_drawn_as_umap_draws_them(umap):
    import numba

    states = np.random.default_rng(0).integers(-(2**62), 2**62, (2, 3))
    states[1] = states[0]
    draw = numba.njit(descent._draw)
    ours = [draw(states[0]) for _ in range(100)]
    assert ours == [umap.utils.tau_rand_int(states[1]) for _ in range(100)]


def test_steps_that_are_looked_up_are_those_of_the_formula():
    square = np.geomspace(1e-7, 1e4, 500).astype(np.float32)
    slots = [descent._slot(one) for one in square]
    pulls, pushes = descent._coefficients()
    a, b = descent.A, descent.B
    pull = 2 * a * b * square ** (b - 1) / (1 + a * square**b)
    push = 2 * b / ((1e-3 + square) * (1 + a * square**b))
    np.testing.assert_allclose(pulls[slots], pull, rtol=0.005)
    np.testing.assert_allclose(pushes[slots], push, rtol=0.005)
    # What is nearer or farther still has the first or the last.
    assert descent._slot(np.float32(0)) == 0
    assert descent._slot(np.float32(1e9)) == len(pulls) - 1


def ring(rows: int, beside: int) -> sparse.csr_array:
    """Weights of rows in a ring, each of which attracts those beside it."""
    away = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    away = np.minimum(away, rows - away)
    return sparse.csr_array(np.where((away > 0) & (away <= beside), 1 / (1 + away), 0))


def test_what_attracts_comes_together_as_by_umap(umap):
    """A ring is drawn as one, and as wide as umap-learn draws it."""
    weights = ring(600, 7)
    turn = np.linspace(0, 2 * np.pi, 600, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    noise = np.random.default_rng(0).normal(size=(600, 2))
    starts = (5 + circle + noise / 2).astype(np.float32)
    pairs = weights.tocoo()
    expected = starts.copy()
    umap.layouts.optimize_layout_euclidean(
        expected,
        expected,
        pairs.row,
        pairs.col,
        descent.EPOCHS_OF_FEW,
        600,
        pairs.data.max() / pairs.data,
        descent.A,
        descent.B,
        np.array([1, 2, 3]),
        move_other=True,
    )
    places = descent.spread(starts, weights)

    def apart(of, steps):
        return np.median(np.linalg.norm(of - np.roll(of, steps, axis=0), axis=1))

    for steps in (1, 3, 60):
        assert apart(places, steps) == pytest.approx(apart(expected, steps), rel=0.3)
    # It is whole: everywhere those beside each other are near.
    gaps = np.linalg.norm(places - np.roll(places, 1, axis=0), axis=1)
    assert gaps.max() < 0.1 * apart(places, 300)


def test_all_rows_come_to_the_same_places_by_any_number_of_threads(monkeypatch):
    weights = ring(500, 5)
    starts = np.random.default_rng(0).uniform(0, 10, (500, 2)).astype(np.float32)
    first = descent.spread(starts, weights)
    assert descent.spread(starts, weights, seed=1).tobytes() != first.tobytes()
    for threads in (1, 3):
        monkeypatch.setattr(descent, "usable_cpus", lambda: threads)  # noqa: B023 - asked at once
        assert descent.spread(starts, weights).tobytes() == first.tobytes()
