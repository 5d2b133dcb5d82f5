"""Blocks against estimates made without each of them, Student's interval, and Satterthwaite's degrees of freedom."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from twigma.analysis.inference.blocks import (
    FEW,
    Spread,
    dense_blocks,
    effective_blocks,
    effective_blocks_of,
    few_note,
    half_width,
    jackknife,
    known_blocks,
    mean_jackknife,
    unknown_note,
)


@pytest.mark.parametrize(
    "labels",
    [
        ["b", None, "b", "a", None],
        pd.Series(["b", None, "b", "a", None], index=[9, 8, 7, 6, 5]),
        pa.array(["b", None, "b", "a", None]),
        np.array([7.0, np.nan, 7.0, 3.0, np.nan]),
    ],
)
def test_rows_of_one_label_are_a_block_and_others_their_own(labels):
    codes = dense_blocks(labels, 5)
    assert codes[0] == codes[2]
    assert sorted(set(codes.tolist())) == [0, 1, 2, 3]
    assert known_blocks(labels)


def test_without_labels_every_row_is_a_block():
    assert dense_blocks(None, 3).tolist() == [0, 1, 2]
    assert not known_blocks(None) and not known_blocks([None, np.nan])
    assert effective_blocks_of(None, 40) == pytest.approx(40)
    with pytest.raises(ValueError, match="each of 3 rows, found 2"):
        dense_blocks(["a", "b"], 3)


def test_the_effective_number_is_satterthwaites_freedom_of_the_sum(rng):
    """Σ n²Z² of independent normals has mean m and variance v, so 2m²/v degrees of freedom."""
    sizes = np.array([40, 10, 10, 5, 1])
    draws = (sizes**2 * rng.normal(size=(200_000, 5)) ** 2).sum(axis=1)
    freedom = 2 * draws.mean() ** 2 / draws.var()
    assert effective_blocks(sizes) == pytest.approx(freedom, rel=0.03)


def test_the_spread_of_a_mean_is_of_means_without_each_block(rng):
    labels = rng.integers(12, size=90)
    y, w = 1e6 + rng.normal(size=90), rng.uniform(1, 4, size=90)
    spread = mean_jackknife(y, dense_blocks(labels, 90), w)
    without = []
    for one in range(12):
        rest = labels != one
        without.append(np.average(y[rest], weights=w[rest]))
    away = np.array(without) - np.average(y, weights=w)
    assert spread.variance == pytest.approx(11 / 12 * (away**2).sum(), rel=1e-6)
    sizes = np.bincount(labels, weights=w)
    assert spread.blocks == pytest.approx(effective_blocks(sizes))
    direct = jackknife(np.array(without), np.average(y, weights=w), sizes)
    assert direct.variance == pytest.approx(spread.variance, rel=1e-6)


def test_the_interval_of_blocks_of_one_row_is_students(rng):
    y = rng.normal(size=14)
    half = half_width(mean_jackknife(y, np.arange(14)))
    low, high = stats.t.interval(0.95, 13, y.mean(), stats.sem(y))
    assert half == pytest.approx((high - low) / 2)


def test_two_sets_have_the_interval_of_welch(rng):
    a, b = rng.normal(size=9), 3 * rng.normal(size=30)
    spreads = [mean_jackknife(y, np.arange(len(y))) for y in (a, b)]
    limits = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert half_width(*spreads) == pytest.approx((limits.high - limits.low) / 2)


def test_a_single_block_has_no_interval_and_no_variance_has_no_width():
    assert np.isnan(mean_jackknife([1.0, 2.0], np.zeros(2, np.int64)).variance)
    assert np.isnan(half_width(Spread(np.nan, 1.0), Spread(1.0, 9.0)))
    assert half_width(Spread(0.0, 5.0)) == 0
    # One owner of nearly all: a single degree of freedom, not fewer.
    assert half_width(Spread(1.0, 1.2)) == pytest.approx(stats.t.ppf(0.975, 1))


def test_notes_name_the_sets_they_are_about():
    text = few_note({"twigma": 12.04, "laion": FEW, "artbench": 29.9})
    assert "those of twigma count as 12.0, those of artbench count as 29.9" in text
    assert "laion" not in text and "below 30" in text
    assert "unknown in a, b: images are taken as independent" in unknown_note(
        ["a", "b"]
    )
