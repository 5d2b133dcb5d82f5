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
    assert found.loc["2022-05"].tolist() == [0, 0]
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
    assert [found["low"], found["high"]] == pytest.approx(
        list(np.expm1(fit.conf_int()[1])), abs=1e-8
    )
    assert found["p"] == pytest.approx(fit.pvalues[1], rel=1e-6)
    assert found["dispersion"] == pytest.approx(fit.scale, rel=1e-6)


def test_growth_finds_the_planted_rate_and_needs_three_months(planted):
    found = timeline.growth(timeline.posts_per_month(planted.rows))
    assert found["low"] < 0.12 < found["high"]
    assert found["doubling"] == pytest.approx(np.log(2) / np.log1p(found["value"]))
    assert np.isnan(timeline.growth(pd.DataFrame({"posts": [9, 6, 4, 2]}))["doubling"])
    with pytest.raises(ValueError, match="at least 3 months"):
        timeline.growth(pd.DataFrame({"posts": [5, 0, 6]}))


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
