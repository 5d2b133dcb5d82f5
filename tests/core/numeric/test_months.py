"""Months of a period and distinct posts in each, against pandas."""

import datetime

import pandas as pd
import pyarrow as pa

from twigma.core.numeric.months import distinct_per_month, months_between

TIMES = [
    datetime.datetime(2021, 11, 30, 23, 59),
    datetime.datetime(2022, 2, 1),
    datetime.datetime(2022, 2, 2),
    None,
]
TABLE = pa.table(
    {
        "id": ["1", "2", "2", "3"],
        "image_name": ["a", "b", "c", "d"],
        "created_at": pa.array(TIMES, pa.timestamp("ms")),
    }
)


def test_posts_count_once_and_months_without_any_are_zero():
    assert distinct_per_month(TABLE, "id") == {
        "2021-11": 1,
        "2021-12": 0,
        "2022-01": 0,
        "2022-02": 1,
    }
    dated = TABLE.to_pandas().dropna(subset=["created_at"])
    by_month = dated.set_index("created_at").resample("MS")
    for key in ("id", "image_name"):
        counts = list(distinct_per_month(TABLE, key).values())
        assert counts == list(by_month[key].nunique())


def test_no_date_gives_no_months():
    assert distinct_per_month(TABLE.slice(3), "id") == {}
    assert distinct_per_month(TABLE.slice(0, 0), "id") == {}


def test_months_run_over_the_turn_of_years():
    expected = pd.period_range("1999-03", "2023-02", freq="M").astype(str)
    assert months_between("1999-03", "2023-02") == list(expected)
    assert months_between("2021-05", "2021-05") == ["2021-05"]
