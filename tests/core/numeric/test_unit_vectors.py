"""Rows of length 1: by an independent formula, at both precisions, zeros and NaN included."""

import math

import numpy as np
import pytest

from twigma.core.numeric.unit_vectors import (
    require_unit_rows,
    unit_rows,
    usable_unit_rows,
)


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


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-6), (np.float64, 1e-15)])
def test_required_rows_have_norm_one(dtype, close):
    rows = np.random.default_rng(1).normal(size=(50, 7)).astype(np.float16)
    unit = require_unit_rows(rows, "set", dtype=dtype)
    assert unit.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=close)
    cosines = (unit * rows.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(cosines, np.linalg.norm(rows.astype(float), axis=1))


def test_rows_of_norm_one_are_not_copied():
    unit = require_unit_rows(np.random.default_rng(2).normal(size=(50, 768)), "set")
    assert require_unit_rows(unit, "set") is unit
    assert require_unit_rows(unit * 1.001, "set") is not unit


@pytest.mark.parametrize("bad", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_rows_without_a_direction_are_refused_by_their_number(bad):
    with pytest.raises(ValueError, match="set: row 8 is zero or not finite"):
        require_unit_rows([[1.0, 0], bad], "set", first=7)


@pytest.mark.parametrize("rows", [np.empty((0, 4)), np.ones(4)])
def test_a_matrix_with_rows_is_required(rows):
    with pytest.raises(ValueError, match="set: expected a matrix with at least one"):
        require_unit_rows(rows, "set")


def test_usable_rows_are_scaled_and_the_others_marked(monkeypatch):
    monkeypatch.setattr("twigma.core.numeric.unit_vectors.BLOCK", 3)
    stored = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float16)
    stored[2], stored[4] = 0, np.nan
    unit, usable = usable_unit_rows(stored, np.array([5, 2, 4, 0]))
    assert usable.tolist() == [True, False, False, True]
    expected = require_unit_rows(stored[[5, 0]], "stored")
    np.testing.assert_allclose(unit[usable], expected, atol=1e-6)
