"""Calendar months in UTC, written "2021-01": the months of a period, and distinct posts or images in each.

The card of a release and Fig 1b count posts by them.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def distinct_per_month(table: pa.Table, key: str) -> dict[str, int]:
    """Distinct values of a column in each month from the first to the last, months without any as 0 (Fig 1b).

    Parameters
    ----------
    table : `created_at`, timestamp in UTC, and `key`, one row per image; rows without a date are left out.
    key : the column that is counted, `id` for posts or `image_name` for images; nulls are not counted.

    Returns
    -------
    Count by month, in order; empty where no row has a date.

    >>> import datetime
    >>> times = [datetime.datetime(2021, 1, 31), datetime.datetime(2021, 3, 1)]
    >>> distinct_per_month(pa.table({"id": ["1", "2"], "created_at": times}), "id")
    {'2021-01': 1, '2021-02': 0, '2021-03': 1}
    """
    dated = table.filter(table["created_at"].is_valid())
    if not len(dated):
        return {}
    month = pc.strftime(dated["created_at"], format="%Y-%m")
    by_month = pa.table({"month": month, "key": dated[key]}).group_by("month")
    rows = by_month.aggregate([("key", "count_distinct")]).to_pylist()
    counts = {row["month"]: row["key_count_distinct"] for row in rows}
    months = months_between(min(counts), max(counts))
    return {month: counts.get(month, 0) for month in months}


def month_labels(times: "pd.Series[pd.Timestamp]") -> "pd.Series[str]":
    """The month of each time, NaN where it is not known; of ten million rows, not as many texts but one a month.

    Parameters
    ----------
    times : datetime64 [n] in UTC.

    >>> month_labels(pd.Series(["2021-01-31", None, "2021-03-01"], dtype="datetime64[ms]")).tolist()
    ['2021-01', nan, '2021-03']
    """
    months = times.to_numpy().astype("datetime64[M]")
    distinct, codes = np.unique(months, return_inverse=True)
    labels = np.datetime_as_string(distinct).astype(object)
    labels[np.isnat(distinct)] = np.nan
    return pd.Series(labels[codes], index=times.index)


def months_between(first: str, last: str) -> list[str]:
    """Every month from the first to the last.

    >>> months_between("2021-11", "2022-02")
    ['2021-11', '2021-12', '2022-01', '2022-02']
    """
    numbers = range(_number(first), _number(last) + 1)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def _number(month: str) -> int:
    """Months since January of year 0, so that a period is a range."""
    return int(month[:4]) * 12 + int(month[5:]) - 1
