"""The rate ratio of NSFW images against statsmodels, and planted truths behind confounding."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from twigma.analysis.likes.nsfw import nsfw_likes


def posts(rng, effect, n=4000, authors=150):
    """Famous authors, later months and topic 3 are NSFW more often, and are liked more."""
    author, topic = rng.integers(0, authors, n), rng.integers(0, 4, n)
    month, fame = rng.integers(0, 5, n), rng.normal(0, 1, authors)
    nsfw = rng.random(n) < 1 / (1 + np.exp(2 - fame[author] - topic))
    followers = rng.integers(0, 8000, authors)[author]
    rate = 2 + np.log(effect) * nsfw + fame[author] + 0.2 * topic + 0.1 * month
    likes = rng.poisson(np.exp(rate) * rng.gamma(2, 0.5, n))
    return likes, nsfw, {
        "followers": followers, "topics": topic, "months": month, "cluster": author
    }  # fmt: skip


def test_equal_to_statsmodels_on_every_row():
    likes, nsfw, given = posts(np.random.default_rng(1), 1.3)
    table = nsfw_likes(likes, nsfw, **given).set_index("adjusted")
    assert list(table.index) == [
        "nothing", "followers", "followers, topic, month", "author, topic, month"
    ]  # fmt: skip
    f = given["followers"]
    groups = [(f >= 500) & (f <= 5000), f > 5000]
    more = [given["topics"] == k for k in (1, 2, 3)]
    more += [given["months"] == k for k in (1, 2, 3, 4)]
    for adjusted, columns in (
        ("nothing", []),
        ("followers", groups),
        ("followers, topic, month", [*groups, *more]),
    ):
        x = np.column_stack([np.ones(len(likes)), nsfw, *columns]).astype(float)
        fit = sm.GLM(likes, x, family=sm.families.Poisson()).fit(tol=1e-13)
        assert table.loc[adjusted, "irr"] == pytest.approx(np.exp(fit.params[1]))
    assert set(table["se_method"]) == {"jackknife"}


@pytest.mark.parametrize("effect", [1.0, 1.3])
def test_within_authors_the_planted_ratio_is_recovered(effect):
    rng = np.random.default_rng(2)
    held, wrong = 0, 0
    for _ in range(8):
        likes, nsfw, given = posts(rng, effect, 1500, 80)
        table = nsfw_likes(likes, nsfw, **given).set_index("adjusted")
        within = table.loc["author, topic, month"]
        held += within.low < effect < within.high
        wrong += table.loc["nothing", "low"] > effect
    assert held >= 6 and wrong >= 7


def test_incomplete_rows_are_left_out_of_all_and_counted():
    likes, nsfw, given = posts(np.random.default_rng(3), 1.0)
    flags = np.array(nsfw, dtype=object)
    flags[:7] = None
    table = nsfw_likes(likes, flags, **given)
    rest = {name: values[7:] for name, values in given.items()}
    alone = nsfw_likes(likes[7:], nsfw[7:], **rest)
    np.testing.assert_allclose(table["irr"], alone["irr"])
    assert set(table["n"][:3]) == {3993} and set(table["dropped"][:3]) == {7}


def test_without_authors_posts_are_left_out_one_by_one():
    likes, nsfw, given = posts(np.random.default_rng(4), 1.0, 1000)
    del given["cluster"]
    with pytest.warns(UserWarning, match="no author ids, so intervals are post-clus"):
        table = nsfw_likes(likes, nsfw, **given, posts=np.arange(1000) // 2)
    assert not table["adjusted"].str.startswith("author").any()
    assert set(table["se_kind"]) == {"post-clustered"}


def test_topics_that_are_all_nsfw_say_why_there_is_no_ratio():
    likes, _, given = posts(np.random.default_rng(5), 1.0, 1000)
    with (
        pytest.warns(UserWarning, match="no ratio adjusted for author, topic"),
        pytest.warns(UserWarning, match="no ratio adjusted for followers, topic"),
    ):
        table = nsfw_likes(likes, given["topics"] == 3, **given)
    assert table["adjusted"].tolist() == ["nothing", "followers"]


def test_no_nsfw_image_is_an_error():
    likes, nsfw, given = posts(np.random.default_rng(6), 1.0, 500)
    with pytest.raises(ValueError, match="no row has likes"):
        nsfw_likes(likes, [None] * 500, **given)
    with pytest.raises(ValueError, match="no row with 'nsfw' has a like"):
        nsfw_likes(np.where(nsfw, 0, likes), nsfw, **given)


@pytest.mark.parametrize(
    ("score", "found"), [(False, "none"), (True, "every one")], ids=["none", "all"]
)
def test_images_of_one_kind_are_told_of(score, found):
    likes, _, given = posts(np.random.default_rng(7), 1.0, 500)
    flags = pd.Series([None] + [score] * 499)
    with pytest.raises(ValueError, match=f"of 499 images .* {found} is scored above"):
        nsfw_likes(likes, flags, **given)
    # A single row is of one kind too.
    one = pd.Series([None] * 499 + [score])
    with pytest.raises(ValueError, match=f"of 1 image .* {found} is scored above"):
        nsfw_likes(likes, one, **given)


def test_no_author_with_both_kinds_has_no_ratio_within_authors():
    likes, _, given = posts(np.random.default_rng(8), 1.0, 1000)
    nsfw = given["cluster"] % 2 == 0
    with pytest.warns(UserWarning, match="no author with likes has both kinds"):
        table = nsfw_likes(likes + 1, nsfw, **given)
    assert not table["adjusted"].str.startswith("author").any()
