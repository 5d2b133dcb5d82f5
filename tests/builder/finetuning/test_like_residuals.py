"""Residual likes and their percentiles: against statsmodels and brute force."""

import datetime

import numpy as np
import pyarrow as pa
import statsmodels.api as sm
from scipy import stats

from twigma.builder.finetuning.like_residuals import (
    follower_percentiles,
    residual_likes,
)
from twigma.core import columns

START = datetime.datetime(2022, 1, 1)


def make(n=400, seed=0, authors=40):
    """Posts whose likes follow followers and month, some unknown; every fourth post has two images."""
    rng = np.random.default_rng(seed)
    followers = rng.lognormal(6, 2, n).astype(int)
    month = rng.integers(0, 6, n)
    likes = rng.poisson(np.exp(0.5 * np.log1p(followers) + 0.3 * month - 1))
    rows = {
        "id": [str(10**18 + (i - 1 if i % 4 == 1 else i)) for i in range(n)],
        "image_name": [str(2 * 10**18 + i) for i in range(n)],
        "created_at": [
            START + datetime.timedelta(days=int(30 * m + i % 29))
            for i, m in enumerate(month)
        ],
        "like_count": likes.tolist(),
        "follower_count": [
            None if i % 10 == 0 else int(f) for i, f in enumerate(followers)
        ],
        "author_id": [None if i % 25 == 0 else str(i % authors) for i in range(n)],
    }
    return pa.table(
        {
            name: pa.array(values, columns.COLUMNS[name].type)
            for name, values in rows.items()
        }
    )


def test_the_residual_is_that_of_statsmodels():
    table = make()
    frame = table.to_pandas()
    frame["known"] = frame["follower_count"].notna().astype(float)
    frame["followers"] = np.log1p(frame["follower_count"].fillna(0))
    frame["month"] = frame["created_at"].dt.strftime("%Y-%m")
    knots = frame["followers"][frame["known"] == 1].quantile(np.arange(0.1, 0.95, 0.1))
    for knot in knots:
        frame[f"over {knot}"] = (frame["followers"] - knot).clip(lower=0)
    slopes = [name for name in frame if str(name).startswith("over")]
    design = (
        frame[["followers", "known", *slopes]]
        .join(frame["month"].str.get_dummies())
        .astype(float)
    )
    likes = np.log1p(frame["like_count"])
    first = ~frame["id"].duplicated()
    fit = sm.OLS(likes[first], design[first]).fit()
    np.testing.assert_allclose(
        residual_likes(table), likes - fit.predict(design), atol=1e-7
    )


def test_followers_and_month_say_nothing_about_the_residual():
    table = make(4000, authors=4000)
    residual, frame = residual_likes(table), table.to_pandas()
    known = frame["follower_count"].notna()
    assert (
        abs(
            np.corrcoef(residual[known], np.log1p(frame["follower_count"][known]))[0, 1]
        )
        < 0.05
    )
    months = frame.assign(r=residual).groupby(frame["created_at"].dt.month)["r"].mean()
    assert months.abs().max() < 0.1
    raw = np.corrcoef(
        np.log1p(frame["like_count"][known]), np.log1p(frame["follower_count"][known])
    )[0, 1]
    assert raw > 0.7  # what a plain ranking would have picked


def test_a_percentile_is_that_of_scipy_among_the_nearest_in_followers():
    rng = np.random.default_rng(0)
    residuals = np.round(rng.normal(size=200), 1)
    followers = rng.permutation(200).astype(float)
    followers[:60] = np.nan
    percentiles = follower_percentiles(residuals, followers, 21)
    order = np.argsort(followers)[:140]
    for place in (0, 9, 50, 130, 139):
        start = min(max(place - 10, 0), 140 - 21)
        around = residuals[order[start : start + 21]]
        own = residuals[order[place]]
        expected = stats.percentileofscore(around, own, kind="mean") / 100
        np.testing.assert_allclose(percentiles[order[place]], expected)
    few = follower_percentiles(residuals[:5], followers[:5], 21)
    expected = stats.rankdata(residuals[:5]) - 0.5
    np.testing.assert_allclose(few, expected / 5)


def test_a_month_in_which_no_post_begins_leaves_numbers():
    """Its only image is the second one of a post of another month, or of one unknown."""
    for when in (datetime.datetime(2023, 5, 5), None):
        table = make(40)
        times = table["created_at"].to_pylist()
        times[1] = when
        place = table.column_names.index("created_at")
        column = pa.array(times, columns.COLUMNS["created_at"].type)
        residuals = residual_likes(table.set_column(place, "created_at", column))
        assert np.isfinite(residuals).all()
