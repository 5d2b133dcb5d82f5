"""The last snapshot of every post: which rows of all parsed pages make the images table, and in which order.

A post is seen several times, with other counts and other fields, and may be gone at last. A *statement* is what one
page says of one post or author. The last statement counts, field by field: it replaces only what it has. So the photos
are those of the last statement that lists them all, and a text that is cut replaces no whole one. Parts are read one by
one, a few numbers a row stay in memory, and ids are compared a tenth at a time: memory hardly grows with the table.
Pure; `images_table` writes `WORK/images.parquet` with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.tables import Places
from twigma.rehydrate.posts.cut_texts import have_several, whole_texts
from twigma.rehydrate.posts.row_numbers import (
    FIELDS,
    GONE,
    LEFT_OUT,
    LOCAL,
    NO_DIGIT,
    PHOTO,
    USER,
    Part,
    Parts,
    RowNumbers,
    Rows,
    row_numbers,
)

# Raise it when this module returns another answer for the same parts: the images table is then re-created.
REVISION = 3
SKIPPED = pa.schema(
    [
        ("what", pa.string()),
        ("reason", pa.string()),
        ("count", pa.int64()),
    ]
)
SLICE = 1 << 14  # rows of the images table made at a time
OF_TEXT = ("text", "hashtags")  # hashtags are those in the text
UNDATED = 1 << 62  # rows without a time come last


@dataclass(frozen=True)
class Merged:
    """Which rows are current.

    Attributes
    ----------
    rows : int64[n], row numbers over all parts, by time.
    times : int64[n], `created_at` of those rows in milliseconds.
    followers : table (author_id, follower_count), a row an author.
    skipped : table (what, reason, count) of what is in the images table and what is left out.
    updates : for each of FIELDS, which of those rows have it from another row.
    """

    rows: Rows
    times: Rows
    followers: pa.Table
    skipped: pa.Table
    updates: "dict[str, Update]"


class Update(NamedTuple):
    """A field of some rows (`target`, int64[n], rising) is that of other rows (`source`, int64[n])."""

    target: Rows
    source: Rows


def merge_snapshots(opened: Sequence[Part]) -> Merged:
    """The last statements on every post and author; images added by hand (`what` is null) all stay.

    `opened` give tables of schema `parse_pages.PARSED`; there must be one at least.
    """
    parts = Parts(opened)
    numbers = row_numbers(opened)
    current, updates = _current_rows(parts, numbers)

    photos = np.flatnonzero(current & (numbers.kind == PHOTO))
    left_out = np.flatnonzero(current & (numbers.kind == LEFT_OUT))
    posts = len(np.unique(numbers.moment[photos]))
    reasons = parts.take(left_out, ["what", "reason"])
    skipped = _count_reasons(reasons, len(photos), posts)

    users = np.flatnonzero(current & (numbers.kind == USER))
    followers = parts.take(users, ["author_id", "follower_count"])

    is_image = (numbers.kind == PHOTO) | (numbers.kind == LOCAL)
    rows = np.flatnonzero(current & is_image)
    created = parts.take(rows, ["created_at"])
    created = _updated(parts, created, rows, updates)
    created_at = created["created_at"].cast(pa.int64())
    times = np.asarray(pc.fill_null(created_at, UNDATED))
    by_time = np.argsort(times, kind="stable")
    return Merged(rows[by_time], times[by_time], followers, skipped, updates)


def ordered(
    opened: Sequence[Part], merged: Merged, schema: pa.Schema
) -> Iterator[pa.Table]:
    """The images table, in its order (`columns.ORDER`), in slices of SLICE rows or a few more.

    Tables have this schema; a column that a part does not have is null there.
    """
    parts = Parts(opened)
    first = 0
    count = len(merged.rows)
    # Sorted once: hashed for every slice they would take most of the time.
    authors = Places(merged.followers["author_id"])
    follower_count = merged.followers["follower_count"].combine_chunks()
    while first < count:
        last = min(first + SLICE, count) - 1
        # Equal times stay in one slice, so that sorting each slice sorts the whole table.
        end = int(np.searchsorted(merged.times, merged.times[last], side="right"))
        rows = np.sort(merged.rows[first:end])
        table = _updated(parts, parts.take(rows), rows, merged.updates)
        table = table.sort_by(columns.sort_keys())
        known = follower_count.take(authors.of(table["author_id"]))
        yield _with_followers(table, known, schema)
        pa.default_memory_pool().release_unused()
        first = end


def _current_rows(parts: Parts, numbers: RowNumbers) -> tuple[Rows, dict[str, Update]]:
    """Which rows are current, bool[n], and the fields that they have from others.

    Current are images added by hand, and the rows of the last statement on each author, and on each post's photos.
    """
    is_local = numbers.kind == LOCAL
    is_user = numbers.kind == USER
    is_post = ~is_local & ~is_user
    current: Rows = is_local.copy()
    updates: dict[str, list[Update]] = {name: [] for name in FIELDS}
    # An author and a post may have the same id, so they are compared apart.
    for about, name in ((is_user, "author_id"), (is_post, "id")):
        for tenth in range(NO_DIGIT + 1):
            rows = np.flatnonzero(about & (numbers.tenth == tenth))
            if not len(rows):
                continue
            names = parts.take(rows, [name])[name]
            encoded = names.combine_chunks().dictionary_encode()
            codes = np.asarray(encoded.indices)
            some = numbers.of(rows)
            if name == "author_id":
                current[rows] = _is_highest(codes, some.moment)
            else:
                current[rows] = _is_current(codes, some)
                texts = _whole_texts(parts, codes, rows, some)
                latest = _latest_fields(codes, rows, current[rows], some, texts)
                for field, update in latest.items():
                    updates[field].append(update)
            pa.default_memory_pool().release_unused()  # or the peak grows with the table
    return current, {field: _joined(found) for field, found in updates.items()}


def _is_current(codes: Rows, numbers: RowNumbers) -> Rows:
    """bool[n]: rows of the statement that says what photos a post has, or that it is gone; `codes` name the posts."""
    is_gone = numbers.photos == GONE
    is_last = _is_highest(codes, numbers.moment)
    gone: Rows = np.zeros(codes.max() + 1, bool)
    gone[codes[is_last & is_gone]] = True
    # The more a statement says of the photos the higher it counts, then the later it is.
    rank = (numbers.photos.astype(np.int64) << 61) | numbers.moment
    rank[is_gone] = -1
    says_most = _is_highest(codes, rank) & ~is_gone
    return np.where(gone[codes], is_last, says_most)


def _whole_texts(
    parts: Parts, codes: Rows, rows: Rows, numbers: RowNumbers
) -> dict[int, int]:
    """Where the last text on a post is cut, the moment of the whole one, by the code of the post."""
    has_text = (numbers.fields >> FIELDS.index("text")) & 1 == 1
    several = have_several(codes, numbers.moment, has_text)
    if not several.any():
        return {}
    texts = parts.take(rows[several], ["text"])["text"]
    return whole_texts(codes[several], numbers.moment[several], texts)


def _latest_fields(
    codes: Rows,
    rows: Rows,
    is_current: Rows,
    numbers: RowNumbers,
    moments: dict[int, int],
) -> dict[str, Update]:
    """For each of FIELDS the current photos that have it from another statement; `moments` are of texts that count."""
    updates: dict[str, Update] = {}
    is_photo = is_current & (numbers.kind == PHOTO)
    first = np.full(codes.max() + 1, np.iinfo(np.int64).max)
    last = np.zeros(len(first), np.int64)
    np.minimum.at(first, codes, numbers.moment)
    np.maximum.at(last, codes, numbers.moment)
    if np.array_equal(first, last):  # every post is on one page only
        return updates
    for bit, name in enumerate(FIELDS):
        has_field = (numbers.fields >> bit) & 1 == 1
        latest = np.zeros(len(first), np.int64)
        np.maximum.at(latest, codes[has_field], numbers.moment[has_field])
        if name in OF_TEXT and moments:
            latest[list(moments)] = list(moments.values())
        source = np.zeros(len(first), np.int64)
        is_source = has_field & (numbers.moment == latest[codes])
        source[codes[is_source]] = rows[is_source]
        is_known = latest[codes] > 0
        is_target = is_photo & is_known & (numbers.moment != latest[codes])
        updates[name] = Update(rows[is_target], source[codes[is_target]])
    return updates


def _joined(updates: list[Update]) -> Update:
    """Updates of one field as one."""
    empty: Rows = np.zeros(0, np.int64)
    target = np.concatenate([empty, *(update.target for update in updates)])
    source = np.concatenate([empty, *(update.source for update in updates)])
    order = np.argsort(target)
    return Update(target[order], source[order])


def _updated(
    parts: Parts, table: pa.Table, rows: Rows, updates: dict[str, Update]
) -> pa.Table:
    """A table of rows (int64[n]) with the fields that these have from other rows."""
    wanted: dict[str, tuple[Rows, Rows]] = {}
    for name, (target, source) in updates.items():
        if name not in table.column_names or not len(target):
            continue
        at = np.minimum(np.searchsorted(target, rows), len(target) - 1)
        places = np.flatnonzero(target[at] == rows)
        if len(places):
            wanted[name] = places, source[at[places]]
    if not wanted:
        return table
    sources = np.unique(np.concatenate([found for _, found in wanted.values()]))
    others = parts.take(sources, list(wanted))
    for name, (places, found) in wanted.items():
        both = pa.chunked_array([*table[name].chunks, *others[name].chunks])
        order = np.arange(len(table))
        order[places] = len(table) + np.searchsorted(sources, found)
        table = table.set_column(
            table.schema.get_field_index(name), table.field(name), both.take(order)
        )
    return table


def _with_followers(
    table: pa.Table, followers: pa.Array, schema: pa.Schema
) -> pa.Table:
    """The columns of `schema`; `followers` are the last known of each row's author, null where there are none."""
    values: list[pa.ChunkedArray] = []
    for field in schema:
        value = pa.nulls(len(table))
        if field.name in table.column_names:
            value = table[field.name]
        if field.name == "follower_count":
            value = pc.coalesce(followers, value)
        values.append(value.cast(field.type))
    return pa.table(values, schema=schema).combine_chunks()


def _is_highest(codes: Rows, rank: Rows) -> Rows:
    """bool[n]: which rows have the highest rank (int64[n]) of all rows with their code."""
    highest = np.full(codes.max() + 1, -1)
    np.maximum.at(highest, codes, rank)
    return np.asarray(highest[codes] == rank)


def _count_reasons(left_out: pa.Table, photos: int, posts: int) -> pa.Table:
    """(what, reason, count), sorted; every photo and every post with photos has a count too."""
    groups = left_out.group_by(["what", "reason"]).aggregate([([], "count_all")])
    counts = {("media", "photo"): photos, ("post", "with photos"): posts}
    for row in groups.to_pylist():
        counts.setdefault((row["what"], row["reason"]), row["count_all"])
    rows = [
        {"what": what, "reason": reason, "count": count}
        for (what, reason), count in sorted(counts.items())
    ]
    return pa.Table.from_pylist(rows, SKIPPED)
