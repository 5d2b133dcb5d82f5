"""Did a monthly outcome jump when a model was released? An interrupted time series with placebo dates.

Around a date, the outcome is a line before and a line after, over months of four weeks that start at the date itself,
so that no month is cut off and every one has each weekday as often; the jump is the distance of the two lines at the
date. Its standard error takes the images of an author together. That alone would be too small, since whole months go
up and down by what no author knows of: so the same jump is measured at every other admissible date, and intervals are
widened until those placebo jumps are as large as expected. `twigma analyze` runs it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from twigma.analysis.convert import Floats, aligned, as_column
from twigma.analysis.inference.intervals import block_codes
from twigma.analysis.likes.event_jumps import MONTH, MONTHS, Jump, Measure, Rows, jumps
from twigma.core.safety.failures import DataError

# By the announcements of OpenAI, Stability AI and Midjourney.
RELEASES: Mapping[str, str] = {
    "DALL-E 2, open beta": "2022-07-20",
    "Stable Diffusion 1.4": "2022-08-22",
    "Midjourney v4": "2022-11-05",
    "Midjourney v5": "2023-03-15",
}
STEP = 7  # days from one placebo date to the next
# Jumps at dates this many days apart hardly share anything: the months beside a date weigh most.
INDEPENDENT = 2 * MONTH
FEWEST_PLACEBOS = 10


class Study(NamedTuple):
    """The jump at each event, and at each placebo date; see `event_study`."""

    events: pd.DataFrame
    placebos: pd.DataFrame


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
    given = _rows(created_at, values, measure, blocks, weights)
    earliest = pd.to_datetime(pd.Series(as_column(created_at))).min()
    first = earliest.to_datetime64().astype("datetime64[D]")
    dates = {name: _day(date, first) for name, date in events.items()}
    others = _placebo_days(given.last, dates.values())
    found = jumps(given, [*dates.values(), *others])
    placebos = {}
    for day, jump in zip(others, found[len(dates) :], strict=True):
        if isinstance(jump, Jump):
            placebos[day] = jump
    z = np.array([jump.size / jump.se for jump in placebos.values()])
    widened = freedom = np.nan
    if len(z) >= FEWEST_PLACEBOS:
        widened = max(1.0, float(np.sqrt(np.mean(z**2))))
        freedom = max(2.0, np.floor(len(z) * STEP / INDEPENDENT))
    rows = []
    for (name, day), jump in zip(dates.items(), found, strict=False):
        row = {"event": name, "date": str(first + day)}
        row |= _event(jump, measure, widened, freedom, z)
        row["reason"] = jump if isinstance(jump, str) else ""
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


def _rows(
    created_at: Any, values: Any, measure: Measure, blocks: Any, weights: Any
) -> Rows:
    """The complete rows; ValueError where they are of too short a time."""
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
    dates = pd.Series(pd.to_datetime(as_column(given["created_at"])))
    known = dates.notna().to_numpy()
    if not known.any():
        raise DataError("event_study: no row has a date")
    days = dates.dt.floor("D")
    first = days.min()
    last = int((days.max() - first).days)
    if last + 1 < 2 * MONTHS * MONTH:
        raise DataError(
            f"event_study: expected at least {2 * MONTHS * MONTH} days, {MONTHS} months of four weeks on either side "
            f"of a date, found {last + 1}: collect a longer time"
        )
    n = len(dates)
    authors = np.arange(n) if blocks is None else block_codes(given["blocks"])
    value = None
    if values is not None:
        column = pd.Series(as_column(given["values"]))
        known &= column.notna().to_numpy()
        value = np.asarray(column[known], dtype=np.float64)
    weight = np.ones(int(known.sum()))
    if weights is not None:
        weight = np.asarray(as_column(given["weights"]), dtype=np.float64)[known]
    day = np.asarray((days[known] - first).dt.days, dtype=np.int64)
    return Rows(day, authors[known], weight, value, last, measure)


def _placebo_days(last: int, events: Any) -> list[int]:
    """Every admissible date that is at least a month from all events, a week apart, in days from the first."""
    taken = np.array(list(events))
    days = []
    for day in range(MONTHS * MONTH, last - MONTHS * MONTH + 2, STEP):
        if not (np.abs(taken - day) < MONTH).any():
            days.append(day)
    return days


def _event(
    jump: Jump | str, measure: Measure, widened: float, freedom: float, z: Floats
) -> dict[str, Any]:
    """The numbers of one event."""
    if isinstance(jump, str):
        names = ("jump", "low", "high", "p", "p_placebo", "se")
        row: dict[str, Any] = dict.fromkeys(names, np.nan)
        return row | {"widened": widened, "placebos": len(z), "n": 0}
    se = jump.se * widened
    half = stats.t.ppf(0.975, freedom) * se
    statistic = np.abs(jump.size / jump.se)
    as_large = int((np.abs(z) >= statistic).sum())
    return {
        "jump": _shown(jump.size, measure),
        "low": _shown(jump.size - half, measure),
        "high": _shown(jump.size + half, measure),
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
