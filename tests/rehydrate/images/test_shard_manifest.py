"""A manifest comes back as it was written; one that was edited is refused by name before anything is read."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.staging import encode, make_shard, pixels

from twigma.rehydrate.accounting import read_finished_shards
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shard_manifest import (
    Manifest,
    Shard,
    read_manifest,
    write_manifest,
)

WRITTEN = Manifest(
    tar="00000.tar",
    sha256="a" * 64,
    bytes=10_240,
    sidecar="b" * 64,
    rows=3,
    samples=2,
    made_from={"kind": "fetch", "size": 512, "list": "c" * 64},
)


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return make_shard(tmp_path, "00000", {"1": encode(pixels(1))})


def test_a_manifest_comes_back_as_it_was_written(shard: Shard) -> None:
    write_manifest(shard, WRITTEN)
    assert read_manifest(shard) == WRITTEN
    assert json.loads(shard.manifest.read_text()) == {
        "tar": "00000.tar",
        "sha256": "a" * 64,
        "bytes": 10_240,
        "sidecar": "b" * 64,
        "rows": 3,
        "samples": 2,
        "made_from": {"kind": "fetch", "size": 512, "list": "c" * 64},
    }


@pytest.mark.parametrize(
    "edit",
    [
        {"bytes": "10240"},
        {"bytes": True},
        {"rows": 2.5},
        {"samples": None},
        {"tar": ["00000.tar"]},
        {"sha256": 7},
        {"made_from": "fetch"},
        {"something_else": 1},
    ],
    ids=str,
)
def test_an_edited_manifest_is_refused_and_status_goes_past_it(
    tmp_path: Path, shard: Shard, edit: dict[str, Any]
) -> None:
    good = json.loads(shard.manifest.read_text())
    shard.manifest.write_text(json.dumps(good | edit))
    sentence = (
        f"the manifest {shard.manifest} is damaged: delete it and run again the command that wrote "
        "the shard"
    )
    with pytest.raises(ValueError) as error:
        read_manifest(shard)
    assert str(error.value) == sentence
    assert not shards.is_finished(shard)
    assert read_finished_shards(tmp_path).damaged == [sentence]


@pytest.mark.parametrize(
    "name", ["tar", "sha256", "bytes", "sidecar", "rows", "samples"]
)
def test_a_manifest_without_a_value_is_refused(shard: Shard, name: str) -> None:
    facts = json.loads(shard.manifest.read_text())
    del facts[name]
    shard.manifest.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="is damaged"):
        read_manifest(shard)


def test_the_tar_of_a_stranger_is_not_read(tmp_path: Path, shard: Shard) -> None:
    """Only `twigma add` registers a tar elsewhere, by its whole path."""
    elsewhere = str(tmp_path / "own.tar")
    facts = json.loads(shard.manifest.read_text())
    added = {"tar": elsewhere, "made_from": {"kind": "add", "group_key": None}}
    shard.manifest.write_text(json.dumps(facts | added))
    manifest = read_manifest(shard)
    assert manifest.tar_path(shard.manifest.parent) == Path(elsewhere)
    for edit in (
        {"tar": elsewhere, "made_from": {"kind": "fetch"}},
        {"tar": "../own.tar", "made_from": {"kind": "add"}},
        {"tar": f"{tmp_path}/a/../own.tar", "made_from": {"kind": "add"}},
    ):
        shard.manifest.write_text(json.dumps(facts | edit))
        with pytest.raises(ValueError, match=r"00000\.json"):
            read_manifest(shard)
