"""An estimate prints as in a text, reads as a row, and blocks are numbered whatever their labels are."""

import numpy as np
import pytest

from twigma.analysis.inference.intervals import Estimate, block_codes, interval


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(1.02137, 1.01888, 1.02386, 2633), "1.021 [1.019, 1.024], n = 2,633"),
        (Estimate(12345.6, 12000.0, 12700.0, 9), "12,346 [12,000, 12,700], n = 9"),
        (Estimate(0.5, 0.5, 0.5, 10), "0.500 [0.500, 0.500], n = 10"),
        (Estimate(0.123456, np.nan, np.nan, 2), "0.1235 (no interval), n = 2"),
        # Rounding of sums is no width.
        (Estimate(1.0, 1 - 2e-15, 1 + 2e-15, n=9), "1.000 [1.000, 1.000], n = 9"),
        (Estimate(1e-17, 0.0, 2e-17, n=9), "1e-17 [0, 2e-17], n = 9"),
    ],
)
def test_an_estimate_prints_its_interval(estimate, text):
    assert str(estimate) == repr(estimate) == text


def test_an_estimate_is_a_row():
    row = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3}
    assert dict(Estimate(**row)) == row and {**Estimate(**row)} == row
    with pytest.raises(KeyError):
        Estimate(**row)["p"]


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b", "a", "c"],
        np.array([5, 7, 5, 6]),
        np.array([10**18, 1, 10**18, 2]),
        np.array([-128, 127, -128, 0], np.int8),
    ],
)
def test_equal_labels_have_equal_codes(labels):
    codes = block_codes(labels)
    assert codes[0] == codes[2] and len(set(codes.tolist())) == 3 and codes.min() == 0


def test_rows_without_a_label_are_blocks_of_their_own():
    assert len(set(block_codes(["a", None, "a", np.nan]).tolist())) == 3
    assert block_codes([None, None]).tolist() == [0, 1]


def test_blocks_of_equal_rows_widen_the_interval_by_their_root(rng):
    influence = rng.normal(size=500)
    one = interval(0.0, influence)
    four = interval(0.0, np.repeat(influence, 4), np.repeat(np.arange(500), 4))
    assert four.high == pytest.approx(one.high, rel=0.005)


@pytest.mark.parametrize("blocks", [None, [0, 0, 0, 1, 1, 1], ["a", "a", "b", "b"]])
def test_two_rows_or_blocks_have_no_interval(blocks, rng):
    influence = rng.normal(size=2 if blocks is None else len(blocks))
    found = interval(0.5, influence, blocks)
    assert found.value == 0.5 and np.isnan([found.low, found.high]).all()


def test_limits_are_cut_at_what_a_quantity_can_be_and_else_left(rng):
    influence = rng.normal(size=9)
    free = interval(0.5, influence)
    assert free.low < 0.5 < free.high
    wide = interval(0.5, influence, least=free.low - 1, most=free.high + 1)
    assert dict(wide) == dict(free)
    cut = interval(0.5, influence, least=0.45, most=0.55)
    assert (cut.low, cut.high) == (0.45, 0.55)
    # A value beyond its range by rounding stays in its interval.
    beyond = interval(1.0 + 1e-12, influence, most=1.0)
    assert beyond.high == beyond.value
