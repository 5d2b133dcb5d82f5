"""The last word on every post: which rows of all that pages said make the images table, and in which order.

What was said is read part by part, a few numbers a row are kept, and names are compared a tenth at a time: memory
hardly grows with the table. Pure; `twigma rehydrate` and `twigma collect` write `WORK/images.parquet` with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ORDER = ("created_at", "id", "image_name")
SKIPPED = pa.schema(
    [("what", pa.string()), ("reason", pa.string()), ("count", pa.int64())]
)
SLICE = 1 << 14  # rows of the images table made at a time
LOCAL, USER, PHOTO, LEFT_OUT = range(
    4
)  # kinds of rows: nobody said it, an author, a photo, what is left out
DIGITS = pa.array([str(digit) for digit in range(10)])

Part = Callable[[], pa.Table]  # opens a table with at least the columns of `posts.SAID`
Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Merged:
    """What holds: rows of all parts with their times, by time; followers by author; what is left out."""

    rows: Rows
    times: Rows
    followers: pa.Table
    skipped: pa.Table


def merge_snapshots(parts: Sequence[Part]) -> Merged:
    """Of a post, and of an author's followers, what was said last; rows that nobody said (`what` is null) all stay."""
    kind, tenth, moment = _numbers(parts)
    keep = kind == LOCAL
    for is_user, name in ((True, "author_id"), (False, "id")):
        for some in range(len(DIGITS) + 1):
            rows = np.flatnonzero(
                (tenth == some) & (kind != LOCAL) & ((kind == USER) == is_user)
            )
            if len(rows):
                keep[rows] = _last(_take(parts, rows, [name])[name], moment[rows])
                pa.default_memory_pool().release_unused()
    photos, users, left_out = (
        np.flatnonzero(keep & (kind == one)) for one in (PHOTO, USER, LEFT_OUT)
    )
    posts = len(np.unique(moment[photos]))
    skipped = _count(_take(parts, left_out, ["what", "reason"]), len(photos), posts)
    rows = np.flatnonzero(keep & ((kind == PHOTO) | (kind == LOCAL)))
    times = np.asarray(
        pc.fill_null(
            _take(parts, rows, ["created_at"])["created_at"].cast(pa.int64()), 1 << 62
        )
    )
    by_time = np.argsort(times, kind="stable")
    followers = _take(parts, users, ["author_id", "follower_count"])
    return Merged(rows[by_time], times[by_time], followers, skipped)


def ordered(
    parts: Sequence[Part], found: Merged, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The images table in slices of SLICE rows or a few more; a column that not every part has is null elsewhere."""
    first = 0
    while first < len(found.rows):
        last = min(first + SLICE, len(found.rows)) - 1
        end = int(
            np.searchsorted(found.times, found.times[last], side="right")
        )  # equal times stay together
        table = _take(parts, np.sort(found.rows[first:end])).sort_by(
            [(name, "ascending") for name in ORDER]
        )
        yield _with_followers(table, found.followers, schema)
        pa.default_memory_pool().release_unused()
        first = end


def _numbers(parts: Sequence[Part]) -> tuple[Rows, Rows, Rows]:
    """Of every row its kind, the tenth that its name is in, and its moment, the same for all rows of a statement."""
    times = np.unique(
        np.concatenate(
            [pc.unique(part()["received_at"].fill_null(0)) for part in parts]
        )
    )
    columns: list[tuple[Rows, Rows, Rows]] = []
    statements = 0
    for part in parts:
        table = part()
        statement = statements + np.cumsum(_mask(table["begins"]), dtype=np.int64)
        rank = np.searchsorted(times, np.asarray(table["received_at"].fill_null(0)))
        columns.append(
            (*_kind_and_tenth(table), rank << 32 | statement)
        )  # by time, then by place
        statements = int(statement[-1]) if len(table) else statements
    kind, tenth, moment = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return kind, tenth, moment


def _kind_and_tenth(part: pa.Table) -> tuple[Rows, Rows]:
    what, user = part["what"], pc.equal(part["what"], "user")
    conditions = [
        _mask(what.is_null()),
        _mask(user),
        _mask(pc.equal(part["reason"], "photo")),
    ]
    kind = np.select(conditions, [LOCAL, USER, PHOTO], LEFT_OUT).astype(np.int8)
    last = pc.utf8_slice_codeunits(pc.if_else(user, part["author_id"], part["id"]), -1)
    tenth = pc.fill_null(pc.index_in(last, value_set=DIGITS), len(DIGITS))
    return kind, np.asarray(tenth).astype(np.int8)


def _take(
    parts: Sequence[Part], rows: Rows, names: list[str] | None = None
) -> pa.Table:
    """Rows of all parts, by rising number; one part is open at a time."""
    pieces: list[pa.Table] = []
    start = 0
    for part in parts:
        table = part()
        first, last = np.searchsorted(rows, [start, start + len(table)])
        if first < last or not pieces:  # so that there is one piece at least
            table_of_names = table.select(names) if names else table
            pieces.append(table_of_names.take(rows[first:last] - start))
        start += len(table)
    return pa.concat_tables(pieces, promote_options="default")


def _with_followers(
    table: pa.Table, followers: pa.Table, schema: pa.Schema
) -> pa.Table:
    """The columns of the images table; whoever was said to write a post has the followers that were said last."""
    at = pc.index_in(
        table["author_id"], value_set=followers["author_id"].combine_chunks()
    )
    values = {
        name: table[name] if name in table.column_names else pa.nulls(len(table))
        for name in schema.names
    }
    values["follower_count"] = pc.coalesce(
        followers["follower_count"].take(at), values["follower_count"]
    )
    return pa.table(
        [values[field.name].cast(field.type) for field in schema], schema=schema
    ).combine_chunks()


def _mask(flags: pa.Array | pa.ChunkedArray) -> Rows:
    return np.asarray(pc.fill_null(flags, False))


def _last(names: pa.ChunkedArray, moment: Rows) -> Rows:
    """Which rows belong to the last statement on their name."""
    encoded = names.combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices)
    last = np.zeros(len(encoded.dictionary), np.int64)
    np.maximum.at(last, codes, moment)
    return np.asarray(last[codes] == moment)


def _count(left_out: pa.Table, photos: int, posts: int) -> pa.Table:
    """Things by (what, reason); every photo and every post with photos is one."""
    groups = (
        left_out.group_by(["what", "reason"]).aggregate([([], "count_all")]).to_pylist()
    )
    counted = {(row["what"], row["reason"]): row["count_all"] for row in groups}
    counted |= {("media", "photo"): photos, ("post", "with photos"): posts}
    rows = [
        {"what": what, "reason": reason, "count": n}
        for (what, reason), n in sorted(counted.items())
    ]
    return pa.Table.from_pylist(rows, SKIPPED)
