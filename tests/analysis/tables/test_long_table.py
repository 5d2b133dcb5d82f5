"""Long tables: written, read and written again by blocks; other files are none, and damaged ones are named."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.analysis.tables.long_table import LongTable, stored_long_table

ROWS = pa.table({"image_name": ["a", "b", None], "n": pa.array([1, 2, 3], pa.int8())})


def table_of(pieces, asked):
    """A table of as many pieces, each of which is noted when it is made."""

    def blocks():
        for piece in range(pieces):
            asked.append(piece)
            yield ROWS

    return LongTable(ROWS.schema, pieces * len(ROWS), blocks)


def test_blocks_are_made_when_written_and_come_back_as_they_were(tmp_path):
    asked = []
    table = table_of(3, asked)
    assert len(table) == 9 and table.columns == ["image_name", "n"] and asked == []
    table.write(tmp_path / "a.parquet")
    assert asked == [0, 1, 2]
    # One is written before the next is made.
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 3
    stored = stored_long_table(tmp_path / "a.parquet")
    assert len(stored) == 9 and stored.schema == ROWS.schema
    stored.write(tmp_path / "b.parquet")
    again = stored_long_table(tmp_path / "b.parquet")
    expected = pa.concat_tables([ROWS] * 3).to_pandas()
    for found in (again.to_pandas(), pd.read_parquet(tmp_path / "b.parquet")):
        pd.testing.assert_frame_equal(found, expected)


def test_no_rows_are_a_table_too(tmp_path):
    table_of(0, []).write(tmp_path / "none.parquet")
    none = stored_long_table(tmp_path / "none.parquet")
    assert len(none) == 0 and list(none.to_pandas()) == ["image_name", "n"]


def test_a_file_of_another_kind_is_no_long_table(tmp_path):
    pq.write_table(ROWS, tmp_path / "short.parquet")
    assert stored_long_table(tmp_path / "short.parquet") is None
    with pytest.raises(FileNotFoundError):
        stored_long_table(tmp_path / "nothing.parquet")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    table_of(2, []).write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"a\.parquet is damaged"):
        stored_long_table(path)
    # Its first page, behind the four bytes that every file begins with.
    path.write_bytes(whole[:30] + bytes(8) + whole[38:])
    stored = stored_long_table(path)
    with pytest.raises(ValueError, match=r"a\.parquet is damaged"):
        stored.to_pandas()
