"""Nearest neighbours against a brute-force product, quintiles against pandas."""

import numpy as np
import pandas as pd
import pytest

from twigma.analysis.neighbours.search import (
    likes_by_quintile,
    mean_top_k,
    nearest,
    quintiles,
)


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


@pytest.mark.parametrize("n", [5, 23, 1000, 10_007])
def test_quintiles_equal_pandas(n):
    values = np.random.default_rng(n).normal(size=n).round(6)
    found = quintiles(values)
    assert found.dtype == np.int8
    assert (found == pd.qcut(values, 5, labels=False) + 1).all()


def test_likes_by_quintile():
    rng = np.random.default_rng(5)
    quintile = rng.integers(1, 6, 4000)
    likes = rng.poisson(quintile * 3).astype(float)
    likes[::7] = np.nan
    table = likes_by_quintile(quintile, likes)
    assert table.columns.tolist() == ["quintile", "n", "mean", "low", "high"]
    for row in table.itertuples():
        y = likes[(quintile == row.quintile) & ~np.isnan(likes)]
        assert row.n == len(y)
        half = 1.96 * y.std(ddof=1) / np.sqrt(len(y))
        assert np.allclose(
            [row.mean, row.low, row.high],
            [y.mean(), y.mean() - half, y.mean() + half],
            atol=1e-12,
        )
    nullable = pd.Series(likes).astype("Int64")
    pd.testing.assert_frame_equal(likes_by_quintile(quintile, nullable), table)


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
    for bad in (np.ones(10), np.array([1, 2, 3, np.nan, 5, 6]), np.arange(4)):
        with pytest.raises(ValueError, match="quintiles"):
            quintiles(bad)
    with pytest.raises(ValueError, match="every like count is null"):
        likes_by_quintile(np.array([1, 2]), [None, None])


def test_likes_by_author_have_the_clustered_interval_of_statsmodels(rng):
    sm = pytest.importorskip("statsmodels.api")
    author = rng.integers(0, 40, 900)
    likes = rng.poisson(20 * rng.gamma(2, 0.5, 40)[author]).astype(float)
    likes[:7] = np.nan
    quintile, names = (
        rng.integers(1, 6, 900),
        [None if a == 0 else f"a{a}" for a in author],
    )
    alone = np.where(author == 0, 1000 + np.arange(900), author)
    table = likes_by_quintile(quintile, likes, blocks=names).set_index("quintile")
    for q in range(1, 6):
        rows = (quintile == q) & ~np.isnan(likes)
        kind = {"groups": alone[rows], "use_correction": False}
        fit = sm.OLS(likes[rows], np.ones(rows.sum())).fit(
            cov_type="cluster", cov_kwds=kind
        )
        assert table.loc[q, ["robust_low", "robust_high"]].to_numpy(
            float
        ) == pytest.approx(fit.conf_int()[0])
    pd.testing.assert_frame_equal(table.reset_index()[["quintile", "n", "mean", "low", "high"]],
                                  likes_by_quintile(quintile, likes))  # fmt: skip
