import hashlib
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.worlds import photo

from twigma.core import columns
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import SIDECAR, Shard
from twigma.rehydrate.sources.own_files.add_images import add_tars


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    """A tar as GNU tar would make it."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for number in range(2):
        members = {f"{number}{at}.jpg": photo(number * 10 + at) for at in range(6)}
        tar_of(tmp_path / f"{number}.tar", members)
    (tmp_path / "work").mkdir()
    add_tars(tmp_path / "work", [tmp_path / "0.tar", tmp_path / "1.tar"])
    return tmp_path / "work"


def images(shard: Shard, rows: int = 4) -> dict[str, bytes]:
    return {
        row["image_name"]: row["image"]
        for block in shards.read_images(shard, rows)
        for row in block.to_pylist()
    }


def test_a_shard_that_cannot_be_read_back_is_named_without_its_private_folder(
    work: Path, tmp_path: Path
) -> None:
    first, _ = shards.list_shards(work)
    shard = shards.shard_at(work, "00007")
    attempt = tmp_path / "private"
    attempt.mkdir()
    whole = (tmp_path / "0.tar").read_bytes()
    sidecar = attempt / "00007.parquet"
    for tar, rows in (
        (whole[: len(whole) // 2], first.sidecar.read_bytes()),
        (whole, b"PAR1"),
    ):
        (attempt / "00007.tar").write_bytes(tar)
        sidecar.write_bytes(rows)
        with pytest.raises(ValueError, match=r"shard 00007.*check the disk") as refused:
            shards.publish(attempt, shard, {"kind": "fetch"})
        assert "private" not in str(refused.value)
    assert not shard.manifest.exists()
    assert not shard.tar.exists()


def test_blocks_have_the_declared_columns_and_the_bytes(work: Path) -> None:
    first, second = shards.list_shards(work)
    blocks = list(shards.read_images(first, 4))
    assert [len(block) for block in blocks] == [4, 2]
    columns.require(blocks[0], ("image_name", "image"), "a block")
    assert images(first) == {f"0{at}": photo(at) for at in range(6)}
    assert list(images(second)) == [f"1{at}" for at in range(6)]


def test_sidecars_are_one_table(work: Path) -> None:
    table = shards.read_sidecars(work)
    assert table.schema.names == SIDECAR.names
    assert table["image_name"].to_pylist() == [
        f"{number}{at}" for number in range(2) for at in range(6)
    ]
    assert table["sha256"][0].as_py() == hashlib.sha256(photo(0)).hexdigest()


def test_no_shards_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="twigma rehydrate"):
        shards.list_shards(tmp_path)


def test_every_flipped_byte_and_every_cut_is_detected(work: Path) -> None:
    shard = shards.list_shards(work)[0]
    good = shard.tar.read_bytes()
    rng = np.random.default_rng(0)
    for turn in range(300):
        data = bytearray(good)
        if turn % 3:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            del data[512 * rng.integers(len(data) // 512) :]
        shard.tar.write_bytes(data)
        with pytest.raises(ValueError, match=f"shard {shard.name}"):
            images(shard)
    shard.tar.write_bytes(good)
    assert len(images(shard)) == 6


def test_cuts_that_tarfile_passes_over_are_refused_without_any_hash(work: Path) -> None:
    """At a member boundary, or with a header flipped, tarfile and webdataset end early and say nothing."""
    shard = shards.list_shards(work)[0]
    good = shard.tar.read_bytes()
    starts = [member.offset for member in shards.tar_members(shard.tar)]
    for start in starts[1:]:
        shard.tar.write_bytes(good[:start])
        with tarfile.open(shard.tar) as tar:
            assert len(tar.getnames()) < 6
        with pytest.raises(ValueError, match="cut short"):
            list(shards.tar_members(shard.tar))
        flipped = bytearray(good)
        flipped[start + 150] ^= 4
        shard.tar.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"damaged|not a readable tar"):
            list(shards.tar_members(shard.tar))


@pytest.mark.parametrize(
    "format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
@pytest.mark.parametrize("name", ["7.jpg", "deep/" * 30 + "7.jpg", "ä.jpg"])
def test_places_are_those_that_tarfile_finds(
    tmp_path: Path, format: int, name: str
) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=format) as tar:
        tar.addfile(tarfile.TarInfo("empty.jpg"))
        for each, size in (("1.jpg", 511), ("2.jpg", 512), (name, 513)):
            member = tarfile.TarInfo(each)
            member.size, member.mtime = size, 1.5
            tar.addfile(member, io.BytesIO(bytes(size)))
    expected = {
        member.name: (member.offset_data, member.size)
        for member in shards.tar_members(path)
    }
    assert shards.tar_places(path) == expected and len(expected) == 4


def test_places_in_a_tar_with_any_header_byte_flipped_are_refused_or_right(
    work: Path,
) -> None:
    shard = shards.list_shards(work)[0]
    good, places = shard.tar.read_bytes(), shards.tar_places(shard.tar)
    start = list(shards.tar_members(shard.tar))[1].offset
    refused = 0
    for at in range(start, start + 512):
        shard.tar.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            assert (
                shards.tar_places(shard.tar) == places
            )  # the space after the checksum says nothing
        except ValueError:
            refused += 1
    assert refused > 500


def test_lost_tar_and_changed_sidecar_are_named(work: Path) -> None:
    first, second = shards.list_shards(work)
    first.tar.unlink()
    with pytest.raises(FileNotFoundError, match="shard 00000"):
        images(first)
    pq.write_table(pq.read_table(second.sidecar).slice(1), second.sidecar)
    with pytest.raises(ValueError, match=r"00001\.parquet is damaged or was changed"):
        images(second)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"sha256": '])
def test_a_damaged_manifest_is_not_a_finished_shard(work: Path, text: str) -> None:
    shard = shards.list_shards(work)[0]
    shard.manifest.write_text(text)
    assert not shards.is_finished(shard)
    with pytest.raises(ValueError, match="is damaged"):
        shards.list_shards(work)


def test_verify_compares_every_sample(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a.tar", {"1.jpg": photo(1), "2.jpg": photo(2)})
    rows = [
        {
            "image_name": str(n),
            "member": f"{n}.jpg",
            "status": "success",
            "sha256": hashlib.sha256(photo(n)).hexdigest(),
        }
        for n in (1, 2)
    ]
    sidecar = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows, SIDECAR), sidecar)
    assert shards.verify(tar, sidecar, {}).samples == 2
    for wrong, words in (
        ([*rows, rows[0] | {"member": "3.jpg"}], "differing: ['3.jpg']"),
        ([rows[0], rows[1] | {"sha256": "0" * 64}], "differing: ['2.jpg']"),
        ([rows[0], rows[0]], "1 named more than once, such as '1.jpg'"),
    ):
        pq.write_table(pa.Table.from_pylist(wrong, SIDECAR), sidecar)
        with pytest.raises(ValueError, match=re.escape(words)):
            shards.verify(tar, sidecar, {})


def test_a_failure_tried_again_counts_once_and_other_doubles_stay_visible(
    work: Path,
) -> None:
    first, second = shards.list_shards(work)
    rows = pq.read_table(first.sidecar).to_pylist()
    rows[0]["image_name"], rows[0]["status"] = "10", "timeout"
    rows[1]["image_name"] = "11"
    pq.write_table(pa.Table.from_pylist(rows, SIDECAR), first.sidecar)
    names = shards.read_sidecars(work)["image_name"].to_pylist()
    assert names.count("10") == 1
    assert names.count("11") == 2
    assert second.sidecar.exists()
