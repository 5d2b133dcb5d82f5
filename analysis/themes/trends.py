"""Which shares rise or fall over the months, tested within a family of clusters (Fig 4b, 4c).

Kendall's tau says how steadily a share moves. Its own test (Mann-Kendall) takes months as independent, and draws at
least one false arrow among ten flat shares in most families once a month resembles the one before. Arrows come from
`trend_regression`, which allows for that, with Benjamini and Hochberg's correction. `twigma analyze` runs it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Floats, as_column
from twigma.analysis.inference.multiple_testing import benjamini_hochberg
from twigma.analysis.themes.trend_regression import family_slopes
from twigma.core.safety.failures import DataError

LEVEL = 0.05  # adjusted p below this draws an arrow
SHORTEST = 4  # with three values no order is significant
COLUMNS = (
    "group",
    "tau",
    "p_mann_kendall",
    "slope",
    "slope_low",
    "slope_high",
    "p",
    "p_adjusted",
    "arrow",
    "autocorrelation",
    "autocorrelated",
    "n",
)


class Trend(NamedTuple):
    """A Mann-Kendall test: S, Kendall's tau-b with time, two-sided p, Sen's slope per step, lag-1 autocorrelation."""

    s: int
    tau: float
    p: float
    slope: float
    autocorrelation: float
    n: int


def mann_kendall(series: Any, months: Any = None) -> Trend:
    """Mann-Kendall test of a monotonic trend, for values that are independent.

    S = Σ_{i<j} sign(x_j − x_i); under no trend Var S = [n(n−1)(2n+5) − Σ_t t(t−1)(2t+5)] / 18 with t the sizes of
    ties, and z = (|S| − 1)/√Var is standard normal. The slope is the median of (x_j − x_i)/(m_j − m_i) (Sen). The
    autocorrelation is that of the values of adjacent months, less the line of that slope: above 2/√n the p value is
    too small. A constant series has S = 0, tau = 0, p = 1.

    Parameters
    ----------
    series : float [n], n ≥ 4, in the order of time. ValueError for fewer values or NaN.
    months : int [n], rising, the number of each month; None: one after another, without a gap.
    """
    x = np.asarray(as_column(series), dtype=np.float64)
    if x.ndim != 1 or len(x) < SHORTEST or not np.isfinite(x).all():
        raise DataError(
            f"mann_kendall: expected at least {SHORTEST} finite values, found {x.tolist()[:10]}"
        )
    n = len(x)
    at = np.arange(n) if months is None else np.asarray(as_column(months))
    if len(at) != n or (np.diff(at) <= 0).any():
        raise DataError(
            f"mann_kendall: expected {n} month numbers that rise, found {at.tolist()[:10]}"
        )
    early, late = np.triu_indices(n, 1)
    rise = x[late] - x[early]
    s = int(np.sign(rise).sum())
    ties = np.unique(x, return_counts=True)[1]
    tied = float((ties * (ties - 1) / 2).sum())
    correction = float((ties * (ties - 1) * (2 * ties + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - correction) / 18
    if variance == 0:
        return Trend(0, 0.0, 1.0, 0.0, 0.0, n)
    slope = float(np.median(rise / (at[late] - at[early])))
    z = max(0, abs(s) - 1) / np.sqrt(variance)
    pairs = n * (n - 1) / 2
    return Trend(
        s=s,
        tau=s / float(np.sqrt(pairs * (pairs - tied))),
        p=min(1.0, 2 * float(stats.norm.sf(z))),
        slope=slope,
        autocorrelation=_lag_one(x - slope * at, np.diff(at) == 1),
        n=n,
    )


def trend_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Trend of each group's share over the months (Fig 4b; the arrows of Fig 4c).

    Parameters
    ----------
    shares : columns month ("2021-01", or a monthly Period), group, share, a row per month and group; `n`, its images,
        where months are to count by them. Months where a share is NaN (no images), or without a row, are a gap.

    Returns
    -------
    DataFrame with columns group, tau (Kendall's, with time), p_mann_kendall (as if months were independent), slope
    (share per month) with slope_low, slope_high and p (`trend_regression.family_slopes`), p_adjusted
    (Benjamini-Hochberg over groups), arrow ("↑" or "↓" if p_adjusted < .05, else "→"), autocorrelation (lag 1, of the
    residuals), autocorrelated (it is above 2/√n), n. A group with fewer than 4 months has NaN statistics and the
    arrow "→".
    """
    missing = {"month", "group", "share"} - set(shares.columns)
    if missing or shares.empty:
        raise DataError(
            f"trend_table: expected rows with month, group and share, missing {sorted(missing)}"
        )
    if shares.duplicated(["month", "group"]).any():
        raise DataError(
            "trend_table: expected one row per month and group, found several"
        )
    per_group = shares.groupby("group")["month"].nunique()
    if per_group.nunique() > 1:
        raise DataError(
            f"trend_table: groups have different numbers of months, {per_group.to_dict()}: fill with 0"
        )
    wide = shares.pivot(index="month", columns="group", values="share").sort_index()
    numbers = _month_numbers(wide.index)
    images = None
    if "n" in shares:
        images = shares.groupby("month")["n"].sum().sort_index().to_numpy(float)
    series = wide.to_numpy(float).T
    slopes = family_slopes(series, numbers, images)
    rows = []
    for group, row, slope in zip(wide.columns, series, slopes, strict=True):
        fitted = {
            "slope": slope.value,
            "slope_low": slope.low,
            "slope_high": slope.high,
            "p": slope.p,
        }
        rows.append({"group": group, **_ranks(row, numbers), **fitted})
    table = pd.DataFrame(rows)
    table["p_adjusted"] = benjamini_hochberg(table["p"])
    sure = table["p_adjusted"] < LEVEL
    rising, falling = sure & (table["slope"] > 0), sure & (table["slope"] < 0)
    table["arrow"] = np.select([rising, falling], ["↑", "↓"], "→")
    bound = 2 / np.sqrt(table["n"].clip(lower=1))
    table["autocorrelated"] = table["autocorrelation"] > bound
    return table[list(COLUMNS)]


def has_trends(trends: pd.DataFrame) -> bool:
    """Whether a table of `trend_table` has a row with enough months for a test: with fewer nothing rises or falls."""
    return bool(trends["n"].max() >= SHORTEST)


def too_short(months: int) -> str:
    """Why so many months show no trend.

    >>> too_short(1)
    'a trend needs at least 4 months with images, found 1'
    """
    return f"a trend needs at least {SHORTEST} months with images, found {months}"


def _month_numbers(months: Any) -> npt.NDArray[np.int64]:
    """Months since 1970 of an index of months, [n], so that a gap counts."""
    return np.asarray(pd.PeriodIndex(months, freq="M").asi8)


def _ranks(row: Floats, numbers: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Kendall's tau and the autocorrelation of one group, NaN where it has too few months."""
    known = np.isfinite(row)
    n = int(known.sum())
    if n < SHORTEST:
        names = ("tau", "p_mann_kendall", "autocorrelation")
        return {"n": n, **dict.fromkeys(names, np.nan)}
    trend = mann_kendall(row[known], numbers[known])
    return {
        "n": n,
        "tau": trend.tau,
        "p_mann_kendall": trend.p,
        "autocorrelation": trend.autocorrelation,
    }


def _lag_one(x: Floats, adjacent: npt.NDArray[np.bool_]) -> float:
    """Correlation of each value with that of the next month, where there is one; 0 for a constant series."""
    centred = x - x.mean()
    total = float(centred @ centred) / len(x)
    if total <= 0 or not adjacent.any():
        return 0.0
    products = (centred[1:] * centred[:-1])[adjacent]
    # Without a gap this is the usual Σ x_t x_{t+1} / Σ x².
    return float(products.sum()) / (int(adjacent.sum()) + 1) / total
