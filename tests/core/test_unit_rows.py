"""Rows of length 1: by an independent formula, at both precisions, zeros and NaN included."""

import math

import numpy as np
import pytest

from twigma.core.unit_rows import unit_rows


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 6), (np.float64, 14)])
def test_each_row_is_divided_by_its_norm(dtype, digits):
    rows = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float16)
    expected = [
        [float(x) / math.sqrt(math.fsum(float(y) ** 2 for y in row)) for x in row]
        for row in rows
    ]
    unit = unit_rows(rows, dtype)
    assert unit.dtype == dtype
    np.testing.assert_allclose(unit, expected, rtol=10.0**-digits)


def test_the_input_stays_as_it_is():
    rows = np.full((2, 3), 2, np.float32)
    assert unit_rows(rows) is not rows
    np.testing.assert_array_equal(rows, 2)


def test_zeros_stay_and_nan_is_not_hidden():
    rows = np.array([[0, 0], [np.nan, 1], [0, 5]], np.float32)
    np.testing.assert_array_equal(unit_rows(rows), [[0, 0], [np.nan] * 2, [0, 1]])
    assert unit_rows(np.empty((0, 4), np.float16)).shape == (0, 4)
