"""Each reason and who stays; rows in any order; resume."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.staging import (
    DIM,
    encode,
    make_images,
    make_shard,
    pixels,
    units,
    write_embeddings,
)

from twigma.builder.engine.vectors import Vectors, as_column, read_vectors
from twigma.builder.stages import dedupe as stage
from twigma.core import columns
from twigma.core.parts import read_part, read_provenance, write_part
from twigma.core.workspace import Workspace


@pytest.fixture
def work(tmp_path):
    """Images a to h: b equals a's embedding, c has a's pixels, d is near e, f stands on two posts, g failed."""
    rng = np.random.default_rng(3)
    rows = units(rng, 8).astype(np.float32)
    rows[1] = rows[0]
    rows[3] = rows[4] + 0.004
    rows[6] = np.nan
    data = {
        name: encode(pixels(i))
        for i, name in enumerate(("10", "11", "12", "13", "14", "15", "16", "17"))
    }
    data["12"] = data["10"]
    make_shard(tmp_path, "00000", data)
    write_embeddings(tmp_path, rows, list(data))
    posts = [(f"{100 + i}", name, 50 + i) for i, name in enumerate(data)]
    posts[4] = ("104", "14", 60)  # later than its near copy 13
    posts[0] = ("100", "10", 90)  # the latest of its group
    make_images(tmp_path, [*posts, ("99", "15", 55), ("98", "15", 70), ("97", "77", 1)])
    return tmp_path


EXPECTED = {
    ("97", "77"): (None, None),
    ("101", "11"): (None, None),
    ("102", "12"): (None, None),
    ("103", "13"): (None, None),
    ("104", "14"): ("13", "near"),
    ("105", "15"): (None, None),
    ("99", "15"): ("15", "media_id"),
    ("98", "15"): ("15", "media_id"),
    ("106", "16"): (None, None),
    ("107", "17"): (None, None),
    ("100", "10"): ("11", "embedding"),
}


def marks(work):
    table = Workspace(work).table("dedupe")
    names = ("id", "image_name", "duplicate_of", "duplicate_reason")
    return {
        row[:2]: row[2:]
        for row in zip(*(table[name].to_pylist() for name in names), strict=True)
    }


def test_reasons_and_who_stays(work):
    found = stage.dedupe(work)
    assert marks(work) == EXPECTED
    assert found == {
        "media_id": 2,
        "embedding": 1,
        "pixels": 0,
        "near": 1,
        "distinct": 5,
        "not_compared": 2,
    }


def test_pixels_have_their_own_reason(work):
    """Where the embeddings of equal pixels differ, the stored bytes or the pixel hash still tell."""
    make_images(work, [("1", "10", 5), ("2", "12", 6)])
    assert stage.dedupe(work, near=None) == {
        "media_id": 0,
        "embedding": 0,
        "pixels": 1,
        "near": 0,
        "distinct": 1,
        "not_compared": 0,
    }
    assert marks(work)["2", "12"] == ("10", "pixels")


def test_pixel_hash_is_preferred(work):
    for path in sorted((work / "columns" / "embed").iterdir()):
        table, made_from = (
            read_part(path).replace_schema_metadata(),
            read_provenance(path),
        )
        hashes = [
            "same" if name in ("11", "17") else name
            for name in table["image_name"].to_pylist()
        ]
        write_part(
            path, columns.add(table, pixel_hash=hashes), made_from | {"hashed": True}
        )
    make_images(work, [("1", "11", 5), ("2", "17", 6), ("3", "10", 7), ("4", "12", 8)])
    stage.dedupe(work)
    assert marks(work)["2", "17"] == ("11", "pixels") and marks(work)["4", "12"] == (
        None,
        None,
    )


def test_the_cosine_of_near_repeats_is_stored(work):
    stage.dedupe(work)
    table = Workspace(work).table("embed", "dedupe").to_pydict()
    by_name = dict(zip(table["image_name"], table["embedding"], strict=True))
    one, other = (np.array(by_name[name], np.float64) for name in ("13", "14"))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    stored = {
        name: value
        for name, value in zip(
            table["image_name"], table["duplicate_cosine"], strict=True
        )
        if value is not None
    }
    assert stored == {"14": pytest.approx(cosine, abs=1e-6)} and cosine >= stage.NEAR


def test_near_can_be_left_out(work):
    assert stage.dedupe(work, near=None)["near"] == 0
    assert stage.dedupe(work, near=0.995)["near"] == 1


def test_resume_follows_the_inputs(work):
    stage.dedupe(work)
    path = work / "columns" / "dedupe" / "all.arrow"
    before = path.read_bytes(), path.stat().st_mtime_ns
    stage.dedupe(work)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    stage.dedupe(work)
    assert path.read_bytes() == before[0]
    make_images(work, [("1", "10", 5)])
    assert stage.dedupe(work)["distinct"] == 1


@given(st.permutations(range(12)))
@settings(deadline=None, max_examples=25)
def test_the_order_of_rows_does_not_matter(order):
    rng = np.random.default_rng(4)
    rows = units(rng, 4)[[0, 1, 2, 3, 0, 1]]
    names = [f"{i}" for i in range(6)]
    posts = [(f"{i}", names[i % 6], 1000 + (i * 7) % 5) for i in range(12)]
    stored = pa.table(
        {
            "image_name": names,
            "digest": [hashlib.sha256(r.tobytes()).hexdigest() for r in rows],
        }
    )
    vectors = Vectors([as_column(rows)], pa.array(names))

    def answer(chosen):
        ids, images, seconds = zip(*(posts[i] for i in chosen), strict=True)
        times = pa.array(np.array(seconds, "datetime64[ms]"))
        marked = stage.mark(
            pa.table({"id": ids, "image_name": images, "created_at": times}),
            vectors,
            stored,
        )
        return set(
            zip(
                *(marked[name].to_pylist() for name in marked.column_names), strict=True
            )
        )

    found = answer(order)
    assert found == answer(range(12))
    kept = {(time, i, name) for i, name, time, of, *_ in found if of is None}
    for group in ({"0", "4"}, {"1", "5"}, {"2"}, {"3"}):
        assert (
            min((time, i, name) for i, name, time, *_ in found if name in group) in kept
        )
    assert len(kept) == 4


def test_mixed_models_are_refused(work):
    part = work / "columns" / "embed" / "00009.arrow"
    table = pa.table(
        {
            "image_name": ["9"],
            "embedding": as_column(units(np.random.default_rng(0), 1)),
        }
    )
    write_part(part, table, {"model": "another"})
    with pytest.raises(
        ValueError,
        match=r"mixes two models: tiny in 00000.arrow, another in 00009.arrow: run",
    ):
        stage.dedupe(work)


def test_without_embeddings_says_what_to_run(work):
    for part in (work / "columns" / "embed").iterdir():
        part.unlink()
    with pytest.raises(FileNotFoundError, match="twigma embed"):
        stage.dedupe(work)


def test_vectors_read_blocks_and_rows(work):
    vectors, _ = read_vectors(work)
    assert len(vectors) == 7 and vectors.dim == DIM
    blocks = list(vectors.blocks(2))
    whole = np.concatenate([block for _, block in blocks])
    assert [start for start, _ in blocks] == [0, 2, 4, 6]
    np.testing.assert_array_equal(
        vectors.take(np.array([6, 0, 3, 3])), whole[[6, 0, 3, 3]]
    )
