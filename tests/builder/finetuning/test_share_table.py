"""The table that shows whether the comparison was fair: against pandas, and what it says where it was not."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.builder.finetuning.share_table import (
    follower_tenths,
    margin_range,
    markdown_table,
    share_table,
    uneven_sentence,
    unknown_sentence,
)

from .worlds import nonlinear_followers, table


def none_of(posts):
    return np.zeros(len(posts), bool)


def test_every_image_is_in_one_stratum_and_the_counts_are_those_of_pandas():
    posts = nonlinear_followers(0)
    rng = np.random.default_rng(0)
    chosen, over = rng.random(len(posts)) < 0.1, rng.random(len(posts)) < 0.2
    strata = share_table(posts, chosen, over, chosen & (rng.random(len(posts)) < 0.5))
    assert sum(each.images for each in strata) == len(posts)
    assert sum(each.chosen for each in strata) == chosen.sum()
    frame = posts.to_pandas().assign(chosen=chosen, over=over)
    frame["year"] = frame["created_at"].dt.strftime("%Y")
    for each in strata:
        count = frame["follower_count"]
        rows = frame[count.isna() & (frame["year"] == each.year)]
        if each.followers != "unknown":
            inside = count.between(each.fewest_followers, each.most_followers)
            rows = frame[inside & (frame["year"] == each.year)]
        assert each.images == len(rows)
        assert each.chosen == rows["chosen"].sum()
        assert each.over_author == rows["over"].sum()
        assert each.without_likes == (rows["like_count"] == 0).sum()
        assert each.share == pytest.approx(rows["chosen"].mean())
    assert {each.followers for each in strata} == {*map(str, range(1, 11)), "unknown"}


def test_tenths_are_those_of_pandas():
    followers = np.random.default_rng(0).lognormal(6, 2, 1000)
    expected = pd.qcut(followers, 10, labels=False)
    assert (follower_tenths(followers) == expected).all()
    assert follower_tenths(np.array([np.nan, np.nan])).tolist() == [10, 10]


def test_an_uneven_choice_is_named_with_its_reasons():
    n = 2000
    followers = np.arange(n, dtype=float)
    likes = np.where(np.arange(n) < 200, 0, 5)
    posts = table(likes, followers, np.linspace(0, 700, n), np.arange(n))
    level = np.arange(n) % 10 == 0
    assert uneven_sentence(share_table(posts, level, none_of(posts), level)) == ""
    uneven = level & (likes > 0)
    sentence = uneven_sentence(share_table(posts, uneven, none_of(posts), uneven))
    assert sentence.startswith("chosen is 9.0% of all images, but 0.0% of those with ")
    assert "0 to 199 followers (100% have no likes, 0% are over" in sentence
    ranges = margin_range(share_table(posts, uneven, none_of(posts), uneven))
    assert ranges.startswith("0.0% to 10.0% in the tenths by followers, ")


def test_the_table_that_is_read():
    posts = table(
        np.full(4, 3), np.array([5.0, 5, np.nan, 5]), [0, 400, 0, 1], range(4)
    )
    chosen = np.array([True, False, False, False])
    strata = share_table(posts, chosen, none_of(posts), chosen)
    assert markdown_table(strata).splitlines() == [
        "| followers | 2021 | 2022 | share |",
        "|---|---:|---:|---:|",
        "| 5 to 5 | 1 of 2 | 0 of 1 | 33.3% |",
        "| unknown | 0 of 1 | – | 0.0% |",
    ]


def test_a_table_without_followers_or_dates_is_one_stratum():
    posts = nonlinear_followers(0).slice(0, 50).drop_columns("follower_count")
    empty = pa.nulls(50, pa.timestamp("ms"))
    posts = posts.set_column(2, "created_at", empty)
    all_rows = np.ones(50, bool)
    (only,) = share_table(posts, all_rows, ~all_rows, all_rows)
    assert (only.followers, only.year, only.share) == ("unknown", "unknown", 1.0)


def test_followers_or_dates_that_are_not_known_are_not_spoken_of():
    all_rows = np.ones(20, bool)

    def strata_of(posts):
        return share_table(posts, all_rows, ~all_rows, all_rows)

    posts = table(np.full(20, 3), np.arange(20.0), np.arange(20.0), range(20))
    no_dates = posts.set_column(2, "created_at", pa.nulls(20, pa.timestamp("ms")))
    both = strata_of(posts)
    assert unknown_sentence(both) == ""
    no_followers = strata_of(posts.drop_columns("follower_count"))
    assert margin_range(no_followers) == "100.0% in the years"
    assert unknown_sentence(no_followers) == (
        "followers are not known, so compared by time alone"
    )
    assert markdown_table(no_followers).splitlines() == [
        "| chosen | 2021 | share |",
        "|---|---:|---:|",
        "| all | 20 of 20 | 100.0% |",
    ]
    undated = strata_of(no_dates)
    assert margin_range(undated) == "100.0% in the tenths by followers"
    assert unknown_sentence(undated) == (
        "dates are not known, so compared by followers alone"
    )
    assert markdown_table(undated).startswith("| followers | images | share |")
    neither = strata_of(no_dates.drop_columns("follower_count"))
    assert margin_range(neither) == "100.0% of all images"
    assert "neither followers nor dates" in unknown_sentence(neither)
