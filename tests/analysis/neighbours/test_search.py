"""Nearest neighbours against a brute-force product."""

import numpy as np
import pytest

from twigma.analysis.neighbours import blocks
from twigma.analysis.neighbours.search import mean_top_k, nearest
from twigma.core.numeric.stored_rows import stored_unit_rows


def unit(rng: np.random.Generator, n: int, d: int = 64) -> np.ndarray:
    x = rng.normal(size=(n, d)) + rng.normal(size=d)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_brute_force(dtype):
    rng = np.random.default_rng(1)
    q, r = unit(rng, 4200).astype(dtype), unit(rng, 9000).astype(dtype)
    similarity, index = nearest(q, r, 7)
    a, b = (
        x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True)
        for x in (q, r)
    )
    brute = a @ b.T
    expected = -np.sort(-np.partition(brute, -7, axis=1)[:, -7:], axis=1)
    assert similarity.dtype == np.float32 and index.dtype == np.int64
    assert np.abs(similarity - expected).max() < 3e-7
    assert np.abs(np.take_along_axis(brute, index, 1) - expected).max() < 3e-7
    assert np.abs(mean_top_k(q, r) - expected[:, :5].mean(1)).max() < 2e-7


def test_planted_neighbour():
    rng = np.random.default_rng(3)
    r = unit(rng, 3000, 768)
    alpha = 0.8
    noise = rng.normal(size=(100, 768))
    noise -= (noise * r[:100]).sum(1, keepdims=True) * r[:100]
    q = alpha * r[:100] + np.sqrt(1 - alpha**2) * noise / np.linalg.norm(
        noise, axis=1, keepdims=True
    )
    similarity, index = nearest(q, r, 1)
    assert np.abs(similarity[:, 0] - alpha).max() < 1e-5
    assert (index[:, 0] == np.arange(100)).all()


def test_degenerate_inputs():
    x = np.eye(4)
    with pytest.raises(ValueError, match="row 2 is zero or not finite"):
        nearest(x, np.diag([1.0, 1, 0, 1]), 1)
    with pytest.raises(ValueError, match="row 0 is zero or not finite"):
        nearest(x * np.nan, x, 1)
    with pytest.raises(ValueError, match="found k=5"):
        nearest(x, x, 5)
    with pytest.raises(ValueError, match="of one width"):
        nearest(x, np.eye(5), 1)
    with pytest.raises(ValueError, match="at least one row"):
        nearest(np.empty((0, 4)), x, 1)


def test_a_reference_in_parts_has_the_same_neighbours(monkeypatch):
    rng = np.random.default_rng(5)
    q, r = unit(rng, 40), unit(rng, 1000)
    whole = nearest(q, r, 4)
    monkeypatch.setattr(blocks, "REFERENCES", 300)
    similarity, index = blocks.by_parts(nearest, q, r, 4)
    np.testing.assert_array_equal(index, whole[1])
    np.testing.assert_allclose(similarity, whole[0], atol=1e-7)


def test_stored_rows_are_searched_like_those_in_memory():
    rng = np.random.default_rng(6)
    stored = unit(rng, 20_000).astype(np.float16)
    lazy, _ = stored_unit_rows(stored, np.arange(len(stored)))
    reference = unit(rng, 50).astype(np.float32)
    np.testing.assert_array_equal(
        nearest(lazy, reference, 3), nearest(lazy[:], reference, 3)
    )
    np.testing.assert_array_equal(
        nearest(reference, lazy, 3), nearest(reference, lazy[:], 3)
    )
