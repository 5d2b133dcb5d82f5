"""Mann-Kendall against scipy's Kendall and brute force, Benjamini-Hochberg against scipy, planted trends."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twigma.analysis.themes.trends import mann_kendall, trend_table


@pytest.mark.parametrize("decimals", [1, 6])
def test_mann_kendall_equals_scipy(decimals):
    rng = np.random.default_rng(1)
    for n in (4, 7, 27, 60):
        x = (rng.normal(size=n) + 0.03 * np.arange(n)).round(decimals)
        trend = mann_kendall(x)
        assert trend.tau == pytest.approx(
            stats.kendalltau(np.arange(n), x).statistic, abs=1e-12
        )
        pairs = list(itertools.combinations(range(n), 2))
        assert trend.s == sum(np.sign(x[j] - x[i]) for i, j in pairs)
        assert trend.slope == pytest.approx(stats.theilslopes(x).slope, abs=1e-12)
        assert 0 <= trend.p <= 1 and trend.n == n


def test_variance_of_s_is_that_of_permutations():
    """The tie-corrected variance, exactly, over all orders of a short tied series."""
    x = [1, 1, 2, 3, 3, 3]
    orders = list(itertools.permutations(x))
    s = np.array(
        [sum(np.sign(b - a) for a, b in itertools.combinations(o, 2)) for o in orders]
    )
    trend = mann_kendall(x)
    z = (trend.s - 1) / np.sqrt((s**2).mean())
    assert trend.p == pytest.approx(2 * stats.norm.sf(z), abs=1e-12)


def long(matrix):
    months = pd.period_range("2021-01", periods=len(matrix), freq="M")
    rows = [
        (month, g + 1, share)
        for month, row in zip(months, matrix, strict=True)
        for g, share in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["month", "group", "share"])


def test_planted_trends_have_the_right_arrows():
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 1, 27)
    planted = {1: -0.5, 3: -0.5, 4: -0.5, 8: 0.75, 9: 0.75}
    p = np.array([0.1 * (1 + planted.get(g, 0.0) * x) for g in range(1, 11)]).T
    shares = long(
        np.array([rng.multinomial(4000, row / row.sum()) / 4000 for row in p])
    )
    table = trend_table(shares.sample(frac=1, random_state=0)).set_index("group")
    for group, slope in planted.items():
        assert table.arrow[group] == ("↓" if slope < 0 else "↑")
        assert abs(table.slope[group] / (0.1 * slope / 13) - 1) < 0.3
    assert (table["p_adjusted"] >= table["p"]).all() and set(table["n"]) == {27}


def test_null_rate():
    rng = np.random.default_rng(4)
    rejected = [
        mann_kendall(rng.binomial(4000, 0.1, 27) / 4000).p < 0.05 for _ in range(1000)
    ]
    assert np.mean(rejected) <= 0.10


def test_autocorrelation_is_flagged():
    rng = np.random.default_rng(5)
    x = np.zeros(60)
    for i in range(1, 60):
        x[i] = 0.9 * x[i - 1] + rng.normal()
    table = trend_table(long(np.column_stack([x, rng.normal(size=60)])))
    assert table["autocorrelated"].tolist() == [True, False]


def test_degenerate_inputs():
    assert mann_kendall(np.full(9, 0.1)) == (0, 0.0, 1.0, 0.0, 0.0, 9)
    for bad in ([1, 2, 3], [1, 2, np.nan, 4, 5], []):
        with pytest.raises(ValueError, match="at least 4 finite values"):
            mann_kendall(bad)
    short = trend_table(long(np.ones((3, 2)) / 2))
    assert short["arrow"].tolist() == ["→", "→"] and short["p_adjusted"].isna().all()
    gap = np.arange(24.0).reshape(12, 2)
    gap[5] = np.nan
    assert trend_table(long(gap))["n"].tolist() == [11, 11]
    frame = long(gap)
    for bad, message in (
        (frame.drop(columns="share"), r"missing \['share'\]"),
        (frame.iloc[:0], "expected rows"),
        (pd.concat([frame, frame]), "one row per month"),
        (frame.iloc[1:], "different numbers of months"),
    ):
        with pytest.raises(ValueError, match=message):
            trend_table(bad)
