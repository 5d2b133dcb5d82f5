"""How much of its first and last month a collection covers: a month cut off after four days is no fall.

Fig 1b counts posts by it; `twigma analyze` runs it.
"""

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

# Days with posts that a whole month would have had more, at the pace of the covered part: e^-7 is 1 in 1,000.
MISSED = 7.0


def covered_days(created_at: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
    """Days of each month that the collection covers, from the first month with posts to the last.

    Nothing says when a collection began; its posts do. The first month is cut off when it has posts day after day,
    but none before some day: when at the pace of days with posts, (D − 1) of the days since the first one, more than 7
    such days are missing. The last month likewise, from its end.

    Parameters
    ----------
    created_at : datetime64 [n] in UTC, none missing.

    Returns
    -------
    Series of int, days by month ("2021-01"), as long as the period; calendar days where the month is whole.

    >>> daily = pd.Series(pd.date_range("2022-01-01", "2022-03-04"))
    >>> covered_days(daily).to_dict()
    {'2022-01': 31, '2022-02': 28, '2022-03': 4}
    """
    days = pd.DatetimeIndex(np.sort(created_at.dt.floor("D").unique()))
    months = days.to_period("M")
    period = pd.period_range(months[0], months[-1], freq="M")
    length = pd.Series(period.days_in_month, index=period.strftime("%Y-%m"))
    first = days[months == period[0]].day.to_numpy()
    last = days[months == period[-1]].day.to_numpy()
    whole = int(length.iloc[-1])
    # The end of the last month is looked at backwards.
    of_last = _covered(np.sort(whole + 1 - last), whole)
    of_first = _covered(first, int(length.iloc[0]))
    length.iloc[0] = of_first
    if len(period) == 1:
        # Cut off at both ends, perhaps.
        of_last = of_first + of_last - whole
    length.iloc[-1] = of_last
    return length


def _covered(days: npt.NDArray[np.int32], whole: int) -> int:
    """Days from the first with posts, int[D] from 1, to the end of a month; all `whole` ones where none are missing."""
    missing = int(days[0]) - 1
    covered = whole - missing
    pace = (len(days) - 1) / covered
    return covered if pace * missing > MISSED else whole


def calendar_days(month: str) -> int:
    """Days of a month written "2021-01".

    >>> calendar_days("2024-02")
    29
    """
    first = date.fromisoformat(f"{month}-01")
    return int(pd.Period(first, freq="M").days_in_month)
