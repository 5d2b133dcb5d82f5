"""Coefficients against statsmodels, the jackknife against leaving out each author, a mean against its formula."""

import numpy as np
import pytest
from scipy import special, stats

from twigma.analysis.measurement import regress
from twigma.analysis.measurement.pseudo_outcomes import pseudo_outcomes

sm = pytest.importorskip("statsmodels.api")
N = 600


@pytest.fixture
def rows(rng):
    x = np.column_stack([np.ones(N), rng.normal(size=N), rng.integers(0, 2, N)])
    author = rng.integers(0, 40, N)
    return x, author, rng.normal(size=40)[author]


def outcome(family, x, shift, rng):
    eta = x @ [-0.5, 0.4, 0.3] + 0.5 * shift
    if family == "linear":
        return eta + rng.normal(size=N)
    if family == "logistic":
        return (rng.random(N) < special.expit(eta)).astype(float)
    return rng.poisson(np.exp(eta)).astype(float)


FAMILIES = {
    "linear": "Gaussian",
    "logistic": "Binomial",
    "poisson": "Poisson",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_coefficients_are_those_of_statsmodels(family, rows, rng):
    x, author, shift = rows
    y = outcome(family, x, shift, rng)
    weights = rng.uniform(0.5, 2, N)
    fit = regress(y, x, author, family=family, weights=weights)
    model = getattr(sm.families, FAMILIES[family])()
    theirs = sm.GLM(y, x, family=model, freq_weights=weights).fit(tol=1e-14)
    assert np.allclose(fit.coefficients, theirs.params, atol=1e-8)
    plain = regress(y, x, author, family=family)
    clustered = sm.GLM(y, x, family=model).fit(
        cov_type="cluster",
        cov_kwds={"groups": author, "use_correction": False},
        tol=1e-14,
    )
    # The jackknife is wider, by about one part in the number of authors.
    assert (plain.se > clustered.bse).all()
    assert (plain.se < 1.15 * clustered.bse).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_jackknife_leaves_out_each_author(family, rows, rng):
    x, author, shift = rows
    y = outcome(family, x, shift, rng)
    fit = regress(y, x, author, family=family)
    names = np.unique(author)
    without = np.array(
        [
            regress(y[author != name], x[author != name], family=family).coefficients
            for name in names
        ]
    )
    centred = without - without.mean(axis=0)
    covariance = (len(names) - 1) / len(names) * centred.T @ centred
    # Exact for the linear model, the first step of Newton's method for the others.
    tolerance = 1e-12 if family == "linear" else 0.04 * np.abs(covariance).max()
    assert np.allclose(fit.covariance, covariance, atol=tolerance)
    assert fit.authors == len(names) and fit.degrees == len(names) - 1


def test_a_mean_has_the_interval_of_the_textbook(rng):
    y = rng.normal(size=30)
    found = regress(y, np.ones(30)).estimate()
    theirs = stats.t.interval(0.95, 29, y.mean(), stats.sem(y))
    assert np.allclose([found.low, found.high], theirs, atol=1e-12)


def test_effective_authors():
    y = np.array([1.0, -1, 1, -1, 0, 0, 0, 0])
    fit = regress(y, np.ones(8))
    assert np.isclose(fit.effective[0], 4)
    assert fit.authors == 8


def test_a_pseudo_outcome_gives_the_coefficients_of_the_label(rng):
    """Of many images, by a model that errs with a covariate: the labels of a tenth correct the bias."""
    n = 60_000
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = (rng.random(n) < special.expit(x @ [-1.0, 0.5])).astype(float)
    wrong = rng.random(n) < special.expit(-2 - x[:, 1])
    f = np.where(wrong, 1 - y, y)
    label = np.where(rng.random(n) < 0.1, y, np.nan)
    values = pseudo_outcomes(f, label, np.full(n, 0.1)).values
    assert values.min() < -0.5 and values.max() > 1.5
    corrected = regress(values, x, family="logistic", degrees=np.sum(label >= 0) - 1)
    for term, truth in ((0, -1.0), (1, 0.5)):
        z = (corrected.coefficients[term] - truth) / corrected.se[term]
        assert abs(z) < 3
    naive = regress(f, x, family="logistic")
    assert abs(naive.coefficients[1] - 0.5) > 10 * naive.se[1]
    table = corrected.table(["constant", "x"])
    assert table["term"].tolist() == ["constant", "x"]
    assert table["p"].max() < 1e-6 and (table["low"] < table["value"]).all()


def test_what_has_no_fit_is_refused(rng):
    x = np.column_stack([np.ones(20), np.ones(20)])
    with pytest.raises(ValueError, match="cannot be told apart"):
        regress(rng.normal(size=20), x)
    with pytest.raises(ValueError, match="at least 2 authors, found 1"):
        regress(rng.normal(size=20), np.ones(20), ["ada"] * 20)
    with pytest.raises(ValueError, match="no finite coefficients"):
        regress(np.ones(20), np.ones(20), family="logistic")
    alone = np.column_stack([np.ones(20), np.arange(20) == 3])
    with pytest.raises(ValueError, match="of one author alone"):
        regress(rng.normal(size=20), alone)
