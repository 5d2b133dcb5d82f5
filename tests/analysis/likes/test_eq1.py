"""Eq (1) against statsmodels on every row, planted ratios, and the coverage of its intervals."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from support.simulated_likes import FEW, KINDS, PLANTED, coverage, world

from twigma.analysis.likes.eq1 import FOLLOWERS, QUINTILES, eq1, eq1_sensitivity


def design(followers, quintile):
    columns = [
        np.ones(len(quintile)),
        (followers >= 500) & (followers <= 5000),
        followers > 5000,
    ]
    return np.column_stack([*columns, *(quintile == q for q in (1, 2, 3, 4))]).astype(
        float
    )


def brute_force(y, x, author, family):
    """Coefficients, and standard errors of the jackknife: statsmodels without each author in turn."""

    def fit(rows):
        return sm.GLM(y[rows], x[rows], family=family).fit(tol=1e-13).params

    full = fit(np.ones(len(y), bool))
    change = np.array([fit(author != one) - full for one in np.unique(author)])
    groups = len(change)
    return full, np.sqrt((groups - 1) / groups * (change**2).sum(axis=0))


def test_paper_mode_equals_image_level_glm():
    likes, followers, quintile, _ = world(np.random.default_rng(1), frailty=1.0)
    followers[:3] = 500, 5000, 5001
    table = eq1(likes=likes, followers=followers, quintile=quintile, mode="paper")
    fit = sm.GLM(likes, design(followers, quintile), family=sm.families.Poisson()).fit(
        tol=1e-14, maxiter=200
    )
    assert np.abs(np.log(table["irr"]) - fit.params).max() < 1e-10
    assert np.abs(table["se"] - fit.bse).max() < 1e-10
    assert np.allclose(table["p"], fit.pvalues, rtol=1e-6, atol=1e-300)
    assert np.allclose(np.log(table[["low", "high"]]), fit.conf_int(), atol=1e-9)
    assert np.allclose(table["dispersion"], fit.pearson_chi2 / fit.df_resid, rtol=1e-10)
    assert table["term"].tolist() == ["intercept", *FOLLOWERS, *QUINTILES]
    assert set(table["se_kind"]) == {"naive"} and set(table["n"]) == {21_000}


def test_clustered_errors_equal_statsmodels():
    likes, followers, quintile, author = world(np.random.default_rng(2), frailty=1.0)
    table = eq1(
        likes=likes,
        followers=followers,
        quintile=quintile,
        cluster=[f"a{a}" for a in author],
        errors="sandwich",
    )
    cov = {"groups": author, "use_correction": False}
    model = sm.GLM(likes, design(followers, quintile), family=sm.families.Poisson())
    fit = model.fit(tol=1e-14, maxiter=200, cov_type="cluster", cov_kwds=cov)
    assert np.abs(np.log(table["irr"]) - fit.params).max() < 1e-10
    assert np.abs(table["se"] - fit.bse).max() < 1e-10
    paper = eq1(likes=likes, followers=followers, quintile=quintile, mode="paper")
    assert (
        np.allclose(table["irr"], paper["irr"], atol=0)
        and (table["se"] > paper["se"]).all()
    )
    assert set(table["se_kind"]) == {"author-clustered"} and set(table["clusters"]) == {
        len(set(author))
    }


def test_planted_ratios():
    likes, followers, quintile, author = world(np.random.default_rng(3))
    table = eq1(
        likes=likes, followers=followers, quintile=quintile, cluster=author
    ).set_index("term")
    for term, irr in PLANTED.items():
        assert abs(np.log(table.irr[term] / irr)) < 4 * table.se[term]
        assert table.se[term] < 0.01
    assert abs(table.dispersion.iloc[0] - 1) < 0.1


def test_falls_back_to_posts_and_counts_dropped_rows():
    likes, followers, quintile, author = world(np.random.default_rng(4), n=4000)
    frame = pd.DataFrame(
        {"likes": likes, "followers": followers, "post": author}
    ).astype("Int64")
    frame.loc[:9, "likes"] = pd.NA
    frame.loc[5:14, "followers"] = pd.NA
    frame.index = frame.index[::-1]  # rows are matched by position, not by label
    with pytest.warns(
        UserWarning, match="no author ids, so intervals are post-clustered"
    ):
        table = eq1(
            likes=frame["likes"],
            followers=frame["followers"],
            quintile=quintile,
            posts=frame["post"],
        )
    with pytest.warns(UserWarning, match="no author ids"):
        also = eq1(
            frame,
            likes="likes",
            followers="followers",
            quintile=quintile,
            cluster=[None] * 4000,
            posts="post",
        )
    pd.testing.assert_frame_equal(table, also)
    assert (
        set(table["dropped"]) == {15}
        and set(table["n"]) == {3985}
        and set(table["se_kind"]) == {"post-clustered"}
    )
    rest = eq1(
        likes=likes[15:],
        followers=followers[15:],
        quintile=quintile[15:],
        cluster=author[15:],
    )
    assert np.allclose(rest["se"], table["se"], atol=1e-12)


def test_rows_without_author_stand_alone():
    likes, followers, quintile, author = world(
        np.random.default_rng(5), n=3000, authors=300
    )
    names = pd.Series(author.astype(str), dtype=object)
    names[:100] = None
    alone = np.where(np.arange(3000) < 100, 10_000 + np.arange(3000), author)
    assert np.allclose(
        eq1(likes=likes, followers=followers, quintile=quintile, cluster=names)["se"],
        eq1(likes=likes, followers=followers, quintile=quintile, cluster=alone)["se"],
    )


def test_without_any_cluster_ids_is_heteroskedastic():
    likes, followers, quintile, _ = world(np.random.default_rng(6), n=3000, frailty=1.0)
    with pytest.warns(UserWarning, match="heteroskedastic"):
        table = eq1(
            likes=likes, followers=followers, quintile=quintile, errors="sandwich"
        )
    fit = sm.GLM(likes, design(followers, quintile), family=sm.families.Poisson()).fit(
        cov_type="HC0", tol=1e-14
    )
    assert np.abs(table["se"] - fit.bse).max() < 1e-9


@pytest.mark.filterwarnings("ignore:eq1. no author ids")
def test_rows_without_a_post_are_posts_of_their_own():
    likes, followers, quintile, _ = world(np.random.default_rng(8), n=1200)
    given = {"likes": likes, "followers": followers, "quintile": quintile}
    nameless = np.full(1200, np.nan)
    table = eq1_sensitivity(**given, posts=nameless)
    assert set(table["se_kind"]) == {"heteroskedastic"}
    pd.testing.assert_frame_equal(table, eq1_sensitivity(**given))
    half = np.where(np.arange(1200) < 600, np.arange(1200) // 2, np.nan)
    variants = eq1_sensitivity(**given, posts=half)
    assert set(variants["se_kind"]) == {"post-clustered"}
    assert set(variants[variants["variant"] == "post"]["n"]) == {900}


def test_sensitivity_variants_equal_statsmodels():
    rng = np.random.default_rng(7)
    likes, followers, quintile, author = world(
        rng, n=1500, authors=40, frailty=0.7, base=1.5
    )
    months, nsfw = (
        rng.integers(0, 4, size=1500),
        rng.integers(0, 2, size=1500).astype(bool),
    )
    similarity = quintile + rng.normal(size=1500)
    posts = np.arange(1500) // 2
    table = eq1_sensitivity(
        likes=likes,
        followers=followers,
        quintile=quintile,
        cluster=author,
        posts=posts,
        months=months,
        similarity=similarity,
        covariates={"nsfw": nsfw},
    )
    x = design(followers, quintile)
    z = (similarity - similarity.mean()) / similarity.std()
    cases = {
        "eq1": (likes, x, slice(None)),
        "winsorised": (np.minimum(likes, np.quantile(likes, 0.99)), x, slice(None)),
        "post": (likes, x, slice(None, None, 2)),
        "months": (
            likes,
            np.column_stack([x, *(months == m for m in (1, 2, 3))]),
            slice(None),
        ),
        "similarity": (likes, np.column_stack([x[:, :3], z]), slice(None)),
        "covariates": (likes, np.column_stack([x, nsfw]), slice(None)),
    }
    for variant, (y, matrix, rows) in cases.items():
        params, se = brute_force(
            y[rows], matrix[rows].astype(float), author[rows], sm.families.Poisson()
        )
        found = table[table["variant"] == variant]
        assert np.abs(np.log(found["irr"].to_numpy()) - params).max() < 1e-8, variant
        np.testing.assert_allclose(found["se"], se, rtol=1e-4, err_msg=variant)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nb = sm.NegativeBinomial(likes, x).fit(disp=0, maxiter=500, method="bfgs")
    found = table[table["variant"] == "nb2"]
    assert np.abs(np.log(found["irr"].to_numpy()) - nb.params[:-1]).max() < 1e-4
    assert abs(found["dispersion"].iloc[0] / nb.params[-1] - 1) < 1e-3
    family = sm.families.NegativeBinomial(alpha=found["dispersion"].iloc[0])
    np.testing.assert_allclose(
        found["se"], brute_force(likes, x, author, family)[1], rtol=1e-4
    )


def test_degenerate_inputs():
    likes, followers, quintile, author = world(np.random.default_rng(8), n=1000)
    cases = [
        ("no row has likes", {"likes": [None] * 1000}),
        ("no row has likes", {"likes": np.full(1000, np.nan)}),
        (
            "no rows have .*quintile 2",
            {"quintile": np.where(quintile == 2, 3, quintile)},
        ),
        ("a reference is empty", {"quintile": np.where(quintile == 5, 3, quintile)}),
        (
            "no row with 'quintile 3' has a like",
            {"likes": np.where(quintile == 3, 0, likes)},
        ),
        ("no image has a like", {"likes": np.zeros(1000)}),
        (r"expected quintiles 1 to 5, found \[6.0\]", {"quintile": quintile + 1.0}),
        ("at least 0", {"likes": likes - 1000}),
        ("at least 2 clusters, found 1", {"cluster": np.zeros(1000)}),
        ("expected mode", {"mode": "naive"}),
        ("expected errors 'jackknife'", {"errors": "HC1"}),
    ]
    for message, changed in cases:
        arguments = {
            "likes": likes,
            "followers": followers,
            "quintile": quintile,
            "cluster": author,
        } | changed
        with pytest.raises(ValueError, match=message):
            eq1(**arguments)
    with pytest.warns(UserWarning, match="only 10 clusters"):
        eq1(likes=likes, followers=followers, quintile=quintile, cluster=author % 10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_coverage(kind):
    """Nominal 95% intervals: those of the jackknife hold, naive ones only for Poisson counts.

    `docs/studies/eq1_coverage.md` shows more of them.
    """
    found = coverage(kind).groupby("interval")["coverage"].mean()
    assert found["jackknife"] >= 0.93
    if kind in FEW:
        assert found["by author"] < found["jackknife"] - 0.02
    assert found["naive"] >= 0.9 if kind == "Poisson" else found["naive"] < 0.2
