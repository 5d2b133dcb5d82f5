"""Ids as numbers: only where each gives its text back, and found in whatever form the other side has."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core.tables import compact, compact_keys, find, number, united

NUMBERS = ["0", "1489999999999999999", None, str(2**63 - 1)]
IDS = st.lists(st.none() | st.sampled_from([*NUMBERS, "007", "a", "", str(2**63)]))


@pytest.mark.parametrize("text", ["007", "-1", "1.0", " 1", "", "é", str(2**63), "٣"])
def test_a_text_that_a_number_does_not_give_back_stays_text(text):
    column = pa.chunked_array([NUMBERS, [text]])
    assert compact(column).equals(column)


def test_plain_numbers_are_eight_bytes_and_give_their_text_back():
    column = pa.chunked_array([NUMBERS[:1], NUMBERS[1:]])
    found = compact(column)
    assert found.type == pa.int64() and found.cast(pa.string()).equals(column)
    assert compact(pa.chunked_array([], pa.string())).type == pa.int64()


@settings(deadline=None)
@given(IDS, IDS)
def test_the_same_is_found_as_among_texts(values, among):
    values = pa.chunked_array([values], pa.string())
    among = pa.chunked_array([among], pa.string())
    expected = pc.index_in(values, value_set=among).combine_chunks()
    ours = compact(values).combine_chunks()
    theirs = compact(among).combine_chunks()
    assert find(ours, theirs).equals(expected)
    both = united([compact(values), compact(among)])
    texts = pa.chunked_array([*values.chunks, *among.chunks])
    assert both.cast(pa.string()).to_pylist() == texts.to_pylist()


@given(IDS)
def test_equal_values_have_one_code(values):
    values = compact(pa.chunked_array([values], pa.string())).combine_chunks()
    codes, distinct = number(values)
    assert distinct.take(pa.array(codes)).equals(values)
    assert len(distinct) == len(set(values.to_pylist()))


def test_numbers_in_no_order_are_found_across_blocks(monkeypatch):
    monkeypatch.setattr(compact_keys, "SEARCHED", 7)
    rng = np.random.default_rng(0)
    values = pa.array(rng.integers(0, 60, 100))
    among = pa.array(rng.integers(0, 60, 50))
    expected = pc.index_in(values, value_set=among)
    assert 0 < expected.null_count < 100 and find(values, among).equals(expected)
