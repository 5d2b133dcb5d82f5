"""The last word on every post: which rows of all that pages said make the images table, and in which order.

Of what was said the keys are read whole, the rest slice by slice, so that memory does not grow with texts and
addresses. Pure; `twigma rehydrate` and `twigma collect` write `WORK/images.parquet` with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ORDER = ("created_at", "id", "image_name")
KEYS = (*ORDER, "author_id", "follower_count", "received_at", "what", "reason", "begins")
SKIPPED = pa.schema([("what", pa.string()), ("reason", pa.string()), ("count", pa.int64())])
SLICE = 1 << 15  # rows of the images table made at a time

Part = Callable[[], pa.Table]  # opens a table of what pages said (`posts.SAID`), or of images added by hand
Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Latest:
    """What holds: rows of all parts in the order of the images table, followers by author, what is left out."""

    rows: Rows
    followers: pa.Table
    skipped: pa.Table


def latest(parts: Sequence[Part]) -> Latest:
    """Of a post, and of an author's followers, what was said last; rows that nobody said (`what` is null) all stay."""
    keys = pa.concat_tables([_keys(part()) for part in parts], promote_options="default")
    what = keys["what"].combine_chunks()
    statement = np.cumsum(_mask(keys["begins"]))
    said_at = _moments(keys["received_at"], statement)
    users = np.flatnonzero(_mask(pc.equal(what, "user")))
    told = np.flatnonzero(_mask(pc.is_in(what, value_set=pa.array(["post", "media"]))))
    users = users[_last(keys["author_id"].take(users), said_at[users])]
    told = told[_last(keys["id"].take(told), said_at[told])]
    photos = told[_mask(pc.equal(keys["reason"].take(told), "photo"))]
    skipped = _count(keys.select(["what", "reason"]).take(told), len(photos), len(np.unique(statement[photos])))
    rows = np.concatenate([photos, np.flatnonzero(_mask(what.is_null()))])
    order = pc.sort_indices(keys.select(ORDER).take(rows), [(name, "ascending") for name in ORDER])
    return Latest(rows[order.to_numpy()], keys.select(["author_id", "follower_count"]).take(users), skipped)


def ordered(parts: Sequence[Part], found: Latest, schema: pa.Schema) -> Iterator[pa.Table]:
    """The images table in slices of SLICE rows; a column that a part does not have is null there."""
    starts = np.cumsum([0, *(len(part()) for part in parts)])
    for first in range(0, len(found.rows), SLICE):
        rows = found.rows[first : first + SLICE]
        of_part = np.searchsorted(starts, rows, side="right") - 1
        pieces = [parts[at]().take(rows[of_part == at] - starts[at]) for at in np.unique(of_part)]
        back = np.argsort(np.argsort(of_part, kind="stable"), kind="stable")
        table = pa.concat_tables(pieces, promote_options="default").take(back)
        yield _with_followers(table, found.followers, schema)


def _with_followers(table: pa.Table, followers: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the images table; whoever was said to write a post has the followers that were said last."""
    at = pc.index_in(table["author_id"], value_set=followers["author_id"].combine_chunks())
    values = {name: table[name] if name in table.column_names else pa.nulls(len(table)) for name in schema.names}
    values["follower_count"] = pc.coalesce(followers["follower_count"].take(at), values["follower_count"])
    return pa.table([values[field.name].cast(field.type) for field in schema], schema=schema).combine_chunks()


def _keys(part: pa.Table) -> pa.Table:
    return part.select([name for name in KEYS if name in part.column_names])


def _mask(flags: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(flags, False))


def _moments(received_at: pa.ChunkedArray, statement: Rows) -> npt.NDArray[np.int64]:
    """Numbers in the order in which things were said: by time, then by place."""
    _, rank = np.unique(np.asarray(pc.fill_null(received_at, 0)), return_inverse=True)
    return rank.astype(np.int64) << 32 | statement


def _last(names: pa.ChunkedArray, said_at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows belong to the last statement on their name."""
    encoded = names.combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices)
    last = np.zeros(len(encoded.dictionary), np.int64)
    np.maximum.at(last, codes, said_at)
    return last[codes] == said_at


def _count(told: pa.Table, photos: int, posts: int) -> pa.Table:
    """Things by (what, reason); every photo and every post with photos is one."""
    groups = told.group_by(["what", "reason"]).aggregate([([], "count_all")]).to_pylist()
    counted = {(row["what"], row["reason"]): row["count_all"] for row in groups}
    counted |= {("media", "photo"): photos, ("post", "with photos"): posts}
    rows = [{"what": what, "reason": reason, "count": n} for (what, reason), n in sorted(counted.items())]
    return pa.Table.from_pylist(rows, SKIPPED)
