"""Screening for neighbours: its bounds hold, and what it finds is what a float64 product finds."""

import time

import numpy as np
import pytest
from support.near_rows import ROUNDING
from support.near_rows import near_directions as unit

torch = pytest.importorskip("torch")

from twigma.core.neighbours import screening, searcher  # noqa: E402
from twigma.core.neighbours.products import by_blocks, in_full  # noqa: E402
from twigma.core.neighbours.screening import BLOCK, Screened, fastest  # noqa: E402
from twigma.core.numeric.unit_vectors import unit_rows  # noqa: E402


def brute(q: np.ndarray, r: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    product = q.astype(float) @ r.astype(float).T
    return -np.sort(-product, axis=1)[:, :k], product


def leading(r: np.ndarray, width: int = 40) -> torch.Tensor:
    return torch.tensor(np.linalg.eigh(r.T @ r)[1][:, ::-1][:, :width].copy())


KINDS = [(True, False), (False, True), (True, True)]


@pytest.mark.parametrize("k", [1, 7, 300])
@pytest.mark.parametrize(("shortened", "half"), KINDS)
def test_equals_brute_force(shortened, half, k, rng):
    q, r = unit(rng, 1300), unit(rng, 9000)
    expected, product = brute(q, r, k)
    reference = Screened(torch.tensor(r), leading(r) if shortened else None, half)
    similarity, index = by_blocks(
        lambda block: reference.search(block, k), q, "cpu", BLOCK
    )
    assert similarity.dtype == np.float32 and index.dtype == np.int64
    assert np.abs(similarity - expected).max() < ROUNDING
    assert np.abs(np.take_along_axis(product, index, 1) - expected).max() < ROUNDING
    assert all(len(set(row)) == k for row in index.tolist())
    similarity, index = by_blocks(
        lambda block: in_full(block, torch.tensor(r), k), q, "cpu", 500
    )
    assert np.abs(similarity - expected).max() < ROUNDING


@pytest.mark.parametrize("rest", [0.0, 1e-4, 0.1, 1.0])
def test_a_product_of_shorter_rows_is_a_bound(rest, rng):
    """Also where next to nothing lies outside the leading directions, and its length is all rounding."""
    q, r = unit(rng, 500, rest=rest), unit(rng, 3000, rest=rest)
    q[:100] = r[:100]
    reference = Screened(torch.tensor(r), leading(unit(rng, 3000)), half=False)
    bound = (reference.shortened(torch.tensor(q)) @ reference.low.T).numpy()
    assert (bound.astype(float) >= brute(q, r, 1)[1] - screening.SLACK).all()


@pytest.mark.parametrize(("shortened", "half"), KINDS)
def test_crowds_and_duplicates(shortened, half, rng):
    """All rows nearly alike: every one is a candidate, so blocks are computed in full."""
    r = unit_rows(np.ones((5000, 32)) + 1e-4 * rng.normal(size=(5000, 32)))
    r[4000:4010] = r[3]
    reference = Screened(torch.tensor(r), leading(r, 15) if shortened else None, half)
    similarity, index = by_blocks(
        lambda block: reference.search(block, 11), r[:500], "cpu", BLOCK
    )
    plain, _ = by_blocks(
        lambda block: in_full(block, torch.tensor(r), 11), r[:500], "cpu", 500
    )
    assert np.abs(similarity - plain).max() < 3e-7
    assert np.abs(similarity - brute(r[:500], r, 11)[0]).max() < 1e-6
    assert set(index[3]) == {3, *range(4000, 4010)} or plain[3, 0] > 1 - 1e-6


def test_a_way_that_is_slow_is_not_chosen(rng):
    """Where the peer takes no time it is chosen; where it takes a second, screening is."""
    r, tried = unit(rng, 9000), []

    def slow(rows, k):
        def search(q):
            tried.append(len(rows))
            time.sleep(1)
            return searcher._by_faiss(rows, k)(q)

        return search

    found = fastest(r, r[:300], 5, [slow])(r[:300])
    assert (
        tried == [9000, 9000]
        and np.abs(found[0] - brute(r[:300], r, 5)[0]).max() < ROUNDING
    )
    assert fastest(r, r[:300], 5, [lambda rows, k: lambda q: "at once"])(r) == "at once"
