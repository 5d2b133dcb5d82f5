"""Months, growth, words and shares against pandas, statsmodels and plain counting."""

import doctest
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from twigma.analysis.themes import timeline, words


def test_posts_are_counted_once_and_empty_months_are_zero(planted):
    table = planted.rows
    kept = table.filter(
        pa.array(
            [d.month != 5 or d.year != 2022 for d in table["created_at"].to_pylist()]
        )
    )
    found = timeline.posts_per_month(kept).set_index("month")
    frame = kept.to_pandas()
    assert list(found.index) == [
        str(m) for m in pd.period_range("2022-01", "2023-02", freq="M")
    ]
    assert found.loc["2022-05", ["posts", "images"]].tolist() == [0, 0]
    month = frame["created_at"].dt.strftime("%Y-%m")
    for name, rows in frame.groupby(month):
        assert found.loc[name, "posts"] == len(set(rows["id"]))
        assert found.loc[name, "images"] == len(set(rows["image_name"]))
    assert found["posts"].sum() < found["images"].sum()  # some posts have two photos


def test_months_are_utc_and_need_a_date(planted):
    late = pa.table(
        {
            "id": ["1", "2"],
            "image_name": ["1", "2"],
            "created_at": pa.array(
                [1640995199999, None], pa.timestamp("ms")
            ),  # a millisecond before 2022
        }
    )
    assert timeline.posts_per_month(late)["month"].tolist() == ["2021-12"]
    with pytest.raises(ValueError, match="no row has a created_at"):
        timeline.posts_per_month(late.slice(1))


@pytest.mark.parametrize(
    "posts",
    [[3, 5, 0, 9, 14, 30, 28, 60], [90, 70, 30, 41, 12, 3, 1], [10, 12, 9, 11, 10]],
)
def test_growth_is_statsmodels_quasi_poisson(posts):
    import statsmodels.api as sm

    found = timeline.growth(pd.DataFrame({"posts": posts}))
    model = sm.GLM(
        posts, sm.add_constant(np.arange(len(posts))), family=sm.families.Poisson()
    )
    fit = model.fit(scale="X2", use_t=True)
    assert found["value"] == pytest.approx(np.expm1(fit.params[1]), abs=1e-8)
    assert found["dispersion"] == pytest.approx(fit.scale, rel=1e-6)
    # Where months depended on one another the interval would be wider than that of months taken as independent.
    low, high = np.expm1(fit.conf_int()[1])
    assert high - low <= 1.05 * (found["high"] - found["low"])
    assert found["low"] < found["value"] < found["high"]


def test_growth_of_authors_who_post_for_months():
    """Each posts for half a year on average: the rate is held as often as an interval of 95% should."""
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        begins = np.arange(-18, 27)
        weights = 1.05**begins
        start = rng.choice(begins, 100, p=weights / weights.sum())
        length = rng.geometric(1 / 6, 100)
        author = np.repeat(np.arange(100), 30)
        month = start[author] + np.floor(rng.random(3000) * length[author]).astype(int)
        months = np.bincount(month[(month >= 0) & (month < 27)], minlength=27)
        found = timeline.growth(pd.DataFrame({"posts": months}))
        inside.append(found.low <= 0.05 <= found.high)
    assert np.mean(inside) >= 0.88


def test_growth_finds_the_planted_rate_and_needs_four_months(planted):
    found = timeline.growth(timeline.posts_per_month(planted.rows))
    assert found["low"] < 0.12 < found["high"]
    assert found["doubling"] == pytest.approx(np.log(2) / np.log1p(found["value"]))
    assert np.isnan(timeline.growth(pd.DataFrame({"posts": [9, 6, 4, 2]}))["doubling"])
    with pytest.raises(ValueError, match="at least 4 months"):
        timeline.growth(pd.DataFrame({"posts": [5, 3, 0, 6]}))


def test_cluster_shares_are_pandas_crosstab(planted):
    found = timeline.cluster_share(planted.rows)
    frame = planted.rows.to_pandas()
    expected = pd.crosstab(
        frame["created_at"].dt.strftime("%Y-%m"),
        frame["label_10_cluster"],
        normalize="index",
    )
    wide = found.pivot(index="month", columns="cluster", values="share")
    np.testing.assert_allclose(wide.to_numpy(), expected.to_numpy(), atol=1e-12)
    assert found.groupby("month")["share"].sum().to_numpy() == pytest.approx(1)
    assert list(found.columns) == ["month", "cluster", "n", "share"]


def test_words_of_posts_are_counted_by_hand():
    texts = [
        "RT @bob: New AI art! https://t.co/a #aiart",
        "The new robot's Art &amp; the ART",
        "=1+1 2023 ok",
        None,
    ]
    table = pa.table({"id": ["1", "2", "3", "4"], "text": texts})
    twice = pa.concat_tables([table, table])  # two photos on each post
    found = timeline.frequent_words(twice)
    expected = Counter({"art": 3, "new": 2, "ai": 1, "ok": 1, "robot": 1})
    assert dict(zip(found["word"], found["count"], strict=True)) == expected
    assert found["word"].tolist()[:2] == ["art", "new"]
    assert found["share"].sum() == pytest.approx(1)


def test_words_of_any_script_and_doctests():
    assert words.tokens("自動生成 画像 été e\u0301t I can't") == [
        "自動生成",
        "画像",
        "été",
    ]
    assert doctest.testmod(words).failed == 0


def test_no_words_are_refused():
    with pytest.raises(ValueError, match="1 posts"):
        timeline.frequent_words(pa.table({"id": ["1"], "text": ["the 1 2 3"]}))


def daily(first, last, per_day, seed=0):
    """Posts from one day to another, Poisson a day, [n] ids and dates."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(first, last, freq="D")
    rate = np.broadcast_to(per_day, len(days))
    dates = np.repeat(days.to_numpy(), rng.poisson(rate))
    dates = dates + rng.integers(0, 86_400, len(dates)).astype("m8[s]")
    return as_posts(dates)


def as_posts(dates, **extra):
    ids = [str(i) for i in range(len(dates))]
    dates = pa.array(np.asarray(dates, "M8[ms]"))
    return pa.table({"id": ids, "image_name": ids, "created_at": dates, **extra})


def test_a_month_that_is_cut_off_counts_by_its_days():
    """Steady posts, collected from 20 January to 4 June: no growth, and no fall at the end."""
    months = timeline.posts_per_month(daily("2022-01-20", "2022-06-04", 30))
    assert months["days"].tolist() == [12, 28, 31, 30, 31, 4]
    assert months["cut"].tolist() == [True, False, False, False, False, True]
    growth = timeline.growth(months)
    assert growth.low < 0 < growth.high and abs(growth.value) < 0.03
    whole = timeline.growth(months.drop(columns="days"))
    assert whole.value < growth.value and whole.dispersion > 20 * growth.dispersion


def test_planted_growth_is_recovered_with_cut_months():
    days = pd.date_range("2021-01-15", "2023-03-09", freq="D")
    month = np.asarray(days.year * 12 + days.month) - 2021 * 12 - 1
    inside, without_days = [], []
    for seed in range(30):
        table = timeline.posts_per_month(
            daily(days[0], days[-1], 4 * 1.05**month, seed)
        )
        assert table["cut"].to_numpy().nonzero()[0].tolist() == [0, 26]
        growth = timeline.growth(table)
        inside.append(growth.low <= 0.05 <= growth.high)
        without_days.append(timeline.growth(table.drop(columns="days")).value)
    assert np.mean(inside) >= 0.85
    assert np.mean(without_days) < 0.045


@pytest.mark.parametrize("posts", [1, 2, 5])
def test_few_posts_do_not_cut_a_month(posts):
    """With a post a week nothing says that a collection began with the first one."""
    days = pd.date_range("2022-01-09", periods=posts, freq="7D")
    later = pd.date_range("2022-02-03", "2022-04-20", freq="7D")
    months = timeline.posts_per_month(as_posts([*days, *later]))
    assert not months["cut"].any() and months["days"].tolist()[:2] == [31, 28]


def test_a_burst_of_one_day_does_not_cut_a_month():
    burst = [pd.Timestamp("2022-01-25")] * 50
    later = pd.date_range("2022-02-01", "2022-03-31", freq="D")
    assert not timeline.posts_per_month(as_posts([*burst, *later]))["cut"].any()


def test_months_without_images_are_rows_without_a_share():
    dates = ["2022-01-05", "2022-01-06", "2022-04-05", "2022-05-05"]
    table = as_posts(dates, label_10_cluster=pa.array([1, 2, 2, 2], pa.int32()))
    found = timeline.cluster_share(table)
    wide = found.pivot(index="month", columns="cluster", values="share")
    assert wide.index.tolist() == [f"2022-0{month}" for month in range(1, 6)]
    assert wide.loc["2022-01"].tolist() == [0.5, 0.5]
    assert wide.loc[["2022-02", "2022-03"]].isna().all(axis=None)
    assert found.loc[found["month"] == "2022-02", "n"].tolist() == [0, 0]


def test_weights_belong_to_their_rows():
    """Rows without a date or a cluster are left out with their weights, in whichever chunk they are."""
    rng = np.random.default_rng(4)
    n = 300
    dates = [pd.Timestamp("2022-01-10") + pd.Timedelta(days=int(d)) for d in range(n)]
    created = [None if i % 7 == 0 else dates[i] for i in rng.permutation(n)]
    clusters = [None if i % 5 == 0 else int(i % 3) for i in rng.permutation(n)]
    weights = rng.uniform(1, 50, n)
    table = pa.table(
        {
            "id": [str(i) for i in range(n)],
            "image_name": [str(i) for i in range(n)],
            "created_at": pa.array(created, pa.timestamp("ms")),
            "label_10_cluster": pa.array(clusters, pa.int32()),
            "sample_weight": weights,
        }
    )
    table = pa.concat_tables([table.slice(0, 37), table.slice(37)])
    posts, inside, total = Counter(), Counter(), Counter()
    for date, cluster, weight in zip(created, clusters, weights, strict=True):
        if date is None:
            continue
        month = f"{date:%Y-%m}"
        posts[month] += weight
        if cluster is not None:
            inside[month, cluster] += weight
            total[month] += weight
    months = timeline.posts_per_month(table).set_index("month")
    assert months["posts"].to_dict() == pytest.approx(dict(posts))
    for row in timeline.cluster_share(table).itertuples():
        share = inside[row.month, row.cluster] / total[row.month]
        assert row.share == pytest.approx(share)


def test_words_of_a_sample_are_those_of_its_posts_repeated():
    texts = ["new art", "old robot robot", "new castle", None]
    weights = [1, 5, 2, 4]
    table = pa.table({"id": list("abcd"), "text": texts, "sample_weight": weights})
    found = timeline.frequent_words(pa.concat_tables([table, table]))
    repeated = pa.table(
        {
            "id": [str(i) for i in range(sum(weights))],
            "text": np.repeat(np.array(texts, object), weights),
        }
    )
    expected = timeline.frequent_words(repeated)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["word"].tolist()[0] == "robot"
