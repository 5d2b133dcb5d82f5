"""The cluster jackknife against refits by statsmodels and scipy's t, and terms that rest on one author."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from support.simulated_likes import posted, world

from tests.analysis.likes.test_eq1 import brute_force, design
from twigma.analysis.inference.blocks import effective_number
from twigma.analysis.likes.eq1 import eq1


def test_intervals_are_refits_without_each_author_and_t():
    likes, followers, quintile, author = world(
        np.random.default_rng(1), n=3000, authors=25, frailty=1.0
    )
    with pytest.warns(UserWarning, match="only 25 clusters"):
        table = eq1(likes=likes, followers=followers, quintile=quintile, cluster=author)
    params, se = brute_force(
        likes, design(followers, quintile), author, sm.families.Poisson()
    )
    np.testing.assert_allclose(table["se"], se, rtol=1e-8)
    low, high = stats.t.interval(0.95, 24, loc=params, scale=se)
    np.testing.assert_allclose(np.log(table["low"]), low, rtol=1e-7)
    np.testing.assert_allclose(np.log(table["high"]), high, rtol=1e-7)
    p = 2 * stats.t.sf(np.abs(params) / se, 24)
    np.testing.assert_allclose(table["p"], p, rtol=1e-6)
    assert set(table["se_method"]) == {"jackknife"}


def test_effective_clusters_are_of_the_influences():
    likes, followers, quintile, author = world(
        np.random.default_rng(2), n=3000, authors=50, frailty=1.0
    )
    table = eq1(likes=likes, followers=followers, quintile=quintile, cluster=author)
    x = design(followers, quintile)
    fit = sm.GLM(likes, x, family=sm.families.Poisson()).fit(tol=1e-13)
    score = (likes - fit.mu)[:, None] * x @ fit.normalized_cov_params
    sums = np.array([score[author == one].sum(axis=0) for one in np.unique(author)])
    expected = (sums**2).sum(axis=0) ** 2 / (sums**4).sum(axis=0)
    np.testing.assert_allclose(table["effective_clusters"], expected, rtol=1e-6)
    assert (table["effective_clusters"] < 50).all()


def test_equal_authors_count_in_full_and_one_loud_author_as_one():
    influence = np.column_stack([np.tile([1.0, -1.0], 20), np.eye(40)[0]])
    assert effective_number(influence).tolist() == [40, 1]


def test_small_steps_are_accurate_enough(monkeypatch):
    """Of 2,000 authors most are left out by one Newton step: as exact to four digits."""
    likes, followers, quintile, author, _ = posted(
        np.random.default_rng(3), "author and post frailty"
    )
    given = {"likes": likes, "followers": followers, "quintile": quintile}
    quick = eq1(**given, cluster=author)["se"]
    monkeypatch.setattr("twigma.analysis.inference.cluster_jackknife.SMALL_STEP", 0.0)
    exact = eq1(**given, cluster=author)["se"]
    np.testing.assert_allclose(quick, exact, rtol=5e-4)
    assert not np.array_equal(quick, exact)


def test_a_term_that_rests_on_one_author_has_no_interval():
    likes, followers, quintile, author = world(
        np.random.default_rng(4), n=3000, authors=60
    )
    followers = np.where(author == 7, 6000, 10)
    followers[author == 8] = 700
    followers[author == 9] = 800
    with pytest.warns(UserWarning, match="no interval for followers > 5000: it rests"):
        table = eq1(
            likes=likes, followers=followers, quintile=quintile, cluster=author
        ).set_index("term")
    assert np.isnan(
        table.loc["followers > 5000", ["low", "high", "p"]].astype(float)
    ).all()
    others = table.drop("followers > 5000")
    assert np.isfinite(others[["low", "high"]]).all(axis=None)


def test_likes_of_one_author_alone_give_no_interval():
    """Without that author, a group has images but no like."""
    likes, followers, quintile, author = world(
        np.random.default_rng(5), n=3000, authors=60
    )
    likes = np.where((quintile == 2) & (author != 7), 0, likes)
    with pytest.warns(UserWarning, match="no interval for quintile 2"):
        table = eq1(
            likes=likes, followers=followers, quintile=quintile, cluster=author
        ).set_index("term")
    assert np.isnan(table.loc["quintile 2", "low"])
    assert np.isfinite(table.loc["quintile 1", ["low", "high"]].astype(float)).all()
