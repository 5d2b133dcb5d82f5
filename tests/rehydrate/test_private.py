"""Who may read what: a working folder is for its user alone, with every row in it; a release is for everybody."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from support import releasing
from support.archived import archive, post, write
from support.servers import Host
from support.staging import encode, make_shard, pixels, tiny_clip

from twigma.builder.release.release import release
from twigma.builder.stages.embed import embed_shards
from twigma.core.files import write_json
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.ids.sampling import record
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.posts.removed_ids import add_removed
from twigma.rehydrate.sources.archives.import_archives import import_archives
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.x.lookup import write_outcomes


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_working_folder_and_what_it_knows_of_posts_is_for_its_user_alone(
    tmp_path: Path,
) -> None:
    work = tmp_path / "new" / "work"
    broken = write(
        tmp_path / "a.jsonl",
        ["{", *archive("twarc pages", [post(n) for n in range(3)])],
    )
    import_archives(work, [broken])
    with Ledger(work):
        assert {mode(path) for path in work.glob("ledger.sqlite*")} == {0o600}
    with Host() as host:
        fetch(work, image_base_url=host.url, processes=1)
    write_outcomes(work, {"1": "found"})
    add_removed(work, ["1"])
    make_shard(work, "00007", {"7": encode(pixels(7))})
    embed_shards(work, str(tiny_clip(tmp_path / "clip")), device="cpu")
    assert mode(work) == 0o700 and mode(work.parent) == 0o755
    files = [
        path
        for path in work.rglob("*")
        if path.is_file() and path.stat().st_size and "shards" not in path.parts
    ]
    names = {path.relative_to(work).as_posix() for path in files}
    assert names > {"images.parquet", "ledger.sqlite", "outcomes.csv", "removed.json"}
    assert {path.parent.name for path in files} >= {"pages", "parsed", "embed"}
    assert [path for path in files if mode(path) & 0o077] == []


@pytest.mark.parametrize("first", ["add", "record"])
def test_whatever_makes_the_folder(tmp_path: Path, first: str) -> None:
    work = tmp_path / "work"
    if first == "record":
        record(work, pa.table({"id": ["1"], "sample_weight": [1.0]}))
        assert mode(work / "ids.parquet") == 0o600
    else:
        picture = tmp_path / "a.jpg"
        picture.write_bytes(encode(pixels(1)))
        add_tars(work, [picture])
        assert mode(work / "images.parquet") == 0o600
    assert mode(work) == 0o700


def test_a_folder_of_the_users_keeps_its_permissions_and_the_rows_are_private_all_the_same(
    tmp_path: Path,
) -> None:
    work = tmp_path / "work"
    work.mkdir(mode=0o755)
    import_archives(
        work, [write(tmp_path / "a.jsonl", archive("twarc pages", [post(1)]))]
    )
    assert (
        mode(work) == 0o755
        and mode(work / "images.parquet") == mode(work / "ledger.sqlite") == 0o600
    )


def test_what_replaces_a_private_file_is_private(tmp_path: Path) -> None:
    write_json(tmp_path / "private", 1, private=True)
    write_json(tmp_path / "public", 1)
    for name, expected in (("private", 0o600), ("public", 0o644)):
        write_json(tmp_path / name, 2)
        assert mode(tmp_path / name) == expected


def test_a_release_is_for_everybody(tmp_path: Path) -> None:
    work = releasing.make_work(tmp_path / "work")
    work.chmod(0o700)
    for path in (work / "images.parquet", *work.glob("columns/*/*")):
        path.chmod(0o600)
    release(work, tmp_path / "twigma")
    assert mode(tmp_path / "twigma") == 0o755
    assert {
        mode(path) for path in (tmp_path / "twigma").rglob("*") if path.is_file()
    } == {0o644}
