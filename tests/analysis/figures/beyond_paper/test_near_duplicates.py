"""What the page says of Fig 3a and 3b with and without near duplicates."""

import pandas as pd

from twigma.analysis.figures.beyond_paper.near_duplicates import (
    describe_near_duplicates,
)
from twigma.analysis.page.section import Results

ROW = {
    "set": "a",
    "metric": "vendi",
    "value": 1.0,
    "low": 0.5,
    "high": 1.5,
    "without": 3.0,
    "without_low": 2.0,
    "without_high": 4.0,
    "removed": 10,
    "drawn": 100,
    "n": 90,
    "near": 0.995,
}


def section(*rows):
    return describe_near_duplicates(
        Results({"near_duplicates": pd.DataFrame(rows)}, {}, {})
    )


def test_a_world_without_near_duplicates(analysed):
    table = pd.read_parquet(analysed.out / "results" / "near_duplicates.parquet")
    none = describe_near_duplicates(Results({"near_duplicates": table}, {}, {}))
    assert none.claim == "No set has near duplicates among its images here."
    assert none.tables == ()


def test_words_for_numbers_that_leave_their_interval_and_that_do_not():
    below = section(ROW)
    assert below.claim == (
        "Near duplicates are 10% of a; without them these leave the interval: vendi of a."
    )
    assert len(below.tables[0].rows) == 1
    above = section(ROW | {"value": 5.0})
    assert "these leave the interval: vendi of a" in above.claim
    inside = section(ROW | {"without_low": 0.5})
    assert (
        inside.claim == "Near duplicates are 10% of a; no number leaves its interval."
    )
