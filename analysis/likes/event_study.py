"""Did a monthly outcome jump when a model was released? An interrupted time series with placebo dates.

Around a date, the outcome is a line before and a line after, over months of four weeks that start at the date itself,
so that no month is cut off and every one has each weekday as often; the jump is the distance of the two lines at the
date. Its standard error takes the images of an author together. That alone would be too small, since whole months go
up and down by what no author knows of: so the same jump is measured at every other admissible date, and intervals are
widened until those placebo jumps are as large as expected. `twigma analyze` runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Floats, aligned, as_column
from twigma.analysis.inference.intervals import block_codes

# By the announcements of OpenAI, Stability AI and Midjourney.
RELEASES: Mapping[str, str] = {
    "DALL-E 2, open beta": "2022-07-20",
    "Stable Diffusion 1.4": "2022-08-22",
    "Midjourney v4": "2022-11-05",
    "Midjourney v5": "2023-03-15",
}
MONTH = 28  # days: four weeks
MONTHS = 4  # on either side of a date
STEP = 7  # days from one placebo date to the next
# Jumps at dates this many days apart hardly share anything: the months beside a date weigh most.
INDEPENDENT = 2 * MONTH
FEWEST_PLACEBOS = 10
NO_SPREAD = 1e-12  # of the levels: rounding, where all rows are alike
FEWEST_AUTHORS = 2  # in every month

Measure = Literal["count", "mean", "ratio"]
Days = npt.NDArray[np.int64]


class Study(NamedTuple):
    """The jump at each event, and at each placebo date; see `event_study`."""

    events: pd.DataFrame
    placebos: pd.DataFrame


@dataclass(frozen=True)
class _Series:
    """Rows summed by author and day.

    Attributes
    ----------
    day : int64 [m] from the first. author : int64 [m]. n, total : float64 [m], weights, and weights times values.
    last : the last day. measure : what of them is the outcome.
    """

    day: Days
    author: Days
    n: Floats
    total: Floats
    last: int
    measure: Measure


class _Jump(NamedTuple):
    """On the scale of the lines: the logarithm, but for means."""

    size: float
    se: float
    n: float


def event_study(
    created_at: Any,
    values: Any = None,
    *,
    events: Mapping[str, str] = RELEASES,
    measure: Measure = "mean",
    blocks: Any = None,
    weights: Any = None,
) -> Study:
    """The jump of an outcome at given dates: interrupted time series, author-clustered, with placebo dates.

    Parameters
    ----------
    created_at : datetime64 [n], of each image or post, in UTC; rows without a date or a value are left out.
    values : float [n], or None for measure "count".
    events : dates as "2022-08-22", by name.
    measure : "count", how many rows there are, as a ratio; "mean", of the values, as a difference; "ratio", of the
        values, as a ratio.
    blocks : author of each row, [n]; None where rows are independent.
    weights : float [n] of a sample.

    Returns
    -------
    Study of two tables. `events`, a row an event: event, date, jump (a ratio, 1 for none; or a difference), low, high,
    p, p_placebo (share of dates with as large a jump in standard errors, the event counted in), se (by author alone, on
    the log scale of a ratio), widened (by how much the placebo dates widen it), placebos, n, reason (why there is no
    jump). `placebos`: date, jump, z, a row per date.

    The interval is jump ± t se √(mean z² of the placebo dates), if that widens it; t has a degree of freedom for every
    eight weeks of placebo dates. Jumps of other events within 16 weeks are part of the lines: see them together.
    ValueError where no date has 16 weeks on either side.
    """
    series = _series(created_at, values, measure, blocks, weights)
    earliest = pd.to_datetime(pd.Series(as_column(created_at))).min()
    first = earliest.to_datetime64().astype("datetime64[D]")
    dates = {name: _day(date, first) for name, date in events.items()}
    placebos = _placebos(series, dates.values())
    z = np.array([jump.size / jump.se for jump in placebos.values()])
    widened = freedom = np.nan
    if len(z) >= FEWEST_PLACEBOS:
        widened = max(1.0, float(np.sqrt(np.mean(z**2))))
        freedom = max(2.0, np.floor(len(z) * STEP / INDEPENDENT))
    rows = []
    for name, day in dates.items():
        row = {"event": name, "date": str(first + day)}
        jump = _jump(series, day)
        row |= _event(jump, series, widened, freedom, z)
        row["reason"] = ""
        if jump is None:
            row["reason"] = _reason(series, day) or "the same in all rows around it"
        rows.append(row)
    table = pd.DataFrame(
        {
            "date": [str(first + day) for day in placebos],
            "jump": [_shown(jump.size, measure) for jump in placebos.values()],
            "z": z,
        }
    )
    return Study(pd.DataFrame(rows), table)


def _day(date: str, first: np.datetime64) -> int:
    return int((np.datetime64(date, "D") - first).astype(int))


def _series(
    created_at: Any, values: Any, measure: Measure, blocks: Any, weights: Any
) -> _Series:
    """Complete rows summed by author and day; ValueError where they are of too short a time."""
    if measure not in ("count", "mean", "ratio"):
        raise ValueError(
            f"event_study: expected measure 'count', 'mean' or 'ratio', found {measure!r}"
        )
    if (values is None) != (measure == "count"):
        raise ValueError(
            f"event_study: expected values for a mean or ratio and none for a count, found measure {measure!r}"
        )
    given = aligned(
        "event_study",
        created_at=created_at,
        values=values,
        blocks=blocks,
        weights=weights,
    )
    frame = pd.DataFrame({"date": pd.to_datetime(as_column(given["created_at"]))})
    frame["value"] = 1.0 if values is None else as_column(given["values"])
    frame["weight"] = 1.0 if weights is None else as_column(given["weights"])
    authors = np.arange(len(frame)) if blocks is None else given["blocks"]
    frame["author"] = block_codes(authors)
    frame = frame[frame["date"].notna()]
    if frame.empty:
        raise ValueError("event_study: no row has a date")
    days = frame["date"].dt.floor("D")
    frame["day"] = (days - days.min()).dt.days
    last = int(frame["day"].max())
    if last + 1 < 2 * MONTHS * MONTH:
        raise ValueError(
            f"event_study: expected at least {2 * MONTHS * MONTH} days, {MONTHS} months of four weeks on either side "
            f"of a date, found {last + 1}: collect a longer time"
        )
    frame = frame[frame["value"].notna()]
    frame["total"] = frame["weight"] * frame["value"].astype(float)
    sums = frame.groupby(["author", "day"], as_index=False)[["weight", "total"]].sum()
    return _Series(
        day=sums["day"].to_numpy(np.int64),
        author=sums["author"].to_numpy(np.int64),
        n=sums["weight"].to_numpy(float),
        total=sums["total"].to_numpy(float),
        last=last,
        measure=measure,
    )


def _placebos(series: _Series, events: Any) -> dict[int, _Jump]:
    """The jump at every admissible date that is at least a month from all events, a week apart, by day."""
    taken = np.array(list(events))
    jumps = {}
    for day in range(MONTHS * MONTH, series.last - MONTHS * MONTH + 2, STEP):
        if (np.abs(taken - day) < MONTH).any():
            continue
        jump = _jump(series, day)
        if jump is not None:
            jumps[day] = jump
    return jumps


def _jump(series: _Series, day: int) -> _Jump | None:
    """The distance of the two lines at a day; None where a month beside it is missing or has too little."""
    if _reason(series, day):
        return None
    month = _months(series, day)
    inside = month >= 0
    month, n, total = month[inside], series.n[inside], series.total[inside]
    count = np.bincount(month, weights=n, minlength=2 * MONTHS)
    mean = np.bincount(month, weights=total, minlength=2 * MONTHS) / count
    level, influence = mean, (total - mean[month] * n) / count[month]
    if series.measure == "count":
        level, influence = np.log(count), n / count[month]
    elif series.measure == "ratio":
        level, influence = np.log(mean), influence / mean[month]
    # The lines are linear in the levels.
    weight = line_weights()
    by_author = np.bincount(series.author[inside], weights=weight[month] * influence)
    authors = np.count_nonzero(np.bincount(series.author[inside]))
    variance = (by_author @ by_author) * authors / (authors - 1)
    se = float(np.sqrt(variance))
    if se <= NO_SPREAD * np.abs(level).max():
        return None
    return _Jump(float(weight @ level), se, float(n.sum()))


def line_weights() -> Floats:
    """Weights of the months, float64 [months], that give the line after less the line before at the date.

    >>> line_weights().round(2).tolist()
    [0.35, -0.05, -0.45, -0.85, 0.85, 0.45, 0.05, -0.35]
    """
    middle = np.arange(MONTHS) + 0.5
    line = np.column_stack([np.ones(MONTHS), middle])
    after = np.linalg.pinv(line)[0]
    return np.concatenate([-after[::-1], after])


def _months(series: _Series, day: int) -> Days:
    """The month of each row around a day, 0 to 7, int64 [m]; −1 outside."""
    month = (series.day - day) // MONTH + MONTHS
    month[(month < 0) | (month >= 2 * MONTHS)] = -1
    return month


def _reason(series: _Series, day: int) -> str:
    """Why there is no jump at a day; empty where there is one."""
    need = MONTHS * MONTH
    before, after = day, series.last + 1 - day
    if min(before, after) < need:
        return (
            f"{max(before, 0)} days before and {max(after, 0)} after it, of {need} each"
        )
    month = _months(series, day)
    inside = month >= 0
    posts = np.zeros((series.author.max() + 1, 2 * MONTHS), bool)
    posts[series.author[inside], month[inside]] = True
    if posts.sum(axis=0).min() < FEWEST_AUTHORS:
        return f"fewer than {FEWEST_AUTHORS} authors in a month around it"
    total = np.bincount(month[inside], series.total[inside], minlength=2 * MONTHS)
    if series.measure == "ratio" and not total.min() > 0:
        return "nothing but zeros in a month around it"
    return ""


def _event(
    jump: _Jump | None, series: _Series, widened: float, freedom: float, z: Floats
) -> dict[str, Any]:
    """The numbers of one event."""
    if jump is None:
        names = ("jump", "low", "high", "p", "p_placebo", "se")
        row: dict[str, Any] = dict.fromkeys(names, np.nan)
        return row | {"widened": widened, "placebos": len(z), "n": 0}
    se = jump.se * widened
    half = stats.t.ppf(0.975, freedom) * se
    statistic = np.abs(jump.size / jump.se)
    as_large = int((np.abs(z) >= statistic).sum())
    return {
        "jump": _shown(jump.size, series.measure),
        "low": _shown(jump.size - half, series.measure),
        "high": _shown(jump.size + half, series.measure),
        "p": float(2 * stats.t.sf(statistic / widened, freedom)),
        "p_placebo": (1 + as_large) / (1 + len(z)),
        "se": jump.se,
        "widened": widened,
        "placebos": len(z),
        "n": round(jump.n),
    }


def _shown(size: float, measure: Measure) -> float:
    """A jump as it is given: a ratio, or a difference of means."""
    return float(size) if measure == "mean" else float(np.exp(size))
