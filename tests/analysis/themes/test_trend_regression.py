"""The regression of shares on months against statsmodels at one known model, its intervals against planted slopes."""

import numpy as np
import pytest
from scipy import stats
from support.simulated_trends import autocorrelated

from twigma.analysis.themes import trend_regression
from twigma.analysis.themes.trend_regression import family_slopes

AT = np.arange(27)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_one_known_model_is_statsmodels_gls(monkeypatch, correlation):
    """With one correlation and no noise it is generalised least squares, gaps included."""
    sm = pytest.importorskip("statsmodels.api")
    monkeypatch.setattr(trend_regression, "CORRELATIONS", np.array([correlation]))
    monkeypatch.setattr(trend_regression, "NOISE", (0.0,))
    trend_regression._models.cache_clear()
    months = np.array([0, 1, 2, 5, 6, 9, 10, 11, 12, 20])
    y = np.random.default_rng(0).normal(size=10).cumsum()
    covariance = correlation ** np.abs(months[:, None] - months)
    fit = sm.GLS(y, sm.add_constant(months), sigma=covariance).fit()
    found = family_slopes(y[None], months)[0]
    trend_regression._models.cache_clear()
    assert found.value == pytest.approx(fit.params[1], rel=1e-8)
    assert [found.low, found.high] == pytest.approx(fit.conf_int()[1], rel=1e-6)
    assert found.p == pytest.approx(fit.pvalues[1], rel=1e-6)
    assert found.correlation == pytest.approx(correlation)


def test_limits_leave_a_fortieth_on_either_side():
    """Quantiles of the mixture of t distributions, by draws from it."""
    rng = np.random.default_rng(1)
    y = autocorrelated(rng, 0.5, ())
    models = trend_regression._models(tuple(AT.tolist()), None)
    fit = trend_regression._fit(y - y.mean(), models)
    weight = trend_regression._weights(fit.log_likelihood)
    model = rng.choice(len(weight), 200_000, p=weight)
    draws = stats.t.rvs(25, size=len(model), random_state=rng)
    draws = fit.slope[model] + fit.error[model] * draws
    found = family_slopes(y[None], AT)[0]
    width = found.high - found.low
    limits = np.quantile(draws, [0.025, 0.975])
    assert [found.low, found.high] == pytest.approx(limits, abs=0.02 * width)
    assert found.value == pytest.approx(draws.mean(), abs=0.02 * width)
    tail = min((draws > 0).mean(), (draws < 0).mean())
    assert found.p == pytest.approx(2 * tail, abs=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.8])
def test_intervals_hold_the_planted_slope(correlation):
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(16):
        series = autocorrelated(rng, correlation) + 0.05 * AT
        slopes = family_slopes(series, AT)
        inside += [slope.low <= 0.05 <= slope.high for slope in slopes]
    assert np.mean(inside) >= 0.92


def test_scale_and_level_do_not_matter():
    y = autocorrelated(np.random.default_rng(3), 0.4, (3,))
    plain, moved = family_slopes(y, AT), family_slopes(5 + 1e-3 * y, AT + 600)
    for one, other in zip(plain, moved, strict=True):
        assert other.p == pytest.approx(one.p, rel=1e-6)
        assert other.value == pytest.approx(1e-3 * one.value, rel=1e-6)


def test_series_without_a_residual():
    line, flat = 0.1 + 0.01 * AT, np.full(27, 0.2)
    short = np.where(AT < 3, 0.1 * AT, np.nan)
    steep, level, unknown = family_slopes(np.array([line, flat, short]), AT)
    assert steep.value == pytest.approx(0.01) and steep.p < 1e-12
    assert steep.low == pytest.approx(0.01) and steep.high == pytest.approx(0.01)
    assert (level.value, level.p) == (0, 1) and np.isnan(level.low)
    assert np.isnan(unknown).all()
