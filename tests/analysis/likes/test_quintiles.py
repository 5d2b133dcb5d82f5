"""Quintiles against pandas, likes by quintile against NumPy and statsmodels, and columns matched by their index."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from twigma.analysis.likes.quintiles import likes_by_quintile, quintiles


@pytest.mark.parametrize("n", [5, 23, 1000, 10_007])
def test_quintiles_equal_pandas(n):
    values = np.random.default_rng(n).normal(size=n).round(6)
    found = quintiles(values)
    assert found.dtype == np.int8
    assert (found == pd.qcut(values, 5, labels=False) + 1).all()


def test_likes_by_quintile():
    rng = np.random.default_rng(5)
    quintile = rng.integers(1, 6, 4000)
    likes = rng.poisson(quintile * 3).astype(float)
    likes[::7] = np.nan
    table = likes_by_quintile(quintile, likes)
    assert table.columns.tolist() == ["quintile", "n", "mean", "low", "high"]
    for row in table.itertuples():
        y = likes[(quintile == row.quintile) & ~np.isnan(likes)]
        assert row.n == len(y)
        half = 1.96 * y.std(ddof=1) / np.sqrt(len(y))
        assert np.allclose(
            [row.mean, row.low, row.high],
            [y.mean(), y.mean() - half, y.mean() + half],
            atol=1e-12,
        )
    nullable = pd.Series(likes).astype("Int64")
    pd.testing.assert_frame_equal(likes_by_quintile(quintile, nullable), table)


@pytest.fixture
def images(rng):
    n = 600
    author = rng.integers(0, 60, n)
    frame = pd.DataFrame(
        {
            "similarity": rng.normal(size=n),
            "likes": rng.poisson(9 + author).astype(float),
            "weight": rng.choice([1.0, 4.0], n),
            "author": [f"a{a}" for a in author],
        }
    )
    frame["quintile"] = quintiles(frame["similarity"])
    return frame


def of_frame(frame, *extra):
    return likes_by_quintile(
        frame["quintile"], frame["likes"], frame["weight"], frame["author"], *extra
    )


def test_columns_of_a_sorted_table_stay_together(images):
    """Weights went to the rows that had their number before the sort."""
    in_order = images.sort_values("similarity")
    pd.testing.assert_frame_equal(of_frame(in_order), of_frame(images))
    arrays = [in_order[name].to_numpy() for name in ("quintile", "likes", "weight")]
    pd.testing.assert_frame_equal(
        likes_by_quintile(*arrays, in_order["author"].tolist()), of_frame(images)
    )


def test_series_are_matched_by_index_and_arrow_columns_by_position(images):
    shuffled = images["weight"].sample(frac=1, random_state=1)
    expected = of_frame(images)
    mixed = likes_by_quintile(
        images["quintile"], images["likes"], shuffled, images["author"]
    )
    pd.testing.assert_frame_equal(mixed, expected)
    table = pa.Table.from_pandas(images)
    columns = [table[name] for name in ("quintile", "likes", "weight", "author")]
    pd.testing.assert_frame_equal(likes_by_quintile(*columns), expected)


def test_columns_that_cannot_be_matched_are_refused(images):
    quintile, likes = images["quintile"], images["likes"]
    with pytest.raises(ValueError, match="weights: expected the labels of the other"):
        likes_by_quintile(quintile, likes, images["weight"].iloc[::-1].iloc[:-1])
    with pytest.raises(ValueError, match="weights: expected the labels of the other"):
        likes_by_quintile(quintile, likes, images["weight"].rename(index={3: 4}))
    with pytest.raises(ValueError, match="columns of one length"):
        likes_by_quintile(quintile, likes, np.ones(9))


def test_degenerate_inputs():
    for bad in (np.ones(10), np.array([1, 2, 3, np.nan, 5, 6]), np.arange(4)):
        with pytest.raises(ValueError, match="quintiles"):
            quintiles(bad)
    with pytest.raises(ValueError, match="every like count is null"):
        likes_by_quintile(np.array([1, 2]), [None, None])


def test_likes_by_author_have_the_interval_of_means_without_each_author(rng):
    author = rng.integers(0, 40, 900)
    likes = rng.poisson(20 * rng.gamma(2, 0.5, 40)[author]).astype(float)
    likes[:7] = np.nan
    quintile, names = (
        rng.integers(1, 6, 900),
        [None if a == 0 else f"a{a}" for a in author],
    )
    alone = np.where(author == 0, 1000 + np.arange(900), author)
    table = likes_by_quintile(quintile, likes, blocks=names).set_index("quintile")
    for q in range(1, 6):
        rows = (quintile == q) & ~np.isnan(likes)
        y, owner = likes[rows], alone[rows]
        owners, sizes = np.unique(owner, return_counts=True)
        without = np.array([y[owner != one].mean() for one in owners])
        count = len(owners)
        se = np.sqrt((count - 1) / count * np.sum((without - y.mean()) ** 2))
        freedom = (sizes**2).sum() ** 2 / (sizes**4).sum() - 1
        limits = stats.t.interval(0.95, freedom, y.mean(), se)
        found = table.loc[q, ["robust_low", "robust_high"]].to_numpy(float)
        assert found == pytest.approx(limits)
    pd.testing.assert_frame_equal(table.reset_index()[["quintile", "n", "mean", "low", "high"]],
                                  likes_by_quintile(quintile, likes))  # fmt: skip
