"""Blocked linear algebra against numpy on whole matrices."""

import numpy as np
import pytest

from twigma.analysis.vectors import spectra


@pytest.mark.parametrize("shape", [(9000, 20), (30, 200), (200, 200), (5, 1)])
def test_equals_numpy(shape, monkeypatch):
    monkeypatch.setattr(spectra, "BLOCK", 700)
    x = np.random.default_rng(1).normal(size=shape) + 3
    for center in (False, True):
        whole = x - x.mean(0) if center else x
        expected = np.linalg.svd(whole, compute_uv=False)
        assert np.allclose(
            spectra.singular_values(x, center), expected, atol=1e-11 * expected[0]
        )
    assert np.allclose(spectra.gram(x), x.T @ x, rtol=1e-12)
    rank = min(shape)
    expected = np.linalg.svd(x, compute_uv=False) ** 2
    assert np.allclose(
        spectra.eigenvalues(x)[::-1][:rank], expected, atol=1e-11 * expected[0]
    )
    values, vectors = spectra.eigenvectors(x)
    assert np.allclose(vectors * values @ vectors.T, x.T @ x, atol=1e-9 * values[-1])
    assert np.allclose(spectra.variances(x), x.var(0, ddof=1), rtol=1e-12)


def test_small_singular_values_are_not_lost():
    """A Gram matrix alone knows nothing of singular values below 1e-8 of the largest."""
    rng = np.random.default_rng(2)
    sigma = np.logspace(0, -11, 40)
    u, v = (np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (5000, 40))
    assert np.abs(spectra.singular_values(u * sigma @ v.T) - sigma).max() < 1e-14


@pytest.mark.parametrize(("lowest", "error"), [(-1, 1e-6), (-4, 1e-9)])
def test_what_has_few_digits_is_multiplied_in_few_unless_that_loses_the_small_ones(
    lowest, error
):
    rng = np.random.default_rng(3)
    sigma = np.logspace(0, lowest, 40)
    u, v = (np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (9000, 40))
    x = (u * sigma @ v.T).astype(np.float32)
    for center in (False, True):
        whole = x - x.mean(0, dtype=float) if center else x.astype(float)
        expected = np.linalg.svd(whole, compute_uv=False)
        assert np.abs(spectra.singular_values(x, center) / expected - 1).max() < error


def test_constant_columns_have_exactly_no_variance():
    x = np.full((1000, 3), 0.1)
    x[:, 1] = np.arange(1000)
    assert (spectra.variances(x)[[0, 2]] == 0).all()


@pytest.mark.parametrize("shift", [0, 5, 1000])
def test_variances_of_single_precision_are_right_to_a_ten_millionth(shift):
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(5001, 7)) * np.logspace(-1, 2, 7) + shift).astype(np.float32)
    expected = x.astype(np.float64).var(axis=0, ddof=1)
    assert np.abs(spectra.variances(x) / expected - 1).max() < 1e-7
