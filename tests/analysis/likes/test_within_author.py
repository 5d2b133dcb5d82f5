"""Author fixed effects against a dummy for each author, and planted confounding by authors."""

import numpy as np
import pytest
import statsmodels.api as sm
from support.simulated_likes import world

from twigma.analysis.inference import cluster_jackknife
from twigma.analysis.likes.count_regression import poisson
from twigma.analysis.likes.design import Columns, prepare
from twigma.analysis.likes.eq1 import eq1, eq1_sensitivity
from twigma.analysis.likes.within_author import within_author

FIXED = "author fixed effects"
TERMS = [f"quintile {q}" for q in (1, 2, 3, 4)]


def dummies(y, x, author):
    """Coefficients of x and dispersion, with a dummy for each author that has likes."""
    names = [one for one in np.unique(author) if y[author == one].sum() > 0]
    rows = np.isin(author, names)
    own = author[rows][:, None] == np.array(names)
    fit = sm.GLM(
        y[rows], np.column_stack([x[rows], own]).astype(float), sm.families.Poisson()
    ).fit(tol=1e-12)
    return fit.params[: x.shape[1]], fit.pearson_chi2 / fit.df_resid


def test_equal_to_a_dummy_for_each_author():
    rng = np.random.default_rng(1)
    likes, _, quintile, author = world(rng, n=900, authors=30, frailty=1.0)
    likes[author == 3] = 0  # says nothing
    age = rng.integers(1, 400, 900)
    followers = np.exp(rng.normal(6.5, 2, 30)).astype(int)[author]
    with pytest.warns(UserWarning, match="only 29 authors have images of several"):
        table = eq1_sensitivity(
            likes=likes, followers=followers, quintile=quintile, cluster=author, age=age + 0.4
        )  # fmt: skip
    found = table[table["variant"] == f"{FIXED}, post age"]
    assert found["term"].tolist() == [*TERMS, "log(1 + days since posting)"]
    x = np.column_stack([*(quintile == q for q in (1, 2, 3, 4)), np.log1p(age)])
    params, dispersion = dummies(likes, x, author)
    np.testing.assert_allclose(np.log(found["irr"]), params, atol=1e-8)
    np.testing.assert_allclose(found["dispersion"], dispersion, rtol=1e-8)
    left = [one for one in range(30) if one != 3]
    change = [
        dummies(likes[author != one], x[author != one], author[author != one])[0] - params
        for one in left
    ]  # fmt: skip
    se = np.sqrt(28 / 29 * np.sum(np.square(change), axis=0))
    np.testing.assert_allclose(found["se"], se, rtol=2e-3)
    assert set(found["clusters"]) == {29}
    assert set(found["dropped"]) == {int((author == 3).sum())}
    assert set(found["n"]) == {int((author != 3).sum())}


def confounded(rng, effect=1.0, authors=400, n=8000):
    """Famous authors post dissimilar images; within an author, quintile 1 has `effect` times the likes."""
    author = rng.integers(authors, size=n)
    fame = rng.normal(0, 1, authors)
    lean = np.clip(np.round(3 - fame), 1, 5).astype(int)
    quintile = np.where(rng.random(n) < 0.6, lean[author], rng.integers(1, 6, n))
    mean = np.exp(2 + fame[author]) * np.where(quintile == 1, effect, 1)
    return rng.poisson(mean * rng.gamma(2, 0.5, n)), np.full(n, 100), quintile, author


@pytest.mark.parametrize("effect", [1.0, 1.3])
def test_planted_confounding_by_authors_is_removed(effect):
    rng = np.random.default_rng(2)
    held, wrong = 0, 0
    for _ in range(40):
        likes, followers, quintile, author = confounded(rng, effect, 100, 2000)
        followers[author % 3 == 0], followers[author % 3 == 1] = 700, 9000
        rows = prepare(Columns(likes, followers, quintile, author))
        within = within_author(rows).set_index("term").loc["quintile 1"]
        between = poisson(rows).set_index("term").loc["quintile 1"]
        held += within.low < effect < within.high
        wrong += not between.low < effect < between.high
    assert held >= 35 and wrong >= 30


def test_without_authors_there_is_no_such_variant():
    likes, followers, quintile, author = world(np.random.default_rng(3), n=2000)
    with pytest.warns(UserWarning, match="no author ids"):
        table = eq1_sensitivity(
            likes=likes, followers=followers, quintile=quintile, posts=author
        )
    assert not table["variant"].str.startswith(FIXED).any()


def test_authors_of_one_group_each_leave_the_variant_out():
    likes, followers, _, author = world(np.random.default_rng(4), n=2000)
    with pytest.warns(UserWarning, match="at least 2 authors with images of several"):
        table = eq1_sensitivity(
            likes=likes, followers=followers // 10**9 + author % 3 * 3000, quintile=author % 5 + 1, cluster=author
        )  # fmt: skip
    assert FIXED not in set(table["variant"])


def test_post_age_equals_statsmodels():
    rng = np.random.default_rng(5)
    likes, followers, quintile, author = world(rng, n=2000, authors=300)
    age = rng.uniform(0, 50, 2000)
    table = eq1_sensitivity(
        likes=likes, followers=followers, quintile=quintile, cluster=author, age=age
    )
    found = table[table["variant"] == "post age"]
    x = np.column_stack([
        np.ones(2000), (followers >= 500) & (followers <= 5000), followers > 5000,
        *(quintile == q for q in (1, 2, 3, 4)), np.log1p(np.floor(age)),
    ]).astype(float)  # fmt: skip
    fit = sm.GLM(likes, x, family=sm.families.Poisson()).fit(tol=1e-13)
    np.testing.assert_allclose(np.log(found["irr"]), fit.params, atol=1e-8)
    first = table[table["variant"] == "eq1"]
    np.testing.assert_allclose(
        first["irr"],
        eq1(likes=likes, followers=followers, quintile=quintile, cluster=author)["irr"],
    )


def test_authors_are_left_out_a_block_at_a_time(monkeypatch):
    rng = np.random.default_rng(9)
    likes, _, quintile, author = world(rng, n=2000, authors=90, frailty=1.0)
    columns = Columns(likes, np.full(2000, 900), quintile, author)
    whole = within_author(prepare(columns))
    monkeypatch.setattr(cluster_jackknife, "NUMBERS", 7 * 16)  # of seven authors
    in_blocks = within_author(prepare(columns))
    np.testing.assert_allclose(in_blocks["se"], whole["se"], rtol=1e-12)
    np.testing.assert_allclose(
        in_blocks["effective_clusters"], whole["effective_clusters"], rtol=1e-12
    )
