"""What is decoded into files without a name: the same rows, mapped, and no file that is left."""

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from twigma.core.tables import Scratch


def test_tables_come_back_mapped_and_no_file_is_left(tmp_path):
    one = pa.table({"id": ["1", None], "text": ["ä", "b"]})
    allocated = pa.total_allocated_bytes()
    table = Scratch(tmp_path).table([one] * 50, one.schema)
    assert table.equals(pa.concat_tables([one] * 50))
    assert pa.total_allocated_bytes() == allocated
    assert list(tmp_path.iterdir()) == []


def test_matrices_come_back_mapped_and_the_disk_gets_its_space_back(tmp_path):
    blocks = [np.full((3, 2), number, np.float16) for number in range(4)]
    matrix = Scratch(tmp_path).matrix(iter(blocks))
    np.testing.assert_array_equal(matrix, np.concatenate(blocks))
    assert matrix.dtype == np.float16
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert not matrix.flags.writeable
    assert list(tmp_path.iterdir()) == []
    del matrix
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_folder_that_is_yet_to_be_made_is_not_made(tmp_path):
    assert len(Scratch(tmp_path / "a" / "b").matrix([])) == 0
    assert list(tmp_path.iterdir()) == []


def test_rows_of_two_widths_or_types_are_refused():
    rows = np.zeros((2, 3), np.float16)
    for other in (np.zeros((2, 4), np.float16), np.zeros((2, 3), np.float32)):
        with pytest.raises(
            ValueError, match="expected rows of 3 numbers \\(float16\\)"
        ):
            Scratch().matrix([rows, other])
