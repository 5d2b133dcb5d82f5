"""The memory an analysis needs: told by the rows, and refused before any work where it is not there."""

import shutil

import pytest
from support.mapped import planted_table, write_release

from twigma.analysis.analyze import analyze
from twigma.analysis.tables import memory
from twigma.core import machine


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "twigma"
    return write_release(folder, planted_table(600, odd=0))


def test_need_grows_with_the_rows_and_the_embeddings(release):
    need = memory.needed(release)
    files = [path.stat().st_size for path in release.glob("embeddings-*.parquet")]
    assert need.rows == 600
    assert need.memory == memory.BYTES_AT_LEAST + 600 * memory.BYTES_A_ROW
    assert need.disk == 600 * memory.DECODED_A_ROW + sum(files)


def test_too_little_memory_is_one_sentence_before_any_work(
    release, tmp_path, monkeypatch
):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   500000 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    sentence = (
        "600 rows need about 0.6 GB of memory, and 0.5 GB are available: .*--select"
    )
    with pytest.raises(ValueError, match=sentence):
        analyze(release, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_too_small_a_disk_is_told(tmp_path):
    room = shutil.disk_usage(tmp_path).free
    need = memory.Need(10, 0, 2 * room)
    with pytest.raises(
        ValueError, match=r"10 rows are decoded to .* GB on the disk of .*--out"
    ):
        memory.require(need, tmp_path / "not" / "yet" / "there")


def test_little_room_is_told_in_a_unit_that_it_fills(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=40_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    need = memory.Need(202, 0, 161_600)
    sentence = "202 rows are decoded to 161.6 kB on the disk of .*, which has 40.0 kB: "
    with pytest.raises(ValueError, match=sentence):
        memory.require(need, tmp_path)
