"""Files of a stranger cost what they weigh: bombs are refused or skipped, in little memory."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.archived import post, v1, write
from support.peaks import run_commands
from support.unpacking import archive_bombs, gzip_bomb, list_bombs

from twigma.core.safety.bounded import (
    Cut,
    _leaves_of,
    inflated,
    load_json,
    open_parquet,
    text_lines,
    unpacked,
)
from twigma.rehydrate.ids.post_ids import collect_ids, read_ids
from twigma.rehydrate.sources.archives.import_archives import import_archives

MOST = 400  # MB, of which the libraries take a third


def test_lists_that_unpack_to_gigabytes_end_in_a_sentence(tmp_path: Path) -> None:
    bombs = list_bombs(tmp_path)
    ran = run_commands([["ids", str(path)] for path in bombs])
    assert [code for code, _ in ran.results] == ["1"] * len(bombs), ran.results
    said = [last for _, last in ran.results]
    assert [text for text in said if not text.startswith("twigma: ")] == []
    assert ran.peak < MOST


def test_archives_that_unpack_to_gigabytes_end_in_a_sentence(tmp_path: Path) -> None:
    bombs = archive_bombs(tmp_path)
    ran = run_commands(
        [["import", "--work", f"{path}-work", str(path)] for path in bombs]
    )
    assert [code for code, _ in ran.results] == ["1"] * len(bombs), ran.results
    assert ran.peak < MOST


def test_one_long_line_is_skipped_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n17\n" + "9" * (3 << 20) + "\n18\n")
    ids, bad = read_ids(path)
    assert ids == ["17", "18"]
    assert [(line.line, len(line.value), line.reason) for line in bad] == [
        (3, 200, "longer than 1,048,576 characters")
    ]
    wide = tmp_path / "a.txt"
    wide.write_text("17\r\n" + "9" * (3 << 20) + "\r\n18\r\n", "utf-16")
    assert read_ids(wide)[0] == ["17", "18"]


def test_more_lines_than_are_listed_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twigma.rehydrate.ids.skipped_lines.LISTED", 3)
    path = tmp_path / "a.csv"
    path.write_text("id\n17\n" + "x\n" * 10)
    bad = collect_ids(path).bad
    assert (len(bad), bad.total) == (3, 10)
    assert bad.rows()[-1] == (
        6,
        "",
        "this line and those after it: 7 more were skipped",
    )


def test_an_archive_after_a_bomb_is_imported(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip_bomb(b"", b"A" * 1024, 100_000))
    good = write(tmp_path / "good.jsonl", [v1(post(1))])
    result = import_archives(tmp_path / "work", [bomb, good])
    assert list(result.imported) == [good]
    assert re.search(r"bomb\.jsonl\.gz: .*unpack it yourself", result.failures[bomb])
    assert (tmp_path / "work" / "images.parquet").exists()


def test_unpacking_stops_at_a_multiple_of_the_size() -> None:
    bomb = io.BytesIO(gzip_bomb(b"", b"A", 100_000))
    refused = pytest.raises(ValueError, match="it: unpacks to over 67,108,864 bytes")
    with gzip.open(bomb) as raw, unpacked(raw, 1000, "it") as source, refused:
        while source.read(1 << 20):
            pass


def test_lines_and_json_are_bounded() -> None:
    lines = list(text_lines(io.BytesIO(b"abc\n" + b"x" * 50 + b"\nabcdefghij\nz"), 11))
    assert [(line, isinstance(line, Cut)) for line in lines] == [
        ("abc", False), ("x" * 11, True), ("abcdefghij", False), ("z", False),
    ]  # fmt: skip
    assert load_json(b'{"a": [1, 2]}') == {"a": [1, 2]}
    with pytest.raises(ValueError, match="over 1,000,000 values"):
        load_json("[" + "1," * 1_000_001 + "1]")


def test_answers_are_inflated_up_to_a_limit() -> None:
    text = b"x" * 5000
    assert b"".join(inflated(iter([text]), "", 5000)) == text
    packed = gzip.compress(text)
    assert b"".join(inflated(iter([packed[:9], packed[9:]]), "gzip", 5000)) == text
    for parts, encoding in (([packed], "gzip"), ([text], "")):
        with pytest.raises(ValueError, match="over 4,999 bytes"):
            list(inflated(iter(parts), encoding, 4999))
    with pytest.raises(ValueError, match="inside its gzip"):
        list(inflated(iter([packed[:-9]]), "gzip", 5000))
    with pytest.raises(ValueError, match="not asked for"):
        list(inflated(iter([packed]), "gzip, gzip", 5000))


@pytest.mark.parametrize("name", ["payload", "pay.load"])
def test_a_column_that_unpacks_to_gigabytes_is_refused_whatever_its_name(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "bomb.parquet"
    columns = {"id": pa.nulls(40_000_000), name: np.zeros(40_000_000, np.int64)}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ValueError, match="bytes of Parquet that unpack to"):
        open_parquet(path, path.stat().st_size, str(path), [name])


def test_the_leaves_of_columns_of_every_kind_are_their_own() -> None:
    values = {
        "a.b": [1],
        "map": pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())),
        "lists": [[{"u": 1, "v": [2]}]],
        "structs": [{"p": 1, "q": {"r": "x"}}],
        "vectors": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
        "words": pa.array(["a"]).dictionary_encode(),
        "a": [1],
    }
    file = io.BytesIO()
    pq.write_table(pa.table(values), file)
    opened = pq.ParquetFile(file)
    stored = opened.metadata.row_group(0)
    found = []
    for name in values:
        leaves = _leaves_of(opened.schema_arrow, {name})
        paths = [stored.column(at).path_in_schema for at in leaves]
        assert paths and all(f"{path}.".startswith(f"{name}.") for path in paths)
        found += leaves
    assert found == list(range(stored.num_columns))
