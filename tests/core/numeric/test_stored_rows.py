"""Rows of a stored matrix at norm 1: the same bytes as when all of them are made at once."""

import numpy as np
import pytest

from twigma.core.numeric.stored_rows import StoredRows, rows_of, stored_unit_rows
from twigma.core.numeric.unit_vectors import usable_unit_rows


@pytest.fixture
def stored():
    rows = np.random.default_rng(0).normal(size=(40_000, 8)).astype(np.float16)
    rows[7] = 0
    rows[11] = np.nan
    return rows


@pytest.mark.parametrize("order", ["as stored", "shuffled", "repeated"])
def test_slices_and_rows_are_those_of_the_whole_to_the_byte(stored, order):
    rng = np.random.default_rng(1)
    rows = {
        "as stored": np.arange(40_000),
        "shuffled": rng.permutation(40_000),
        "repeated": rng.integers(40_000, size=50_000),
    }[order]
    unit, usable = usable_unit_rows(stored, rows)
    unit = unit[usable]
    lazy, also_usable = stored_unit_rows(stored, rows)
    np.testing.assert_array_equal(also_usable, usable)
    assert lazy.shape == unit.shape
    assert lazy.dtype == unit.dtype
    np.testing.assert_array_equal(np.asarray(lazy), unit)
    np.testing.assert_array_equal(lazy[20_000:20_100], unit[20_000:20_100])
    np.testing.assert_array_equal(lazy[:0], unit[:0])
    some = rng.permutation(len(unit))[:99]
    np.testing.assert_array_equal(lazy[some], unit[some])
    chosen = rows_of(lazy, some)
    assert isinstance(chosen, StoredRows)
    np.testing.assert_array_equal(chosen[np.arange(5)], unit[some[:5]])
    is_large = unit[:, 0] > 0.9
    np.testing.assert_array_equal(lazy[is_large], rows_of(unit, is_large))


def test_what_is_read_is_a_copy(stored):
    lazy, _ = stored_unit_rows(stored, np.arange(5))
    lazy[:][:] = 0
    assert np.linalg.norm(lazy[:], axis=1) == pytest.approx(np.ones(5), abs=1e-6)
