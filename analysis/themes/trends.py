"""Which shares rise or fall over the months: Mann-Kendall tests with a false-discovery correction (Fig 4b, 4c).

A binomial regression on the counts rejects a flat series in most cases once shares vary more than coin flips do;
the rank test does not. It still assumes months are independent, so the lag-1 autocorrelation is shown beside it.
`twigma analyze` runs it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Array = npt.NDArray[Any]

LEVEL = 0.05  # adjusted p below this draws an arrow
SHORTEST = 4  # with three values no order is significant


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
    constant series has S = 0, tau = 0, p = 1. ValueError for fewer than 4 values or NaN.
    """
    x = np.asarray(series, dtype=np.float64)
    if x.ndim != 1 or len(x) < SHORTEST or not np.isfinite(x).all():
        raise ValueError(
            f"mann_kendall: expected at least {SHORTEST} finite values, found {x.tolist()[:10]}"
        )
    n = len(x)
    early, late = np.triu_indices(n, 1)
    s = int(np.sign(x[late] - x[early]).sum())
    ties = np.unique(x, return_counts=True)[1]
    pairs, tied = n * (n - 1) / 2, float((ties * (ties - 1) / 2).sum())
    variance = (
        n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    ) / 18
    slope = float(np.median((x[late] - x[early]) / (late - early)))
    if variance == 0:
        return Trend(0, 0.0, 1.0, 0.0, 0.0, n)
    p = min(1.0, 2 * float(stats.norm.sf(max(0, abs(s) - 1) / np.sqrt(variance))))
    return Trend(
        s,
        s / float(np.sqrt(pairs * (pairs - tied))),
        p,
        slope,
        _lag_one(x - slope * np.arange(n)),
        n,
    )


def benjamini_hochberg(p: Any) -> npt.NDArray[np.float64]:
    """P values adjusted for the false discovery rate: min over j ≥ i of p_(j) m / j, at most 1; NaN stay NaN."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError("benjamini_hochberg: expected p values between 0 and 1")
    order = known[np.argsort(p[known], kind="stable")[::-1]]
    rank = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.minimum.accumulate(p[order] * len(order) / rank))
    return adjusted


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
    table = pd.DataFrame(
        [
            _row(group, rows)
            for group, rows in shares.sort_values("month").groupby("group")
        ]
    )
    table["p_adjusted"] = benjamini_hochberg(table["p"])
    sure = table["p_adjusted"] < LEVEL
    table["arrow"] = np.select(
        [sure & (table["tau"] > 0), sure & (table["tau"] < 0)], ["↑", "↓"], "→"
    )
    table["autocorrelated"] = table["autocorrelation"] > 2 / np.sqrt(
        table["n"].clip(lower=1)
    )
    return table[
        [
            "group",
            "tau",
            "slope",
            "p",
            "p_adjusted",
            "arrow",
            "autocorrelation",
            "autocorrelated",
            "n",
        ]
    ].reset_index(drop=True)


def _row(group: Any, rows: pd.DataFrame) -> dict[str, Any]:
    series = rows["share"].dropna().to_numpy(float)
    if len(series) < SHORTEST:
        nothing = dict.fromkeys(("tau", "slope", "p", "autocorrelation"), np.nan)
        return {"group": group, **nothing, "n": len(series)}
    trend = mann_kendall(series)._asdict()
    return {
        "group": group,
        **{name: value for name, value in trend.items() if name != "s"},
    }


def _lag_one(x: Array) -> float:
    centred = x - x.mean()
    total = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / total if total > 0 else 0.0
