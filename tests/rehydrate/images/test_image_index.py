"""Images by name from the tars: the bytes tarfile reads, in every process, and never those of another image."""

import io
import multiprocessing
import os
import pickle
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from support import releasing, staging

import twigma
from twigma.builder.removals.removals import removals
from twigma.core.parts import write_part
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import image_index as module
from twigma.rehydrate.images.image_index import read_index


def stored(work):
    """Every image of the tars by name, read with tarfile."""
    found = {}
    for path in (work / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            found |= {
                member.name.removesuffix(".jpg"): tar.extractfile(member).read()
                for member in tar
            }
    return found


def read_all(images):
    return {name: images.read(name) for name in images}


def test_every_image_by_its_name(work):
    images = twigma.open_images(work)
    expected = stored(work)
    assert len(images) == len(expected) == 29 and read_all(images) == expected
    name = releasing.media_id(5)
    assert name in images and np.array_equal(
        np.asarray(images[name]), np.asarray(Image.open(io.BytesIO(expected[name])))
    )


def test_pixels_are_those_of_the_picture(work):
    images = twigma.open_images(work)
    for name in images:
        pixels = images.pixels(name)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, np.asarray(images[name]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (releasing.media_id(7), "asked for and not stored: gone"),
        ("123", "no image '123' in the shards of"),
        (int(releasing.media_id(5)), "image names are text, .* found the int 14800"),
    ],
)
def test_a_name_that_is_not_stored_says_why(work, name, reason):
    images = twigma.open_images(work)
    assert name not in images and images.get(name) is None
    with pytest.raises(KeyError, match=reason):
        images[name]


class Pictures(torch.utils.data.Dataset):
    """What a user writes to train on images in any order."""

    def __init__(self, images):
        self.images, self.names = images, list(images)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, at):
        return (
            self.names[at],
            self.images[self.names[at]].size,
            self.images.read(self.names[at]),
        )


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_the_workers_of_a_data_loader_read_it(work):
    data = Pictures(twigma.open_images(work))
    rows = list(
        torch.utils.data.DataLoader(data, batch_size=None, shuffle=True, num_workers=2)
    )
    assert {name: bytes(image) for name, _, image in rows} == stored(work)
    assert len(rows) == 29 and {tuple(size) for _, size, _ in rows} == {(24, 16)}


def test_a_spawned_process_opens_it_again(work):
    images = twigma.open_images(work)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(images.read, images)
        pool.close()
        pool.join()
    assert dict(zip(images, found, strict=True)) == stored(work)


def test_opened_again_it_reads_no_tar(work, monkeypatch):
    first = read_all(twigma.open_images(work))
    made = Workspace(work).image_index.stat()
    monkeypatch.setattr(module, "tar_places", None)
    again = twigma.open_images(work)
    assert read_all(again) == read_all(pickle.loads(pickle.dumps(again))) == first
    assert Workspace(work).image_index.stat().st_mtime_ns == made.st_mtime_ns


def test_a_new_shard_is_added_and_the_tars_known_are_not_read_again(work, monkeypatch):
    twigma.open_images(work)
    releasing.write_shard(work, "00002", ["1480000000000009001", releasing.media_id(7)])
    opened, real = [], module.tar_places
    monkeypatch.setattr(
        module, "tar_places", lambda path: opened.append(path.name) or real(path)
    )
    images = twigma.open_images(work)
    assert (
        opened == ["00002.tar"]
        and read_all(images) == stored(work)
        and len(images) == 30
    )


def test_a_photo_stored_by_a_later_try_is_stored_and_one_stored_twice_counts_once(work):
    again = {
        releasing.media_id(i): releasing.jpeg(releasing.media_id(i)) for i in (3, 7)
    }
    staging.make_shard(work, "00002", again)
    images = twigma.open_images(work)
    assert len(images) == len(list(images)) == 30 and read_all(images) == stored(work)
    with pytest.raises(KeyError, match="not stored: not_found"):
        images["900002"]


# ----------------------------------------------------------------- removals


def test_a_removal_deletes_the_index_and_no_other_image_is_given_for_one_that_moved(
    work,
):
    images, before = twigma.open_images(work), stored(work)
    assert Workspace(work).image_index.exists()
    removals(work, [releasing.media_id(4), releasing.media_id(5)])
    assert not Workspace(work).image_index.exists()
    moved = set()
    for name in images:  # opened before the removal
        try:
            assert images.read(name) == before[name]
        except ValueError as error:
            assert "open the images again" in str(error)
            moved.add(name)
    assert {releasing.media_id(4), releasing.media_id(5)} < moved
    after = twigma.open_images(work)
    assert (
        read_all(after) == stored(work)
        and len(after) == 27
        and releasing.media_id(4) not in after
    )
    assert releasing.media_id(4) not in Workspace(work).image_index.read_bytes().decode(
        "latin-1"
    )


def test_an_index_made_while_images_are_removed_is_not_saved(work, monkeypatch):
    real = write_part

    def write_late(path, *rest):
        monkeypatch.undo()
        removals(work, [releasing.media_id(4)])
        real(path, *rest)

    monkeypatch.setattr(module, "write_part", write_late)
    twigma.open_images(work)
    assert not Workspace(work).image_index.exists() and releasing.media_id(
        4
    ) not in twigma.open_images(work)


# ------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda data: b"",
        lambda data: data[:500] + b"!" + data[501:],
    ],
)
def test_a_damaged_index_is_made_again(work, damage):
    before = read_all(twigma.open_images(work))
    Workspace(work).image_index.write_bytes(
        damage(Workspace(work).image_index.read_bytes())
    )
    assert read_all(twigma.open_images(work)) == before


def test_an_index_of_other_columns_is_made_again(work):
    before = read_index(work)
    write_part(
        Workspace(work).image_index,
        before.drop_columns("sha256"),
        {"columns": ["at"], "shards": {}},
    )
    assert read_index(work).equals(before)


def test_a_flipped_bit_in_an_image_is_refused_by_the_name_of_its_shard(work):
    images = twigma.open_images(work)
    tar = work / "shards/00001.tar"
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    refused = []
    for name in images:
        try:
            images.read(name)
        except ValueError as error:
            assert "shard 00001" in str(error) and "damaged" in str(error)
            refused.append(name)
    assert len(refused) == 1


@pytest.mark.parametrize("bytes_left", [0, 512, 5000])
def test_a_tar_that_lost_its_end_has_no_index(work, bytes_left):
    tar = work / "shards/00000.tar"
    os.truncate(tar, bytes_left)
    with pytest.raises(ValueError, match=r"00000\.tar"):
        twigma.open_images(work)


def test_a_member_that_is_gone_is_named(work):
    sidecar = work / "shards/00000.parquet"
    table = pq.read_table(sidecar)
    pq.write_table(
        table.set_column(
            table.schema.get_field_index("member"), "member", [["x.jpg"] * len(table)]
        ),
        sidecar,
    )
    with pytest.raises(ValueError, match=r"shard 00000: 'x\.jpg', .* is missing in"):
        twigma.open_images(work)


def test_a_folder_that_cannot_be_written_in_is_read_all_the_same(work, monkeypatch):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(
        module, "write_part", refuse
    )  # root may write anywhere, so a mode of the folder says nothing
    assert (
        read_all(twigma.open_images(work)) == stored(work)
        and not Workspace(work).image_index.exists()
    )


def test_a_folder_without_shards_says_what_makes_them(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no finished shards .* `twigma rehydrate`"
    ):
        twigma.open_images(tmp_path)
