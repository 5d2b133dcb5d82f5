"""Text columns beyond 2 GiB: the same rows as Arrow takes from short ones, and real ones of 2.4 GB."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core import columns
from twigma.core.tables import (
    long_texts,
    sort_table,
    take_rows,
    take_table,
    whole,
    whole_table,
)

TEXTS = [None, "", "é" * 40, "castle", "a", "b" * 90]


@pytest.fixture
def short_arrays(monkeypatch):
    """Arrays as if they held 64 bytes, and slices of two rows."""
    monkeypatch.setattr(long_texts, "MOST_BYTES", 64)
    monkeypatch.setattr(long_texts, "ROWS_A_SLICE", 2)


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.large_string()])
def test_long_columns_give_the_rows_that_arrow_takes(short_arrays, kind):
    column = pa.chunked_array([TEXTS[:2], TEXTS[2:]], pa.string()).cast(kind)
    rows = pa.array([5, 0, None, 2, 2, 1])
    taken = take_rows(column, rows)
    assert taken.type == kind and taken.equals(column.take(rows))
    is_wide = kind != pa.large_string()
    assert taken.num_chunks == (3 if is_wide else 1)
    assert whole(column).cast(kind).equals(column.combine_chunks())


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=9), st.integers(1, 4))
def test_tables_are_taken_and_sorted_as_arrow_does(rows, chunk):
    table = pa.table({"n": np.arange(6), "text": pa.array(TEXTS)})
    table = pa.Table.from_batches(table.to_batches(max_chunksize=chunk))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "MOST_BYTES", 64)
        places = pa.array(rows, pa.int64())
        assert take_table(table, places).equals(table.take(places))
        wide = whole_table(table)
        assert wide["text"].num_chunks == 1
        assert wide.take(places).cast(table.schema).equals(table.take(places))
        order = [("text", "descending"), ("n", "ascending")]
        assert sort_table(table, order).equals(table.sort_by(order))


def test_few_rows_of_a_short_column_may_become_a_long_one(short_arrays):
    column = pa.chunked_array([["castle"]])
    assert take_rows(column, pa.array([0] * 40)).num_chunks == 20


@pytest.fixture(scope="module")
def long():
    """2.4 GB of text in two chunks that share their memory."""
    texts = pa.array(["x" * 1_000_000] * 1_200)
    return pa.chunked_array([texts, texts])


def test_arrow_refuses_it(long):
    """The reason for this module; where Arrow learns it, the module may go."""
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        long.combine_chunks()
    with pytest.raises(pa.ArrowInvalid, match="offset overflow"):
        long.take(pa.array([0, 2_399]))


@pytest.mark.slow
def test_a_part_with_more_text_than_an_array_holds_is_joined(long):
    names = pa.array([str(n) for n in range(2_400)])
    part = pa.table({"image_name": names, "text": long})
    images = pa.table({"image_name": names.slice(0, 2_300)})
    joined = columns.join(images, part)
    assert joined["text"].type == pa.string()
    assert joined["text"].nbytes > long_texts.MOST_BYTES
    assert joined["text"][2_299].as_py() == "x" * 1_000_000
    assert whole(long).dictionary_encode().indices.null_count == 0
