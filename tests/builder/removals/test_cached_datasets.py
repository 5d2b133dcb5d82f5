"""What `datasets` cached of removed images, whatever the folder was called; caches of others stay."""

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.builder.removals.cached_datasets import drop_caches


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of `datasets`, with one of each folder loaded."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tables = {
        "castles": {"image_name": ["pic010", "pic011"], "like_count": [3, None]},
        "villages": {"image_name": ["pic011", None], "embedding": [[1.0], [2.0]]},
        "of a stranger": {"image_name": ["pic010", "pic011"], "label": [1, 2]},
        "of another": {"word": ["pic010", "pic011"]},
    }
    for name, values in tables.items():
        (tmp_path / name).mkdir()
        pq.write_table(pa.table(values), tmp_path / name / "rows.parquet")
        datasets.load_dataset(str(tmp_path / name))
    datasets.load_dataset("parquet", data_dir=str(tmp_path / "castles"))
    return tmp_path / "cache"


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir() if path.is_dir()}


def test_caches_that_name_a_removed_image_are_deleted(cache: Path) -> None:
    before = names(cache)
    dropped = drop_caches({"pic010", "123"})
    assert dropped == [str(cache / "castles"), str(cache / "parquet")]
    assert names(cache) == before - {"castles", "parquet"}
    assert len(list(cache.rglob("*.arrow"))) == 3
    assert drop_caches({"pic010"}) == []


def test_a_damaged_cache_may_hold_a_removed_image(cache: Path) -> None:
    for path in cache.rglob("*.arrow"):
        path.write_bytes(path.read_bytes()[:50])
    dropped = drop_caches({"pic010"})
    assert str(cache / "villages") in dropped
    assert "of another" in names(cache)
