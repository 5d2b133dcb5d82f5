"""Explained variance, marginal spread, entropy and Vendi score against numpy and planted truths."""

import numpy as np
import pytest
from scipy import stats

from twigma.analysis.inference.intervals import interval
from twigma.analysis.variation.measures import (
    entropy,
    entropy_influence,
    iev,
    iev_influence,
    pmv,
    pmv_influence,
    vendi,
    vendi_influence,
)


def planted(rng, sigma, n):
    """A matrix with exactly these singular values."""
    u, v = (np.linalg.qr(rng.normal(size=(m, len(sigma))))[0] for m in (n, len(sigma)))
    return u * sigma @ v.T


@pytest.mark.parametrize(
    "sigma",
    [np.linspace(5, 1, 60), np.r_[3.0, 2, 1, np.zeros(57)], np.logspace(0, -9, 60)],
)
def test_iev_of_a_planted_spectrum(sigma):
    x = planted(np.random.default_rng(1), sigma, 1000)
    assert abs(iev(x) - sigma.sum() / sigma[0]) < 1e-10
    assert abs(iev(x, power=2) - (sigma**2).sum() / sigma[0] ** 2) < 1e-10
    centred = np.linalg.svd(x + 1 - (x + 1).mean(0), compute_uv=False)
    assert abs(iev(x + 1, center=True) - centred.sum() / centred[0]) < 1e-10


def test_iev_does_not_depend_on_scale_or_rotation():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 20)) + 1
    rotation = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    assert iev(7 * x @ rotation) == pytest.approx(iev(x), abs=1e-10)
    assert iev(x[:8]) == pytest.approx(
        np.linalg.svd(x[:8], compute_uv=False).sum() / np.linalg.norm(x[:8], 2)
    )


def test_pmv():
    rng = np.random.default_rng(3)
    known = rng.uniform(0.01, 0.1, size=768)
    x = rng.normal(size=(5000, 768)) * known + 0.3
    assert abs(pmv(x) / stats.gmean(known) - 1) < 0.002
    assert pmv(x) == pytest.approx(stats.gmean(x.std(0, ddof=1)), rel=1e-12)
    assert pmv(x.astype(np.float32)) == pytest.approx(pmv(x), rel=1e-6)
    assert np.prod(x.var(0)) == 0  # why it is computed with logarithms
    x[:, 5] = 0.1
    with pytest.warns(UserWarning, match="1 columns do not vary"):
        assert pmv(x) == 0


def test_entropy():
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(500))
    labels = rng.choice(500, size=50_000, p=weights)
    found, truth = entropy(labels, 500), stats.entropy(weights)
    assert found.plug_in == pytest.approx(stats.entropy(np.bincount(labels)), abs=1e-12)
    assert (
        abs(found.miller_madow - truth) < 0.015 and abs(found.chao_shen - truth) < 0.015
    )
    assert (
        found.normalised == pytest.approx(found.plug_in / np.log(500))
        and found.n == 50_000
    )
    uniform = entropy(np.arange(20) % 10, 10)
    assert uniform.plug_in == pytest.approx(
        np.log(10)
    ) and uniform.normalised == pytest.approx(1)


def test_entropy_corrections_on_few_rows():
    """The plug-in bias is about −(K−1)/2N; Chao-Shen by its own formula."""
    rng = np.random.default_rng(5)
    found = [entropy(rng.integers(50, size=300), 50) for _ in range(300)]
    bias = np.mean([e.plug_in for e in found]) - np.log(50)
    assert abs(bias / (-49 / 600) - 1) < 0.15
    assert abs(np.mean([e.miller_madow for e in found]) - np.log(50)) < 0.012
    p = np.array([4, 2, 1, 1]) / 8 * (1 - 2 / 8)
    assert entropy([0] * 4 + [1] * 2 + [2, 3]).chao_shen == pytest.approx(
        -sum(p * np.log(p) / (1 - (1 - p) ** 8))
    )
    assert np.isfinite(entropy(np.arange(6)).chao_shen)


def test_vendi():
    x = np.repeat(np.eye(16, 64), 10, axis=0) * np.linspace(1, 3, 160)[:, None]
    assert abs(vendi(x) - 16) < 1e-9
    y = np.random.default_rng(6).normal(size=(40, 64))
    rows = y / np.linalg.norm(y, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(rows @ rows.T / 40)
    assert vendi(y) == pytest.approx(
        np.exp(stats.entropy(values[values > 0])), rel=1e-10
    )
    assert vendi(np.tile(y[0], (30, 1))) == pytest.approx(1, abs=1e-9)


METRICS = {
    "iev": (iev, iev_influence),
    "pmv": (pmv, pmv_influence),
    "vendi": (vendi, vendi_influence),
}


@pytest.mark.parametrize("name", METRICS)
def test_influence_is_the_derivative(name):
    """Against the jackknife: (n − 1)(value − value without row i) is the influence, to first order."""
    statistic, influence = METRICS[name]
    x = np.random.default_rng(8).normal(size=(2000, 6)) * np.arange(1, 7) + 1
    psi = influence(x)
    whole = statistic(x)
    jackknife = np.array(
        [1999 * (whole - statistic(np.delete(x, i, axis=0))) for i in range(60)]
    )
    assert np.abs((psi - psi.mean())[:60] - jackknife).max() < 0.02 * psi.std()


def test_entropy_influence_is_the_derivative():
    labels = np.random.default_rng(9).integers(8, size=2000)
    psi = entropy_influence(labels)
    jackknife = np.array(
        [
            1999 * (entropy(labels).plug_in - entropy(np.delete(labels, i)).plug_in)
            for i in range(60)
        ]
    )
    assert np.abs((psi - psi.mean())[:60] - jackknife).max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
def test_intervals_cover(name):
    statistic, influence = METRICS[name]
    rng = np.random.default_rng(10)
    scale = np.arange(1, 7)
    truth = statistic(rng.normal(size=(1_000_000, 6)) * scale + 1)
    found = []
    for _ in range(400):
        x = rng.normal(size=(2000, 6)) * scale + 1
        found.append(interval(statistic(x), influence(x)))
    assert 0.91 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.985


def test_degenerate_inputs():
    x = np.random.default_rng(12).normal(size=(20, 3))
    with pytest.raises(ValueError, match="all rows are zero"):
        iev(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="all rows are zero"):
        iev(np.ones((5, 3)), center=True)
    with pytest.raises(ValueError, match="at least 2 rows"):
        pmv(x[:1])
    with pytest.raises(ValueError, match="NaN or infinity"):
        pmv(np.where(x > 0, np.nan, x))
    with pytest.raises(ValueError, match="is zero or not finite"):
        vendi(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="at most k=2 clusters, found 3"):
        entropy([0, 1, 2], 2)
    with pytest.raises(ValueError, match="found 0"):
        entropy([])
    assert entropy([3, 3, 3])[:3] == (0, 0, 0) and np.isnan(
        entropy([3, 3, 3]).normalised
    )
