"""Principal components from the sums of several sets, against scikit-learn's of the rows stacked."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from twigma.analysis.vectors.spectra import components, moments


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-5), (np.float64, 1e-10)])
def test_sets_together_are_the_rows_stacked(dtype, close):
    rng = np.random.default_rng(1)
    scales = np.linspace(3, 0.1, 24)
    sets = [
        (rng.normal(size=(n, 24)) * scales + place).astype(dtype)
        for n, place in ((5000, 0.5), (700, -1), (9, 4))
    ]
    found, rows = components(*map(moments, sets)), np.vstack(sets)
    peer = PCA().fit(rows.astype(float))
    np.testing.assert_allclose(found.mean, peer.mean_, atol=close)
    np.testing.assert_allclose(
        found.variances, peer.explained_variance_, rtol=10 * close
    )
    kept = found.reaching(0.9)
    assert kept.axes.shape[1] == 1 + np.argmax(
        np.cumsum(peer.explained_variance_ratio_) >= 0.9
    )
    projected, expected = (
        kept.project(rows),
        peer.transform(rows)[:, : kept.axes.shape[1]],
    )
    assert projected.dtype == np.float32
    np.testing.assert_allclose(
        np.abs(projected), np.abs(expected), atol=3e-3 if dtype == np.float32 else 1e-5
    )


def test_leading_ones_are_all_there_are():
    found = components(moments(np.random.default_rng(2).normal(size=(50, 6))))
    assert found.leading(64).axes.shape == (6, 6) and found.leading(
        2
    ).variances.shape == (2,)
    assert found.reaching(1e-9).axes.shape == (6, 1) and found.reaching(
        0.999999
    ).axes.shape == (6, 6)
