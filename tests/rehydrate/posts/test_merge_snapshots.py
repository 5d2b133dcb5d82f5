import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core import columns
from twigma.rehydrate.posts.merge_snapshots import merge_snapshots, ordered
from twigma.rehydrate.posts.parse_pages import IMAGES, PARSED

STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 3),
        st.integers(-1, 2),
        st.sampled_from("xy"),
    ),
    max_size=12,
)


def said(statements: list[tuple[str, int, int, str]], number: int) -> pa.Table:
    """Statements (post, time, photos or -1 when it is gone, author), each with the author's followers, as a part."""
    rows = []
    for at, (post, time, photos, author) in enumerate(statements):
        mark = {"id": post, "received_at": time, "author_id": author}
        user = {
            "what": "user",
            "author_id": author,
            "follower_count": 10 * number + at,
            "received_at": time,
        }
        rows.append(user | {"begins": True})
        some = [
            {"what": "media", "reason": "photo", "image_name": f"{number}.{at}.{n}"}
            for n in range(photos)
        ]
        left_out = [{"what": "post", "reason": "gone" if photos < 0 else "no media"}]
        rows += [
            mark | row | {"begins": n == 0} for n, row in enumerate(some or left_out)
        ]
    return pa.Table.from_pylist(rows, PARSED)


@given(STATEMENTS, STATEMENTS)
@settings(max_examples=80, deadline=None)
def test_the_last_statement_counts_as_a_dictionary_would_have_it(
    one: list[tuple[str, int, int, str]], two: list[tuple[str, int, int, str]]
) -> None:
    parts = [said(one, 0), said(two, 1)]
    opened = [lambda: parts[0], lambda: parts[1]]
    found = merge_snapshots(opened)
    table = pa.concat_tables(
        [
            columns.schema(IMAGES).empty_table(),
            *ordered(opened, found, columns.schema(IMAGES)),
        ]
    )
    last: dict[str, tuple[int, list[str], str]] = {}
    followers: dict[str, tuple[int, int]] = {}
    for number, part in enumerate((one, two)):
        for at, (post, time, photos, author) in enumerate(part):
            if time >= last.get(post, (0,))[0]:
                last[post] = time, [f"{number}.{at}.{n}" for n in range(photos)], author
            if time >= followers.get(author, (0,))[0]:
                followers[author] = time, 10 * number + at
    rows = {
        (p, image, a, followers[a][1])
        for p, (_, images, a) in last.items()
        for image in images
    }
    shown = [
        table[name].to_pylist()
        for name in ("id", "image_name", "author_id", "follower_count")
    ]
    assert list(zip(*shown, strict=True)) == sorted(rows)
    counted = {row["reason"]: row["count"] for row in found.skipped.to_pylist()}
    assert counted["photo"] == len(rows) and counted["with photos"] == len(
        {row[0] for row in rows}
    )
    assert sum(counted.values()) - len(rows) == len(last)


def test_rows_that_nobody_said_stay_and_take_their_place() -> None:
    names = [str(n) for n in range(9)]
    random.Random(0).shuffle(names)
    local = pa.table(
        {"id": pa.nulls(9, pa.string()), "image_name": names, "group": ["Monet"] * 9}
    )
    part = said([("a", 1, 2, "x")], 0)
    opened = [
        lambda: part,
        lambda: pa.concat_tables(
            [PARSED.empty_table(), local], promote_options="default"
        ),
    ]
    schema = pa.unify_schemas([columns.schema(IMAGES), columns.schema(["group"])])
    (table,) = ordered(opened, merge_snapshots(opened), schema)
    assert table["image_name"].to_pylist() == ["0.0.0", "0.0.1", *map(str, range(9))]
    assert table["group"].to_pylist() == [None] * 2 + [
        "Monet"
    ] * 9 and table.schema.equals(schema)
