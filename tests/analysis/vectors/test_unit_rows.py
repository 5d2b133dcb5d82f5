"""Rows of norm 1, and those that can have none."""

import numpy as np
import pytest

from twigma.analysis.vectors.unit_rows import unit_rows, usable_unit_rows


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-6), (np.float64, 1e-15)])
def test_rows_have_norm_one(rng, dtype, close):
    rows = unit_rows(rng.normal(size=(50, 7)).astype(np.float16), dtype=dtype)
    assert rows.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=close)


def test_rows_without_a_direction_are_refused_by_their_number():
    with pytest.raises(ValueError, match="set: row 8 is zero"):
        unit_rows([[1.0, 0], [0, 0]], "set", first=7)


def test_usable_rows(rng):
    stored = rng.normal(size=(6, 4)).astype(np.float16)
    stored[2], stored[4] = 0, np.nan
    unit, usable = usable_unit_rows(stored, np.array([5, 2, 4, 0]))
    assert usable.tolist() == [True, False, False, True]
    expected = unit_rows(stored[[5, 0]])
    np.testing.assert_allclose(unit[usable], expected, atol=1e-6)
