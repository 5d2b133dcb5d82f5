"""The engine: every image once, in order; parts kept; damage reported while the rest finishes."""

import io
import json
import threading

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.staging import encode, make_shard, measure, pixels, start_measuring

from twigma.builder.engine import engine
from twigma.builder.engine import pixels as pixels_of
from twigma.core import columns
from twigma.core.parts import read_part, read_parts, read_provenance
from twigma.rehydrate.images.shards import list_shards


@pytest.fixture
def work(tmp_path):
    for shard in range(3):
        images = {
            f"{shard}{i:02d}": encode(pixels(i, width=40 + shard * 10 + i))
            for i in range(7)
        }
        make_shard(tmp_path, f"{shard:05d}", images)
    return tmp_path


def forbidden(device=None):
    raise AssertionError("the model must not be loaded when there is nothing to do")


def widths(work):
    table = read_parts(work / "columns" / "measure")
    return dict(
        zip(table["image_name"].to_pylist(), table["width"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize("rows", [1, 2, 3, 256])
def test_every_image_in_order_whatever_the_blocks(work, rows):
    assert (
        engine.map_shards(
            work, "measure", {}, start_measuring, desc="measure", rows=rows
        )
        == 21
    )
    assert list(widths(work).items()) == [
        (f"{s}{i:02d}", 40 + s * 10 + i) for s in range(3) for i in range(7)
    ]


def test_second_run_loads_nothing_and_changes_nothing(work):
    engine.map_shards(work, "measure", {"a": 1}, start_measuring, desc="measure")
    before = {
        path.name: path.stat().st_mtime_ns
        for path in (work / "columns" / "measure").iterdir()
    }
    assert engine.map_shards(work, "measure", {"a": 1}, forbidden, desc="measure") == 0
    assert before == {
        path.name: path.stat().st_mtime_ns
        for path in (work / "columns" / "measure").iterdir()
    }


def test_only_what_is_missing_or_changed_is_made_again(work):
    engine.map_shards(work, "measure", {}, start_measuring, desc="measure")
    (work / "columns" / "measure" / "00001.arrow").unlink()
    assert engine.map_shards(work, "measure", {}, start_measuring, desc="measure") == 7
    (work / "columns" / "measure" / "00002.arrow").write_bytes(b"cut short")
    assert engine.map_shards(work, "measure", {}, start_measuring, desc="measure") == 7
    make_shard(work, "00003", {"300": encode(pixels(1))})
    calls = []
    start = lambda device: calls.append(device) or measure  # noqa: E731
    assert (
        engine.map_shards(work, "measure", {}, start, desc="measure", device="cpu") == 1
    )
    assert calls == ["cpu"]
    assert (
        engine.map_shards(work, "measure", {"a": 2}, start_measuring, desc="measure")
        == 22
    )


def test_a_damaged_shard_is_named_and_the_others_finish(work):
    tar = list_shards(work)[1].tar
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(
        RuntimeError, match=r"1 of 3 shards could not be processed \(00001: .*sha256"
    ):
        engine.map_shards(work, "measure", {}, start_measuring, desc="measure")
    assert {name[0] for name in widths(work)} == {"0", "2"}
    data[700] ^= 1
    tar.write_bytes(data)
    assert engine.map_shards(work, "measure", {}, start_measuring, desc="measure") == 7
    assert len(widths(work)) == 21


def test_an_error_of_the_stage_stops_the_run(work):
    def broken(table):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        engine.map_shards(work, "measure", {}, lambda device: broken, desc="measure")
    assert not (work / "columns").exists()


def test_a_shard_without_images_gives_an_empty_part(tmp_path):
    make_shard(tmp_path, "00000", {})
    assert (
        engine.map_shards(tmp_path, "measure", {}, start_measuring, desc="measure") == 0
    )
    part = read_part(tmp_path / "columns" / "measure" / "00000.arrow")
    assert part.schema.field("width").type == pa.int32() and len(part) == 0


def test_blocks_overlap(tmp_path):
    make_shard(tmp_path, "00000", {str(i): encode(pixels(i)) for i in range(4)})
    meet = threading.Barrier(2, timeout=20)

    def both(table):
        if len(table):
            meet.wait()
        return measure(table)

    assert (
        engine.map_shards(
            tmp_path, "measure", {}, lambda device: both, desc="measure", rows=1
        )
        == 4
    )


def test_parts_of_another_stage(work):
    engine.map_shards(work, "measure", {}, start_measuring, desc="measure")

    def double(table):
        return columns.add(
            table, height=pa.array(np.asarray(table["width"]) * 2, pa.int32())
        )

    run = {
        "of": "measure",
        "desc": "double",
        "rows": 3,
    }
    assert engine.map_parts(work, "double", {}, lambda device: double, **run) == 21
    table = read_parts(work / "columns" / "double")
    assert table.column_names == ["image_name", "height"]
    assert table["height"].to_pylist() == [2 * width for width in widths(work).values()]
    assert engine.map_parts(work, "double", {}, forbidden, **run) == 0
    engine.map_shards(work, "measure", {"new": 1}, start_measuring, desc="measure")
    assert engine.map_parts(work, "double", {}, lambda device: double, **run) == 21
    with pytest.raises(FileNotFoundError, match="twigma embed"):
        engine.map_parts(work, "double", {}, forbidden, of="embed", desc="double")


def test_odd_images_decode_as_pillow_reads_them():
    gray = (np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 32).astype(np.uint16)
    rgb = pixels(3)
    odd = {
        "cmyk": (encode(Image.fromarray(rgb).convert("CMYK"), quality=95), rgb),
        "16 bit": (
            encode(Image.fromarray(gray), "PNG"),
            np.repeat((gray >> 8)[..., None], 3, 2),
        ),
        "line": (encode(rgb[:1], "PNG"), rgb[:1]),
        "column": (encode(rgb[:, :1], "PNG"), rgb[:, :1]),
    }
    read = pixels_of.decode(
        pa.chunked_array([pa.array([data for data, _ in odd.values()], pa.binary())]),
        np.asarray,
    )
    for found, (data, expected) in zip(read, odd.values(), strict=True):
        assert found.shape == expected.shape
        reference = (
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            if expected is rgb
            else expected
        )
        assert np.abs(found.astype(int) - reference).max() <= 3


def test_undecodable_images_are_none():
    blobs = [b"", b"<html>", encode(pixels(1))[:200], encode(pixels(1))]
    read = pixels_of.decode(
        pa.chunked_array([pa.array(blobs, pa.binary())]), lambda pixels: pixels.shape
    )
    assert read == [None, None, None, (48, 64, 3)]


def test_no_shards_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="twigma rehydrate"):
        engine.map_shards(tmp_path, "measure", {}, forbidden, desc="measure")


def test_provenance_is_written(work):
    engine.map_shards(work, "measure", {"model": "m"}, start_measuring, desc="measure")
    found = read_provenance(work / "columns" / "measure" / "00000.arrow")
    sha256 = json.loads((work / "shards" / "00000.json").read_text())["sha256"]
    assert found == {"model": "m", "shard": sha256}


def test_images_without_a_value_are_reported(work, capfd):
    """What no longer can be decoded is not done in silence."""
    make_shard(
        work,
        "00003",
        {"300": b"<html>", "301": encode(pixels(1))[:200], "302": encode(pixels(1))},
    )

    def shapes(table):
        read = pixels_of.decode(table["image"], lambda pixels: pixels.shape[1])
        return columns.add(table, width=pa.array(read, pa.int32()))

    assert (
        engine.map_shards(work, "shapes", {}, lambda device: shapes, desc="shapes")
        == 24
    )
    told = capfd.readouterr().err
    assert (
        "shapes: 2 of 24 images cannot be decoded and have no value; `twigma status` counts them"
        in told
    )
    (work / "shards" / "00003.json").unlink()
    assert engine.map_shards(work, "measure", {}, start_measuring, desc="measure") == 21
    assert "cannot be decoded" not in capfd.readouterr().err
