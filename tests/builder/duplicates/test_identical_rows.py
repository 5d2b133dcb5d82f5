"""Rows of equal bytes against np.unique; the earliest of a group against a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.staging import units, vectors_of

from twigma.builder.duplicates import identical_rows


@pytest.mark.parametrize("dim", [1, 3, 32, 50, 768])
def test_identical_equals_numpy(dim):
    rng = np.random.default_rng(dim)
    rows = units(rng, 600, dim)[rng.integers(0, 600, 900)]
    rows[5], rows[6] = 0.0, -0.0  # equal numbers, other bytes
    found = identical_rows.identical(vectors_of(rows))
    _, first, groups = np.unique(
        rows.view(np.uint16), axis=0, return_index=True, return_inverse=True
    )
    np.testing.assert_array_equal(found, first[groups.reshape(-1)])


def test_one_flipped_bit_is_no_duplicate():
    rng = np.random.default_rng(0)
    rows = np.repeat(units(rng, 1, 768), 800, axis=0)
    bits = rows.view(np.uint16)
    for i in range(768):
        bits[i, i] ^= 1 << rng.integers(0, 16)
    assert len(np.unique(identical_rows.identical(vectors_of(rows)))) == 769


def test_colliding_hashes_are_told_apart(monkeypatch):
    rng = np.random.default_rng(0)
    rows = units(rng, 40)[rng.integers(0, 40, 90)]
    expected = identical_rows.identical(vectors_of(rows))
    monkeypatch.setattr(
        identical_rows, "_hashes", lambda rows: np.zeros(len(rows), np.uint64)
    )
    np.testing.assert_array_equal(identical_rows.identical(vectors_of(rows)), expected)


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 1000)),
        max_size=30,
        unique_by=lambda pair: pair[1],
    )
)
@settings(deadline=None, max_examples=50)
def test_earliest(pairs):
    groups, rank = (
        np.array([g for g, _ in pairs], int),
        np.array([r for _, r in pairs], int),
    )
    expected = [
        min((r, i) for i, (h, r) in enumerate(pairs) if h == g)[1] for g, _ in pairs
    ]
    assert identical_rows.earliest(groups, rank).tolist() == expected


def test_rows_that_differ_only_at_the_end():
    """Equal in what is looked at first: told apart as a whole."""
    rows = np.repeat(units(np.random.default_rng(5), 1, 768), 50, axis=0)
    rows[:, -1] = np.arange(50) // 5
    assert identical_rows.identical(vectors_of(rows)).tolist() == [
        5 * (i // 5) for i in range(50)
    ]


def test_no_rows():
    assert (
        identical_rows.identical(vectors_of(np.empty((0, 8), np.float16))).tolist()
        == []
    )
