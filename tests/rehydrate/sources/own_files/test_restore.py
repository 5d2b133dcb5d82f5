"""Pictures that are given again after `twigma free`, or after files of a shard were lost: back in place, by name."""

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from support.worlds import photo

from twigma.builder.removals.removals import removals
from twigma.builder.status.free_pictures import free_pictures
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core.parts import fingerprint, read_provenance, write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_index import Images
from twigma.rehydrate.sources.own_files import restore
from twigma.rehydrate.sources.own_files.add_images import add_tars

from ...images.test_shards import tar_of

STAGES = ("embed", "caption")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures: one TIFF, one with JSON beside it, two of equal bytes."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / "equal.jpg").write_bytes(photo(2))
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo(4))).save(buffer, "TIFF")
    (folder / "scan.tiff").write_bytes(buffer.getvalue())
    (folder / "0.json").write_text(json.dumps({"text": "a castle"}))
    return folder


@pytest.fixture
def work(tmp_path: Path, folder: Path) -> Path:
    work = tmp_path / "work"
    add_tars(work, [folder], per_shard=3)
    return work


def names(work: Path) -> list[str]:
    return sorted(Workspace(work).table()["image_name"].to_pylist())


def pictures(work: Path) -> dict[str, bytes]:
    images = Images(work)
    return {name: images.read(name) for name in images}


def totals(report: pa.Table) -> dict[str, int]:
    columns = ("images", "known", "restored")
    return {name: sum(report[name].to_pylist()) for name in columns}


def manifests(work: Path) -> dict[str, shards.Manifest]:
    return {one.name: shards.read_manifest(one) for one in shards.manifests(work)}


def tar_hashes(work: Path) -> list[str]:
    """What columns are bound to."""
    return [manifest.sha256 for manifest in manifests(work).values()]


def test_freed_pictures_come_back_in_place_by_name(work: Path, folder: Path) -> None:
    stored, before = pictures(work), tar_hashes(work)
    assert free_pictures(work, without=STAGES, go=True).shards == 2
    report = add_tars(work, [folder])
    assert totals(report) == {"images": 0, "known": 5, "restored": 5}
    assert pictures(work) == stored
    # What was made of the tars is current still.
    assert tar_hashes(work) == before
    assert totals(add_tars(work, [folder])) == {"images": 0, "known": 5, "restored": 0}


def test_in_another_order_they_make_the_same_tar(work: Path, folder: Path) -> None:
    before = tar_hashes(work)
    free_pictures(work, without=STAGES, go=True)
    files = sorted(folder.iterdir(), reverse=True)
    assert totals(add_tars(work, files))["restored"] == 5
    assert tar_hashes(work) == before


def test_columns_stay_where_other_texts_stand_beside_the_same_pictures(
    work: Path, folder: Path
) -> None:
    table = pa.table({"image_name": ["0", "1", "2"]})
    embed, nsfw = (Workspace(work).part(stage, "00000") for stage in ("embed", "nsfw"))
    write_part(embed, table, {"shard": tar_hashes(work)[0], "model": "tiny"})
    write_part(nsfw, table, {"part": fingerprint(read_provenance(embed))})
    free_pictures(work, without=STAGES, go=True)
    (folder / "0.json").write_text(json.dumps({"text": "another castle"}))
    before = tar_hashes(work)[0]
    add_tars(work, [folder])
    assert tar_hashes(work)[0] != before
    assert read_provenance(embed) == {"shard": tar_hashes(work)[0], "model": "tiny"}
    assert read_provenance(nsfw) == {"part": fingerprint(read_provenance(embed))}


def test_some_of_them_change_nothing_and_are_told_of(
    work: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    free_pictures(work, without=STAGES, go=True)
    freed = manifests(work)
    report = add_tars(work, [folder / "1.jpg", folder / "0.jpg"])
    assert totals(report) == {"images": 0, "known": 2, "restored": 0}
    assert "2 of its 3 pictures were given" in capsys.readouterr().err
    assert manifests(work) == freed
    assert len(names(work)) == 5


def test_a_run_that_was_stopped_begins_again(
    work: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = pictures(work)
    free_pictures(work, without=STAGES, go=True)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restore.shards, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            add_tars(work, [folder])
    assert totals(add_tars(work, [folder]))["restored"] == 5
    assert pictures(work) == stored


@pytest.mark.parametrize("with_tar", [True, False])
def test_a_lost_manifest_is_written_again(
    work: Path, folder: Path, *, with_tar: bool
) -> None:
    stored, before = pictures(work), tar_hashes(work)
    (work / "shards/00000.json").unlink()
    if not with_tar:
        (work / "shards/00000.tar").unlink()
    report = add_tars(work, [folder])
    assert totals(report) == {"images": 0, "known": 5, "restored": 3}
    assert pictures(work) == stored
    assert tar_hashes(work) == before
    assert status(work)["damaged"] == []


def test_of_a_lost_shard_what_is_given_is_stored(work: Path, folder: Path) -> None:
    shutil.rmtree(work / "columns", ignore_errors=True)
    (work / "shards/00000.json").unlink()
    (work / "shards/00000.tar").unlink()
    report = add_tars(work, [folder / "1.jpg"])
    assert totals(report) == {"images": 0, "known": 1, "restored": 1}
    assert sorted(pictures(work)) == ["1", "equal", "scan"]


def test_a_damaged_tar_is_written_again(work: Path, folder: Path) -> None:
    stored = pictures(work)
    (work / "shards/00001.tar").write_bytes(b"short")
    assert status(work)["damaged"] != []
    assert totals(add_tars(work, [folder]))["restored"] == 2
    assert status(work)["damaged"] == []
    assert pictures(work) == stored


@pytest.mark.parametrize("lose", ["the place", "the manifest"])
def test_a_tar_of_ones_own_is_found_where_it_is_now(tmp_path: Path, lose: str) -> None:
    work = tmp_path / "work"
    members = {"a.jpg": photo(0), "b.jpg": photo(1)}
    tar = tar_of(tmp_path / "own.tar", members)
    add_tars(work, [tar])
    stored = pictures(work)
    moved = tmp_path / "moved.tar"
    tar.rename(moved)
    if lose == "the manifest":
        (work / "shards/00000.json").unlink()
    report = add_tars(work, [moved])
    assert totals(report) == {"images": 0, "known": 2, "restored": 2}
    assert pictures(work) == stored
    assert manifests(work)["00000"].tar == str(moved)
    assert names(work) == ["a", "b"]


def test_pictures_in_a_tar_restore_freed_ones(work: Path, tmp_path: Path) -> None:
    stored = pictures(work)
    free_pictures(work, without=STAGES, go=True)
    files = {f"{number}.jpg": photo(number) for number in range(3)}
    tar = tar_of(tmp_path / "all.tar", files)
    assert totals(add_tars(work, [tar]))["restored"] == 3
    assert stored.items() >= {name: stored[name] for name in ("0", "1", "2")}.items()
    assert [one.freed != "" for one in manifests(work).values()] == [False, True]


def test_what_was_removed_does_not_come_back_by_an_equal_one(
    work: Path, folder: Path
) -> None:
    """`2` and `equal` have the same bytes; of a lost shard it is taken out as well."""
    for lose in (False, True):
        if lose:
            (work / "shards/00000.json").unlink()
        removals(work, ["2"])
        report = add_tars(work, [folder])
        (left_out,) = [one for rows in report["left_out"].to_pylist() for one in rows]
        assert (left_out["reason"], left_out["count"]) == ("removed on request", 1)
        assert sum(report["known"].to_pylist()) == 4
        assert names(work) == sorted(pictures(work)) == ["0", "1", "equal", "scan"]


def test_removals_reach_a_shard_that_lost_its_manifest(work: Path) -> None:
    (work / "shards/00000.json").unlink()
    sidecar = work / "shards/00000.parquet"
    removals(work, ["0"])
    assert b"many/0.jpg" not in sidecar.read_bytes()
    assert not (work / "shards/00000.tar").exists()


def test_free_says_that_no_address_has_them(work: Path, folder: Path) -> None:
    words = ["free", "--work", str(work), "--without", "embed", "--without", "caption"]
    result = CliRunner().invoke(main, words)
    assert "2 shards of files that you added" in result.stdout
    free_pictures(work, without=STAGES, go=True)
    expected = r"give `twigma add` the files again .* keep their names"
    with pytest.raises(FileNotFoundError, match=expected):
        pictures(work)
    words = ["add", "--work", str(work), str(folder)]
    result = CliRunner().invoke(main, words)
    assert "stored again, as their pictures had gone: 5" in result.stdout
