"""Tars are hashed once, the next one ahead, and damage is never passed over."""

import multiprocessing
import os
import pickle

import pytest
from support.staging import encode, make_shard, pixels

from twigma.dataset.checked_tars import CheckedTars
from twigma.rehydrate.images.shards import list_shards


@pytest.fixture
def shards(tmp_path):
    for number in range(4):
        images = {f"{number}-{i}": encode(pixels(i), "PNG") for i in range(3)}
        make_shard(tmp_path, f"{number:05}", images)
    return list_shards(tmp_path)


def damage(shard):
    """Change a byte of a tar without a trace in its times."""
    before = shard.tar.stat()
    data = bytearray(shard.tar.read_bytes())
    data[600] ^= 1
    with shard.tar.open("r+b") as file:
        file.write(data)
    os.utime(shard.tar, ns=(before.st_atime_ns, before.st_mtime_ns))


def wait(tars):
    tars._ahead.hashed.exception()


def test_the_tar_that_follows_is_hashed_meanwhile(shards):
    tars = CheckedTars(shards)
    tars.check(shards[0])
    wait(tars)
    damage(shards[1])
    tars.check(shards[1])  # it was hashed when it was whole


def test_damage_is_found_ahead_and_raised_where_it_is_read(shards):
    damage(shards[1])
    tars = CheckedTars(shards)
    tars.check(shards[0])
    wait(tars)
    with pytest.raises(ValueError, match=r"shard 00001: .* is damaged"):
        tars.check(shards[1])
    tars.check(shards[2])


def test_in_another_order_nothing_is_hashed_ahead(shards):
    tars = CheckedTars(shards)
    tars.check(shards[2])
    tars.check(shards[0])
    damage(shards[1])
    with pytest.raises(ValueError, match="shard 00001"):
        tars.check(shards[1])


def test_a_tar_is_hashed_again_only_if_it_was_written(shards):
    tars = CheckedTars(shards[:1])
    tars.check(shards[0])
    damage(shards[0])
    tars.check(shards[0])
    os.utime(shards[0].tar)
    with pytest.raises(ValueError, match="shard 00000"):
        tars.check(shards[0])
    shards[0].tar.unlink()
    assert not tars.check(shards[0])


def test_another_process_hashes_for_itself(shards):
    tars = CheckedTars(shards)
    tars.check(shards[0])
    damage(shards[0])
    with pytest.raises(ValueError, match="shard 00000"):
        pickle.loads(pickle.dumps(tars)).check(shards[0])
    # What a thread of this process hashes, a forked one does not wait for.
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply_async(tars.check, [shards[1]]).get(timeout=30)
