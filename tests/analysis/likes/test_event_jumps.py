"""Sums by author and span of days against the same formula row by row, at every date; and what no jump is for."""

import numpy as np
import pytest

from twigma.analysis.likes.event_jumps import MONTH, Jump, Rows, jumps, line_weights

LAST = 400


def rows_of(measure, n=6000, authors=80, seed=0):
    """Rows of few authors with unequal weights, as dense as they are rare elsewhere."""
    rng = np.random.default_rng(seed)
    return Rows(
        day=np.append(rng.integers(0, LAST + 1, n - 1), LAST),
        author=np.floor(authors * rng.random(n) ** 2).astype(np.int64),
        weight=rng.uniform(0.5, 3, n),
        value=None if measure == "count" else rng.lognormal(size=n),
        last=LAST,
        measure=measure,
    )


def by_rows(rows, day):
    """The jump at one day from all rows around it: what every date cost before rows were summed."""
    month = (rows.day - day) // MONTH + 4
    inside = (month >= 0) & (month < 8)
    month, n, author = month[inside], rows.weight[inside], rows.author[inside]
    value = np.ones(len(n)) if rows.value is None else rows.value[inside]
    total = n * value
    count = np.bincount(month, n, minlength=8)
    mean = np.bincount(month, total, minlength=8) / count
    level, influence = mean, (total - mean[month] * n) / count[month]
    if rows.measure == "count":
        level, influence = np.log(count), n / count[month]
    elif rows.measure == "ratio":
        level, influence = np.log(mean), influence / mean[month]
    weight = line_weights()
    of_author = np.bincount(author, weight[month] * influence)
    authors = len(np.unique(author))
    variance = of_author @ of_author * authors / (authors - 1)
    return Jump(weight @ level, np.sqrt(variance), n.sum())


@pytest.mark.parametrize("measure", ["count", "mean", "ratio"])
def test_jumps_at_all_dates_are_those_of_the_rows_around_each(measure):
    rows = rows_of(measure)
    # A week apart, and others that cut weeks.
    days = [*range(112, LAST - 112 + 2, 7), 150, 201, 202]
    for day, found in zip(days, jumps(rows, days), strict=True):
        assert found == pytest.approx(by_rows(rows, day), rel=1e-12)


def test_authors_of_large_numbers_and_in_many_blocks_are_all_counted(monkeypatch):
    rows = rows_of("ratio", authors=900)
    whole = jumps(rows, [150, 200])
    monkeypatch.setattr("twigma.analysis.likes.event_jumps.AUTHORS", 7)
    for found, expected in zip(jumps(rows, [150, 200]), whole, strict=True):
        assert found == pytest.approx(expected, rel=1e-12)
        assert found.se > 0


def test_why_there_is_no_jump():
    rows = rows_of("ratio")
    early, fine, late = jumps(rows, [20, 200, 300])
    assert early == "20 days before and 381 after it, of 112 each"
    assert isinstance(fine, Jump)
    assert late == "300 days before and 101 after it, of 112 each"
    assert jumps(rows, [20])[0] == early


def test_a_month_of_one_author_has_no_line():
    rows = rows_of("count")
    in_month = (rows.day >= 200) & (rows.day < 228)
    rows.author[in_month] = 3
    alone = "fewer than 2 authors in a month around it"
    assert jumps(rows, [200, 172, 228]) == [alone] * 3
    # Months that the lone author shares with others.
    assert isinstance(jumps(rows, [214])[0], Jump)


def test_values_that_are_the_same_around_a_date_have_no_jump():
    """A share of 0 there and of more elsewhere, and a constant that no sum has exactly."""
    rows = rows_of("mean")
    near = (rows.day >= 88) & (rows.day < 312)
    rows.value[near] = 0.0
    same = "the same in all rows around it"
    nowhere, somewhere = jumps(rows, [200, 214])
    assert nowhere == same and isinstance(somewhere, Jump)
    rows.value[near] = 0.1
    assert jumps(rows, [200]) == [same]
