"""Post age from the stored pages: the last count of a post's likes, and what is not known."""

import numpy as np
import pyarrow as pa

from twigma.analysis.inputs.post_age import ages, like_counts_seen
from twigma.core.parts import write_part
from twigma.core.workspace import Workspace


def page(work, name, ids, likes, days):
    microseconds = [None if day is None else day * 86_400_000_000 for day in days]
    part = pa.table(
        {
            "id": ids,
            "like_count": pa.array(likes, pa.int64()),
            "received_at": pa.array(microseconds, pa.int64()),
        }
    )
    write_part(work.parsed_pages / f"{name}.arrow", part, {})


def test_the_last_count_of_likes_dates_a_post(tmp_path):
    work = Workspace(tmp_path)
    page(work, "search-0", ["1", "2", "3"], [5, 5, 5], [20, 20, None])
    # Post 2 is gone when it is looked up again: its likes are those of the first time.
    page(work, "lookup-0", ["1", "2"], [9, None], [50, 50])
    seen = like_counts_seen(work)
    assert sorted(seen["id"].to_pylist()) == ["1", "2"]
    created = np.array([10, 15, 1, 1], "datetime64[D]").astype("datetime64[ms]")
    ids = np.array(["1", "2", "3", "4"], object)
    found = ages(ids, created, seen)
    np.testing.assert_array_equal(found, [40, 5, np.nan, np.nan])
    later = np.array(["1970-03-01"] * 4, "datetime64[ms]")
    assert ages(ids, later, seen) is None  # counted before they were written
    assert ages(ids, created, None) is None


def test_a_folder_without_pages_knows_none(tmp_path):
    assert like_counts_seen(Workspace(tmp_path)) is None
    page(Workspace(tmp_path), "lookup-0", ["1"], [None], [3])
    assert like_counts_seen(Workspace(tmp_path)) is None


def test_a_damaged_part_is_passed_over(tmp_path):
    work = Workspace(tmp_path)
    page(work, "lookup-0", ["1"], [3], [3])
    page(work, "lookup-1", ["2"], [3], [4])
    path = work.parsed_pages / "lookup-0.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    assert like_counts_seen(work)["id"].to_pylist() == ["2"]
