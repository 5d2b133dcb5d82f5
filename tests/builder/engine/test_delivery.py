"""Files on their way to a node: recognised where they are the same, and else taken along."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from support.staging import encode, make_shard, pixels, units, vectors_of

from twigma.builder.engine import delivery
from twigma.builder.engine.source import Source
from twigma.builder.engine.vectors import as_column, read_vectors
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


@pytest.fixture
def vectors(tmp_path):
    """Embeddings in four parts, of which one has nulls and one has nothing else."""
    rng = np.random.default_rng(0)
    for number, missing in enumerate([[], [0, 2], list(range(5)), [4]]):
        names = pa.array([f"{number}{row}" for row in range(5)])
        mask = np.isin(np.arange(5), missing)
        table = pa.table(
            {"image_name": names, "embedding": as_column(units(rng, 5), mask)}
        )
        write_part(
            tmp_path / "columns" / "embed" / f"{number}.arrow", table, {"model": "m"}
        )
    return read_vectors(tmp_path)[0]


@pytest.mark.parametrize("rows", [[11, 0, 4, 4, 8], [6], [5, 6, 7, 8], range(12), []])
def test_a_node_that_sees_the_parts_reads_the_rows_there(vectors, rows):
    rows = np.array(rows, np.int64)
    offer = pickle.loads(pickle.dumps(delivery.offer_rows(vectors, rows)))
    assert len(vectors) == 12
    delivery._embeddings.cache_clear()
    if len(rows):
        np.testing.assert_array_equal(delivery.take_offered(offer), vectors.take(rows))
    assert len(offer.parts) == len(set(np.searchsorted([5, 8], rows, "right")))


@pytest.mark.parametrize("change", ["missing", "damaged", "other rows", "other model"])
def test_other_parts_at_the_paths_are_not_taken_for_ours(vectors, change):
    offer = delivery.offer_rows(vectors, np.arange(3))
    path = offer.parts[0].path
    table = delivery.read_part(path).replace_schema_metadata()
    data = path.read_bytes()
    path.unlink()
    if change == "damaged":
        path.write_bytes(data[:-100] + bytes(100))
    elif change == "other rows":
        write_part(path, table.take([1, 0, 2, 3, 4]), {"model": "m"})
    elif change == "other model":
        write_part(path, table, {"model": "n"})
    delivery._embeddings.cache_clear()
    assert delivery.take_offered(offer) is None
    # Here they are mapped.
    assert vectors.take(np.arange(3)).shape[0] == 3


def test_rows_of_no_file_cannot_be_offered():
    rows = vectors_of(units(np.random.default_rng(0), 5))
    assert delivery.offer_rows(rows, np.arange(3)) is None
