"""Rows of a release as a mapped table: of all files, with the private columns of a working folder beside them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.analysis.tables import rows
from twigma.core import columns
from twigma.core.tables import Scratch
from twigma.core.workspace import Workspace


@pytest.fixture
def release(tmp_path):
    """Two files, of which one alone has captions, and one a dictionary."""
    kinds = pa.array(["a", "b"]).dictionary_encode()
    first = pa.table({"id": ["1", None], "image_name": ["7", "own"], "kind": kinds})
    second = pa.table({"id": ["2"], "image_name": ["8"], "all_captions": ["a cat"]})
    for number, table in enumerate((first, second)):
        pq.write_table(table, tmp_path / f"metadata-{number}.parquet")
    return tmp_path


def test_all_files_are_one_table_that_takes_no_memory(release, tmp_path):
    allocated = pa.total_allocated_bytes()
    table = rows.read_metadata(release, Scratch(tmp_path))
    assert pa.total_allocated_bytes() == allocated
    assert table.to_pydict() == {
        "id": ["1", None, "2"],
        "image_name": ["7", "own", "8"],
        "kind": ["a", "b", None],
        "all_captions": [None, None, "a cat"],
    }
    assert rows.read_metadata(tmp_path / "nothing", Scratch()) is None


def test_private_columns_are_joined_by_post_and_image_some_rows_at_a_time(
    release, tmp_path, monkeypatch
):
    monkeypatch.setattr(rows, "ROWS", 2)
    hydrated = pa.table({"id": ["2", "1", None], "image_name": ["8", "7", "own"]})
    hydrated = columns.add(
        hydrated,
        author_id=["ada", "bo", None],
        follower_count=[5, None, 7],
        url=["u"] * 3,
    )
    work = Workspace(tmp_path / "work")
    work.create()
    pq.write_table(hydrated, work.images_file)
    table = rows.read_metadata(release, Scratch())
    joined = rows.with_private(table, work, Scratch())
    assert joined.column_names == [*table.column_names, "author_id", "follower_count"]
    assert joined["author_id"].to_pylist() == ["bo", None, "ada"]
    assert joined["follower_count"].to_pylist() == [None, 7, 5]
    whole = work.images_file.read_bytes()
    for damaged in (whole[:-200], whole[:4] + b"x" * 60 + whole[64:]):
        work.images_file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is damaged (.|\n)*delete it and run"):
            rows.with_private(table, work, Scratch())
    work.images_file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no images table at .* makes one"):
        rows.with_private(table, work, Scratch())
