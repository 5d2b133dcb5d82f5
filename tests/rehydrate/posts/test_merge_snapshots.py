import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core import columns
from twigma.rehydrate.posts.merge_snapshots import Merged, merge_snapshots, ordered
from twigma.rehydrate.posts.parse_pages import IMAGES, PARSED
from twigma.rehydrate.posts.row_numbers import ALL_PHOTOS, NO_PHOTOS, SOME_PHOTOS

Statement = tuple[str, int, int | None, int, str | None, int | None]
# (post, time, what it says of the photos or None when the post is gone, photos it has, author, likes)
STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 3),
        st.sampled_from([None, NO_PHOTOS, SOME_PHOTOS, ALL_PHOTOS]),
        st.integers(1, 2),
        st.sampled_from(["x", "y", None]),
        st.integers(0, 9) | st.none(),
    ),
    max_size=12,
)


def photos_of(statement: Statement, name: str) -> list[str]:
    _, _, known, count, _, _ = statement
    if known in (None, NO_PHOTOS):
        return []
    return [f"{name}.{n}" for n in range(count)]


def said(statements: list[Statement], number: int) -> pa.Table:
    """Statements as a part, each with the followers of the author X."""
    rows = []
    for at, statement in enumerate(statements):
        post, time, known, _, author, likes = statement
        user = {
            "what": "user",
            "author_id": author or "x",
            "follower_count": 10 * number + at,
            "received_at": time,
        }
        rows.append(user | {"begins": True})
        mark = {
            "id": post,
            "received_at": time,
            "photos_known": known,
        }
        if known is not None:
            mark |= {"author_id": author, "like_count": likes}
        some = [
            {"what": "media", "reason": "photo", "image_name": name}
            for name in photos_of(statement, f"{number}.{at}")
        ]
        reason = "gone" if known is None else "photos unknown"
        left_out = [{"what": "post", "reason": reason}]
        rows += [
            mark | row | {"begins": n == 0} for n, row in enumerate(some or left_out)
        ]
    return pa.Table.from_pylist(rows, PARSED)


def images(parts: list[pa.Table]) -> tuple[Merged, pa.Table]:
    opened = [lambda part=part: part for part in parts]
    found = merge_snapshots(opened)
    schema = columns.schema(IMAGES)
    tables = [schema.empty_table(), *ordered(opened, found, schema)]
    return found, pa.concat_tables(tables)


@given(STATEMENTS, STATEMENTS)
@settings(max_examples=150, deadline=None)
def test_the_last_statement_counts_field_by_field_as_dictionaries_would_have_it(
    one: list[Statement], two: list[Statement]
) -> None:
    found, table = images([said(one, 0), said(two, 1)])
    named = [
        (*statement, f"{number}.{at}")
        for number, part in enumerate((one, two))
        for at, statement in enumerate(part)
    ]
    named.sort(key=lambda statement: statement[1])  # stable: equal times by place
    last: dict[str, int | None] = {}
    photos: dict[str, tuple[int, list[str]]] = {}
    authors: dict[str, str] = {}
    likes: dict[str, int] = {}
    followers: dict[str, int] = {}
    for post, _, known, count, author, like, name in named:
        number, at = map(int, name.split("."))
        followers[author or "x"] = 10 * number + at
        last[post] = known
        if known is None:
            continue
        authors[post] = author or authors.get(post)  # type: ignore[assignment]
        likes[post] = likes.get(post) if like is None else like  # type: ignore[assignment]
        if known >= photos.get(post, (NO_PHOTOS, []))[0]:
            some = photos_of((post, 0, known, count, None, None), name)
            photos[post] = known, some
    rows = {
        (post, image, authors[post], likes[post], followers.get(authors[post]))
        for post, (_, some) in photos.items()
        for image in some
        if last[post] is not None
    }
    shown = [
        table[name].to_pylist()
        for name in ("id", "image_name", "author_id", "like_count", "follower_count")
    ]
    assert list(zip(*shown, strict=True)) == sorted(rows, key=lambda row: row[:2])
    counted = {row["reason"]: row["count"] for row in found.skipped.to_pylist()}
    assert counted["photo"] == len(rows)
    assert counted["with photos"] == len({row[0] for row in rows})
    assert sum(counted.values()) - len(rows) == len(last)


def test_the_time_of_a_post_may_come_from_another_statement_than_its_photo() -> None:
    rows = [
        {"id": "1", "received_at": 2, "photos_known": ALL_PHOTOS, "what": "media",
         "reason": "photo", "image_name": "10", "begins": True},
        {"id": "1", "received_at": 1, "photos_known": NO_PHOTOS, "what": "post",
         "reason": "photos unknown", "begins": True, "created_at": 9, "hashtags": ["a"]},
        {"id": "2", "received_at": 1, "photos_known": ALL_PHOTOS, "what": "media",
         "reason": "photo", "image_name": "20", "begins": True, "created_at": 5},
    ]  # fmt: skip
    _, table = images([pa.Table.from_pylist(rows, PARSED)])
    assert table["image_name"].to_pylist() == ["20", "10"]  # by time
    assert table["hashtags"].to_pylist() == [None, ["a"]]


def test_rows_that_nobody_said_stay_and_take_their_place() -> None:
    names = [str(n) for n in range(9)]
    random.Random(0).shuffle(names)
    local = pa.table(
        {"id": pa.nulls(9, pa.string()), "image_name": names, "group": ["Monet"] * 9}
    )
    part = said([("a", 1, ALL_PHOTOS, 2, "x", None)], 0)
    opened = [
        lambda: part,
        lambda: pa.concat_tables(
            [PARSED.empty_table(), local], promote_options="default"
        ),
    ]
    schema = pa.unify_schemas([columns.schema(IMAGES), columns.schema(["group"])])
    (table,) = ordered(opened, merge_snapshots(opened), schema)
    assert table["image_name"].to_pylist() == ["0.0.0", "0.0.1", *map(str, range(9))]
    assert table["group"].to_pylist() == [None] * 2 + ["Monet"] * 9
    assert table.schema.equals(schema)
