"""Mann-Kendall against scipy's Kendall and brute force, planted trends with gaps, and false arrows of null worlds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.simulated_trends import WORLDS, false_arrows, power

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


def test_slopes_are_of_real_months():
    """A share that rises by 1.67 points a month, with two gaps: as rows without a share, and as no rows."""
    at = np.arange(27)
    rng = np.random.default_rng(6)
    share = 0.2 + 0.0167 * at + 0.005 * rng.normal(size=27)
    frame = long(np.column_stack([share, 1 - share]))
    month = frame["month"].map(lambda each: each.ordinal)
    lost = (month - month.min()).isin([3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18])
    with_gaps = frame.assign(share=frame["share"].where(~lost))
    for gapped in (with_gaps, frame[~lost]):
        found = trend_table(gapped).set_index("group")
        assert found["n"].tolist() == [15, 15]
        assert found["slope"][1] == pytest.approx(0.0167, abs=0.0005)
        assert found["slope_low"][1] < 0.0167 < found["slope_high"][1]
        assert found["slope"][2] == pytest.approx(-found["slope"][1])
        assert found["arrow"].tolist() == ["↑", "↓"]
    seen = share[~lost.to_numpy()[::2]]
    assert mann_kendall(seen).slope > 0.025  # as if the months were adjacent
    months = at[~lost.to_numpy()[::2]]
    sen = stats.theilslopes(seen, months).slope
    assert mann_kendall(seen, months).slope == pytest.approx(sen)
    with pytest.raises(ValueError, match="month numbers that rise"):
        mann_kendall(seen, months[::-1])


def test_autocorrelation_is_of_adjacent_months():
    """Pairs across a gap do not count; without a gap it is that of statsmodels."""
    acf = pytest.importorskip("statsmodels.tsa.stattools").acf
    x = np.random.default_rng(7).normal(size=20).cumsum()
    found = mann_kendall(x)
    residual = x - found.slope * np.arange(20)
    assert found.autocorrelation == pytest.approx(acf(residual, nlags=1)[1])
    halves = np.r_[np.arange(10), np.arange(50, 60)]
    apart = mann_kendall(np.r_[x[:10], x[:10] + 40 * found.slope], halves)
    assert np.isfinite(apart.autocorrelation)
    alternate = np.arange(20) * 2
    assert mann_kendall(x, alternate).autocorrelation == 0


def test_a_month_of_few_images_counts_little():
    """The first month has one image, of theme 1."""
    share = np.full(12, 0.3) + 0.002 * np.random.default_rng(8).normal(size=12)
    share[0] = 1.0
    frame = long(np.column_stack([share, 1 - share]))
    images = np.r_[1, np.full(11, 2000)]
    weighted = frame.assign(n=np.repeat(images // 2, 2))
    assert abs(trend_table(weighted)["slope"][0]) < 0.002
    assert trend_table(frame)["slope"][0] < -0.01


def test_ten_flat_clusters_rarely_draw_an_arrow():
    """A small version of the slow test below."""
    found = false_arrows("AR .8", 20, ("Mann–Kendall", "ours")).set_index("test")
    assert found["family"]["Mann–Kendall"] > 0.8
    assert found["family"]["ours"] <= 0.1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", [w for w in WORLDS if w != "AR .9"])
def test_false_arrows_per_family(world):
    """At most .05 of the families, within two standard errors; `docs/studies/trends.md` has the table."""
    families = 400
    found = false_arrows(world, families, ("ours",)).iloc[0]
    assert found["family"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / families)
    pure = world in ("AR 0", "AR .6", "AR .8")
    assert found["single"] <= (0.07 if pure else 0.11)


@pytest.mark.slow
def test_power_is_over_half_of_the_rank_tests_where_that_holds():
    found = power(0, 3, 200, ("Mann–Kendall", "ours")).set_index("test")["power"]
    assert found["ours"] > 0.45 and found["ours"] > 0.5 * found["Mann–Kendall"]


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
