"""Which shares rise or fall over the months: Mann-Kendall tests with a false-discovery correction (Fig 4b, 4c).

A binomial regression on the counts rejects a flat series in most cases once shares vary more than coin flips do;
the rank test does not. It still assumes months are independent, so the lag-1 autocorrelation is shown beside it.
`twigma analyze` runs it.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Array, as_column
from twigma.analysis.inference.multiple_testing import benjamini_hochberg

LEVEL = 0.05  # adjusted p below this draws an arrow
SHORTEST = 4  # with three values no order is significant
COLUMNS = (
    "group",
    "tau",
    "slope",
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


def mann_kendall(series: Any) -> Trend:
    """Mann-Kendall test of a monotonic trend in equally spaced values.

    S = Σ_{i<j} sign(x_j − x_i); under no trend Var S = [n(n−1)(2n+5) − Σ_t t(t−1)(2t+5)] / 18 with t the sizes of
    ties, and z = (|S| − 1)/√Var is standard normal. The slope is the median of (x_j − x_i)/(j − i) (Sen). The
    autocorrelation is that of the values less the line of that slope: above 2/√n the p value is too small. A
    constant series has S = 0, tau = 0, p = 1.

    Parameters
    ----------
    series : float [n], n ≥ 4, in the order of time. ValueError for fewer values or NaN.
    """
    x = np.asarray(as_column(series), dtype=np.float64)
    if x.ndim != 1 or len(x) < SHORTEST or not np.isfinite(x).all():
        raise ValueError(
            f"mann_kendall: expected at least {SHORTEST} finite values, found {x.tolist()[:10]}"
        )
    n = len(x)
    early, late = np.triu_indices(n, 1)
    rise = x[late] - x[early]
    s = int(np.sign(rise).sum())
    ties = np.unique(x, return_counts=True)[1]
    tied = float((ties * (ties - 1) / 2).sum())
    correction = float((ties * (ties - 1) * (2 * ties + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - correction) / 18
    if variance == 0:
        return Trend(0, 0.0, 1.0, 0.0, 0.0, n)
    slope = float(np.median(rise / (late - early)))
    z = max(0, abs(s) - 1) / np.sqrt(variance)
    pairs = n * (n - 1) / 2
    return Trend(
        s=s,
        tau=s / float(np.sqrt(pairs * (pairs - tied))),
        p=min(1.0, 2 * float(stats.norm.sf(z))),
        slope=slope,
        autocorrelation=_lag_one(x - slope * np.arange(n)),
        n=n,
    )


def trend_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Trend of each group's share over the months (Fig 4b; the arrows of Fig 4c).

    Parameters
    ----------
    shares : columns month (sortable), group, share; a row per month and group. Months where a share is NaN (no
        images) are left out of that group's series.

    Returns
    -------
    DataFrame with columns group, tau, slope (share per month), p, p_adjusted (Benjamini-Hochberg over groups),
    arrow ("↑" or "↓" if p_adjusted < .05, else "→"), autocorrelation, autocorrelated, n. A group with fewer than
    4 months has NaN statistics and the arrow "→".
    """
    missing = {"month", "group", "share"} - set(shares.columns)
    if missing or shares.empty:
        raise ValueError(
            f"trend_table: expected rows with month, group and share, missing {sorted(missing)}"
        )
    if shares.duplicated(["month", "group"]).any():
        raise ValueError(
            "trend_table: expected one row per month and group, found several"
        )
    per_group = shares.groupby("group")["month"].nunique()
    if per_group.nunique() > 1:
        raise ValueError(
            f"trend_table: groups have different numbers of months, {per_group.to_dict()}: fill with 0"
        )
    groups = shares.sort_values("month").groupby("group")
    table = pd.DataFrame([_row(group, rows) for group, rows in groups])
    table["p_adjusted"] = benjamini_hochberg(table["p"])
    sure = table["p_adjusted"] < LEVEL
    rising, falling = sure & (table["tau"] > 0), sure & (table["tau"] < 0)
    table["arrow"] = np.select([rising, falling], ["↑", "↓"], "→")
    bound = 2 / np.sqrt(table["n"].clip(lower=1))
    table["autocorrelated"] = table["autocorrelation"] > bound
    return table[list(COLUMNS)].reset_index(drop=True)


def _row(group: Any, rows: pd.DataFrame) -> dict[str, Any]:
    """The test of one group, with NaN where it has too few months."""
    series = rows["share"].dropna().to_numpy(float)
    row: dict[str, Any] = {"group": group, "n": len(series)}
    names = ("tau", "slope", "p", "autocorrelation")
    if len(series) < SHORTEST:
        return row | dict.fromkeys(names, np.nan)
    trend = mann_kendall(series)
    return row | {name: getattr(trend, name) for name in names}


def _lag_one(x: Array) -> float:
    """Correlation of each value with the next one; 0 for a constant series."""
    centred = x - x.mean()
    total = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / total if total > 0 else 0.0
