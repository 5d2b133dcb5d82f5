"""What repeated a removed image: of equal images one stays, as `twigma dedupe` would have it of those that are left."""

import numpy as np
import pyarrow as pa
from support.staging import units

from twigma.builder.engine.vectors import Vectors, as_column
from twigma.builder.removals import erase
from twigma.builder.stages.dedupe import mark
from twigma.rehydrate.posts.removed_ids import Removed, hash_of

GONE = Removed("s", frozenset([hash_of("s", "a")]))
MARKS = ("duplicate_of", "duplicate_reason", "duplicate_cosine")


def test_equal_images_repeat_the_first_of_them_that_is_left():
    rows = [
        ("a", None, None, None),
        ("b", "a", "embedding", None),
        ("c", "a", "near", 0.5),
        ("d", "a", "embedding", None),
        ("d", "d", "media_id", None),  # on another post
        ("e", "a", "pixels", None),
        ("f", "a", "pixels", None),
        ("g", "z", "near", 0.25),
    ]
    names = ("image_name", *MARKS)
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    cosines = table["duplicate_cosine"].cast(pa.float32())
    table = table.set_column(3, "duplicate_cosine", cosines)
    left = erase.without_removed(table, GONE)
    assert left.schema.equals(table.schema, check_metadata=False)
    assert [tuple(row.values()) for row in left.to_pylist()] == [
        ("b", None, None, None),
        ("c", None, None, None),
        ("d", "b", "embedding", None),
        ("d", "d", "media_id", None),
        ("e", None, None, None),
        ("f", "e", "pixels", None),
        ("g", "z", "near", 0.25),
    ]
    # Without reasons none is known to be equal to another.
    bare = table.select(["image_name", "duplicate_of"])
    assert erase.without_removed(bare, GONE)["duplicate_of"].to_pylist() == [
        *[None, None, None, "d", None, None, "z"]
    ]


def test_it_is_what_dedupe_finds_in_those_that_are_left():
    rows = units(np.random.default_rng(0), 6)
    rows[[1, 3, 4]] = rows[0]
    names = pa.array(list("abcdef"))
    stored = pa.table(
        {"image_name": names, "digest": [b"1", b"2", b"3", b"4", b"5", b"3"]}
    )
    images = pa.table(
        {
            "id": [str(number) for number in range(6)],
            "image_name": names,
            "created_at": pa.array(range(6), pa.timestamp("ms")),
        }
    )

    def marked(some):
        some = list(some)
        vectors = Vectors([as_column(rows[some])], names.take(pa.array(some)))
        table = mark(images.take(some), vectors, stored.take(some), None)
        return table.select(["image_name", *MARKS])

    assert marked(range(6))["duplicate_of"].null_count == 2
    after = erase.without_removed(marked(range(6)), GONE)
    assert after.to_pylist() == marked(range(1, 6)).to_pylist()
