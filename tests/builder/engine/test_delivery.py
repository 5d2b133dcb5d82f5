"""Files on their way to a node: recognised where they are the same, and else taken along."""

import pickle
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from support.staging import encode, make_shard, pixels

from twigma.builder.engine import delivery
from twigma.builder.engine.source import Source
from twigma.core.parts import write_part


@pytest.fixture
def source(tmp_path):
    images = {str(i): encode(pixels(i)) for i in range(3)}
    shard = make_shard(tmp_path, "00000", images)
    return Source("00000", 3, {}, shard, block_rows=2)


def rows(source):
    return pa.concat_tables(source.blocks()).to_pylist()


def test_a_node_with_the_same_files_needs_no_bytes(source):
    sent = delivery.offer(source)
    assert not sent.contents
    assert delivery.sees(sent)


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("kind", ["tar", "sidecar", "manifest"])
def test_another_file_of_that_name_is_not_taken_for_ours(source, kind, at, monkeypatch):
    monkeypatch.setattr(delivery, "ENDS", 16)
    sent = delivery.offer(source)
    path = getattr(source.data, kind)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert not delivery.sees(sent)


def test_a_node_without_the_files_is_sent_the_bytes(source, tmp_path):
    expected = rows(source)
    sent = delivery.with_contents(source)
    offered = delivery.offer(source)
    contents = {name: data.copy() for name, data in sent.contents.items()}
    shutil.rmtree(source.data.tar.parent)
    assert not delivery.sees(offered)
    (tmp_path / "node").mkdir()
    there = delivery.unpack(replace(sent, contents=contents), tmp_path / "node")
    assert rows(there) == expected
    assert there.data.tar.parent == tmp_path / "node"


def test_the_bytes_are_not_copied_when_they_are_pickled(source):
    buffers = []
    for data in delivery.with_contents(source).contents.values():
        pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    sizes = [buffer.raw().nbytes for buffer in buffers]
    paths = source.files()
    assert sizes == [path.stat().st_size for path in paths]


def test_a_part_of_another_stage_travels_too(tmp_path):
    part = tmp_path / "00000.arrow"
    write_part(part, pa.table({"image_name": ["a", "b"]}), {"model": "m"})
    source = Source("00000", 2, {}, part, block_rows=2)
    (tmp_path / "node").mkdir()
    there = delivery.unpack(delivery.with_contents(source), tmp_path / "node")
    assert there.data != part
    assert rows(there) == [{"image_name": "a"}, {"image_name": "b"}]


def test_damage_is_named_by_the_path_that_the_driver_knows(source, tmp_path):
    there = source.moved(tmp_path / "node")
    error = ValueError(f"{there.data.tar} is damaged, delete {there.data.manifest}")
    named = delivery.named_as(error, there, source)
    expected = f"{source.data.tar} is damaged, delete {source.data.manifest}"
    assert str(named) == expected
