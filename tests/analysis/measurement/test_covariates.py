"""Corrected regressions against those on the truth, where all is labelled; planted worlds where little is."""

import numpy as np
import pytest

from twigma.analysis.measurement.covariates import outcome_regression, rate_ratio
from twigma.analysis.measurement.estimates import ALONE, CORRECTED, NAIVE, Labelled

sm = pytest.importorskip("statsmodels.api")
RATIO, PER_MONTH, IN_CLUSTER = 1.6, 0.01, 0.2


def world(seed, n=6000, labels=1200, wrong=0.25):
    """Images by authors: a truth that rises by the month and is commoner in cluster 2, a model that errs, and likes.

    The model finds more that is not there in cluster 2 and in late months, so that all of its coefficients are wrong.
    """
    rng = np.random.default_rng(seed)
    authors = rng.integers(0, 600, n)
    month = rng.integers(0, 20, n).astype(float)
    cluster = rng.random(n) < 0.4
    chance = 0.15 + PER_MONTH * month + IN_CLUSTER * cluster
    truth = (rng.random(n) < chance).astype(float)
    finds_too_much = wrong * (0.5 + cluster) * (0.3 + 1.4 * month / 20)
    errs = rng.random(n) < np.where(truth == 1, 0.2, finds_too_much)
    flag = np.where(errs, 1 - truth, truth)
    author_rate = rng.gamma(5, 1 / 5, 600)[authors]
    likes = rng.poisson(5 * author_rate * RATIO**truth * 1.3**cluster).astype(float)
    probability = np.where(flag == 1, 1.5, 0.8)
    probability *= labels / probability.sum()
    drawn = rng.random(n) < probability
    label = np.where(drawn, truth, np.nan)
    data = Labelled(flag, label, probability, authors)
    terms = {"month": month - month.mean(), "cluster 2": cluster.astype(float)}
    return data, truth, likes, terms


def test_with_every_image_labelled_both_are_the_regressions_on_the_truth():
    data, truth, likes, terms = world(0, n=1500)
    whole = Labelled(data.flag, truth, np.ones(1500), data.authors)
    design = np.column_stack([np.ones(1500), *terms.values()])
    found = outcome_regression(whole, terms).set_index(["term", "estimator"])["value"]
    theirs = sm.OLS(truth, design).fit().params
    for estimator in (ALONE, CORRECTED):
        assert np.allclose(found.xs(estimator, level="estimator"), theirs[1:])
    model = sm.GLM(
        likes, np.column_stack([truth, design]), family=sm.families.Poisson()
    )
    theirs = model.fit(tol=1e-14)
    found = rate_ratio(whole, likes, terms).set_index("estimator")
    for estimator in (ALONE, CORRECTED):
        assert np.isclose(found.loc[estimator, "value"], np.exp(theirs.params[0]))
    # Images without a count are left out, and an interval is by authors.
    some = np.where(np.arange(1500) < 1000, likes, np.nan)
    assert set(rate_ratio(whole, some, terms)["n"]) == {1000}
    assert found.loc[CORRECTED, "authors"] == len(np.unique(data.authors))


def test_the_jackknife_of_a_covariate_leaves_out_each_author():
    """Against 60 fits, each without one author, at the labels' own weights."""
    data, truth, likes, terms = world(1, n=600)
    authors = np.asarray(data.authors) % 60
    whole = Labelled(data.flag, truth, np.ones(600), authors)
    found = rate_ratio(whole, likes, terms).set_index("estimator").loc[CORRECTED]
    design = np.column_stack([truth, np.ones(600), *terms.values()])
    without = []
    for author in np.unique(authors):
        rest = authors != author
        model = sm.GLM(likes[rest], design[rest], family=sm.families.Poisson())
        without.append(model.fit(tol=1e-12).params[0])
    spread = np.asarray(without) - np.mean(without)
    se = np.sqrt((len(without) - 1) / len(without) * spread @ spread)
    half = np.log(found["high"] / found["value"])
    assert half == pytest.approx(2.0 * se, rel=0.03)  # the t quantile of 59 is 2.001


def coverage(worlds):
    """How often the intervals of each estimator hold what is planted, and the mean of its values."""
    planted = {"month": PER_MONTH, "cluster 2": IN_CLUSTER, "ratio": RATIO}
    held = {}
    for seed in range(worlds):
        data, _, likes, terms = world(seed)
        rows = outcome_regression(data, terms)
        ratio = rate_ratio(data, likes, terms).assign(term="ratio")
        for table in (rows, ratio):
            for row in table.itertuples():
                holds = row.low <= planted[row.term] <= row.high
                key = (row.term, row.estimator)
                held.setdefault(key, []).append((holds, row.value))
    return {key: np.mean(values, axis=0) for key, values in held.items()}


def test_a_few_worlds():
    found = coverage(12)
    for term in ("month", "cluster 2", "ratio"):
        assert found[term, NAIVE][0] <= 0.25, term
        assert found[term, CORRECTED][0] >= 0.75, term
    assert found["ratio", NAIVE][1] < 1.45
    assert found["ratio", CORRECTED][1] == pytest.approx(RATIO, abs=0.08)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_worlds():
    found = coverage(400)
    for term in ("month", "cluster 2", "ratio"):
        assert found[term, NAIVE][0] < 0.1, term
        for estimator in (ALONE, CORRECTED):
            assert 0.92 <= found[term, estimator][0] <= 0.98, (term, estimator)


def test_a_cluster_with_few_labels_has_no_interval():
    data, _, _, terms = world(0, n=2000, labels=60)
    few = np.zeros(2000)
    few[np.flatnonzero(data.is_labelled)[:4]] = 1
    few[:200] = 1
    found = outcome_regression(data, {**terms, "rare": few})
    rare = found[found["term"] == "rare"].set_index("estimator")
    labels = data.label[(few == 1) & data.is_labelled]
    assert min(labels.sum(), len(labels) - labels.sum()) < 5
    assert np.isnan(rare.loc[CORRECTED, "low"]) and np.isfinite(rare.loc[NAIVE, "low"])
    month = found[found["term"] == "month"].set_index("estimator")
    assert np.isfinite(month.loc[CORRECTED, "low"])
