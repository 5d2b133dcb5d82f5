import base64
import datetime
import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twigma.core import columns
from twigma.rehydrate.posts.page_content import missing_fields
from twigma.rehydrate.posts.parse_pages import IMAGES, posts
from twigma.rehydrate.posts.post_fields import media_id, url_shows

MEDIA = 1565745318061842432
URL = "https://pbs.twimg.com/media/{}AbCd.jpg"


def url(image: int) -> str:
    return URL.format(base64.urlsafe_b64encode(image.to_bytes(8, "big")).decode()[:11])


def photo(image: int, **more: Any) -> dict[str, Any]:
    return {"media_key": f"3_{image}", "type": "photo", "url": url(image), **more}


def post(name: str, *images: int, **more: Any) -> dict[str, Any]:
    metrics = {"like_count": 5, "quote_count": 0, "reply_count": 1, "retweet_count": 2}
    return {
        "id": name,
        "text": "Hello #AIart",
        "created_at": "2022-08-22T18:14:05.123Z",
        "author_id": "77",
        "possibly_sensitive": False,
        "public_metrics": metrics,
        "attachments": {"media_keys": [f"3_{image}" for image in images]},
    } | more


def answer(
    *data: dict[str, Any], media: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "data": list(data),
        "includes": {"media": [photo(MEDIA)] if media is None else media, **more},
    }


def record(
    body: dict[str, Any],
    received_at: str = "2026-01-01T00:00:00Z",
    ids: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {"request": {"ids": list(ids)}, "received_at": received_at, "answer": body}


def counted(table: pa.Table) -> dict[tuple[str, str], int]:
    return {(row["what"], row["reason"]): row["count"] for row in table.to_pylist()}


def test_a_photo_becomes_a_row_of_the_declared_columns() -> None:
    table, skipped = posts(
        [
            answer(
                post("11", MEDIA),
                users=[{"id": "77", "public_metrics": {"followers_count": 9}}],
            )
        ]
    )
    assert table.schema.equals(columns.schema(IMAGES), check_metadata=True)
    assert table.to_pylist() == [
        {
            "id": "11",
            "image_name": str(MEDIA),
            "created_at": datetime.datetime(2022, 8, 22, 18, 14, 5, 123000),
            "like_count": 5,
            "quote_count": 0,
            "reply_count": 1,
            "retweet_count": 2,
            "possibly_sensitive": False,
            "source": "x",
            "author_id": "77",
            "follower_count": 9,
            "text": "Hello #AIart",
            "hashtags": ["aiart"],
            "url": url(MEDIA),
        }
    ]
    assert counted(skipped) == {("media", "photo"): 1, ("post", "with photos"): 1}


def test_both_dialects_give_the_same_table() -> None:
    legacy = answer(
        post(
            "11",
            MEDIA,
            edit_history_tweet_ids=["11"],
            note_tweet={"text": "long #one #Two", "entities": {}},
        ),
        post("12", MEDIA, referenced_tweets=[{"type": "retweeted", "id": "1"}]),
        post("13", MEDIA, referenced_tweets=[{"type": "quoted", "id": "1"}]),
    )
    text = json.dumps(legacy)
    for old, new in (
        ("retweet_count", "repost_count"),
        ("edit_history_tweet", "edit_history_post"),
    ):
        text = text.replace(old, new)
    current = json.loads(
        text.replace("note_tweet", "note_post").replace(
            "referenced_tweets", "referenced_posts"
        )
    )
    assert posts([legacy])[0].equals(posts([current])[0])
    assert posts([legacy])[0]["hashtags"].to_pylist() == [["one", "two"], ["aiart"]]
    assert counted(posts([current])[1])["post", "retweet"] == 1
    bare = post("14", MEDIA, text="RT @x_1: hello", public_metrics={"repost_count": 3})
    assert (
        counted(posts([answer(bare)])[1])["post", "retweet"] == 1
    )  # the current dialect gives no reference
    assert (
        len(posts([answer(post("14", MEDIA, text="RT @x_1: hello"))])[0]) == 1
    )  # the legacy one would


def test_what_is_left_out_is_counted() -> None:
    media = [
        photo(MEDIA),
        {
            "media_key": f"7_{MEDIA + 1}",
            "type": "video",
            "preview_image_url": "https://pbs.twimg.com/x.jpg",
        },
        {"media_key": f"16_{MEDIA + 2}", "type": "animated_gif"},
        photo(MEDIA + 3, url=url(MEDIA)),  # the address of another photo
        photo(MEDIA + 4) | {"url": None},
        photo(5),
        photo(MEDIA + 6, url=url(MEDIA + 6).replace("pbs.twimg.com", "10.0.0.1")),
    ]
    data = [
        post(
            "1",
            MEDIA,
            attachments={"media_keys": [f"3_{MEDIA}", f"7_{MEDIA + 1}", f"3_{MEDIA}"]},
        ),
        post("2", MEDIA, attachments={"media_keys": [f"16_{MEDIA + 2}"]}),
        post("3", MEDIA + 3, MEDIA + 4, 5, MEDIA + 6, MEDIA + 9),
        post("4") | {"attachments": None},
        post("x", MEDIA),
    ]
    table, skipped = posts([answer(*data, media=media)])
    assert table["id"].to_pylist() == ["1"]
    assert counted(skipped) == {
        ("media", "photo"): 1,
        ("media", "video"): 1,
        ("media", "animated_gif"): 1,
        ("media", "url of another media id"): 2,
        ("media", "no url"): 1,
        ("media", "no media id"): 1,
        ("media", "not in the answer"): 1,
        ("post", "with photos"): 1,
        ("post", "no photo"): 1,
        ("post", "photos unknown"): 1,
        ("post", "no media"): 1,
        ("post", "no id"): 1,
    }


def test_a_later_page_without_photos_takes_none_and_gives_its_counts() -> None:
    shown = answer(post("1", MEDIA, MEDIA + 1), media=[photo(MEDIA), photo(MEDIA + 1)])
    counts = {"like_count": 50}
    for media in ([], [photo(MEDIA)], [photo(MEDIA), photo(MEDIA + 1, url=None)]):
        unshown = answer(
            post("1", MEDIA, MEDIA + 1, public_metrics=counts), media=media
        )
        for ids in ((), ("1",)):  # of a search, or a look-up
            pages = [
                record(shown, "2026-01-01", ids),
                record(unshown, "2026-01-02", ids),
            ]
            table, skipped = posts(pages)
            assert table["image_name"].to_pylist() == [str(MEDIA), str(MEDIA + 1)]
            assert table["like_count"].to_pylist() == [50, 50]
            assert table["reply_count"].to_pylist() == [1, 1]
            assert counted(skipped) == {
                ("media", "photo"): 2,
                ("post", "with photos"): 1,
            }


def test_the_latest_page_wins_and_the_order_of_pages_does_not_matter() -> None:
    users = {"users": [{"id": "77", "public_metrics": {"followers_count": 3}}]}
    pages = [
        record(answer(post("1", MEDIA), **users), "2026-01-01"),
        record(
            answer(post("1", MEDIA, public_metrics={"like_count": 50})), "2026-01-03"
        ),
        record(
            answer(post("2", MEDIA, created_at="2021-01-01T00:00:00Z")), "2026-01-02"
        ),
        record(answer(post("3", MEDIA)), "2026-01-01"),
        record(
            {"errors": [{"title": "Forbidden", "resource_id": "3"}]},
            "2026-01-04",
            ("3", "4"),
        ),
    ]
    table, skipped = posts(pages)
    assert table.select(["id", "like_count", "follower_count"]).to_pydict() == {
        "id": ["2", "1"],
        "like_count": [5, 50],
        "follower_count": [3, 3],  # what was once bought stays known
    }
    assert counted(skipped)["post", "suspended"] == 1  # it had a photo, and is gone now
    for seed in range(5):
        shuffled = random.Random(seed).sample(pages, len(pages))
        assert posts(shuffled)[0].equals(table) and posts(shuffled)[1].equals(skipped)


def test_an_edited_post_answers_for_the_id_that_was_asked() -> None:
    edited = post("12", MEDIA, edit_history_tweet_ids=["11", "12"])
    assert posts([record(answer(edited), ids=("11",))])[0]["id"].to_pylist() == ["11"]
    assert posts([record(answer(edited), ids=("11", "12"))])[0]["id"].to_pylist() == [
        "12"
    ]
    assert posts([record(answer(edited))])[0]["id"].to_pylist() == ["12"]


def test_hostile_text_and_numbers() -> None:
    odd = post(
        "1",
        MEDIA,
        text="half \ud83d #Tag＃é_1 #123 &#39; a#b ☺ #ÄB https://a.org/#c",
        author_id=5,
        created_at="soon",
    )
    odd |= {
        "public_metrics": {
            "like_count": 2**63,
            "reply_count": "3",
            "quote_count": -1,
            "retweet_count": True,
        }
    }
    (row,) = posts([answer(odd | {"possibly_sensitive": "yes"})])[0].to_pylist()
    assert row["text"].startswith("half � #Tag") and row["hashtags"] == ["tag", "äb"]
    unknown = (
        "like_count",
        "reply_count",
        "quote_count",
        "retweet_count",
        "author_id",
        "created_at",
    )
    assert [row[name] for name in (*unknown, "possibly_sensitive")] == [None] * 7
    tags = {"hashtags": [{"tag": "AI\udc00"}, {"tag": "ai�"}, {}, 7]}
    assert posts([answer(post("1", MEDIA, entities=tags))])[0][
        "hashtags"
    ].to_pylist() == [["ai�"]]


def test_times_are_utc() -> None:
    data = [
        post("1", MEDIA, created_at="2022-01-01T01:00:00+02:00"),
        post("2", MEDIA, created_at="2022-01-01T00:00:00"),
    ]
    times = posts([answer(*data)])[0]["created_at"].to_pylist()
    assert times == [datetime.datetime(2021, 12, 31, 23), datetime.datetime(2022, 1, 1)]


@given(image=st.integers(10**14, 10**19 - 1), prefix=st.sampled_from(["", "3_", "13_"]))
def test_media_ids_and_urls_verify_each_other(image: int, prefix: str) -> None:
    assert media_id(f"{prefix}{image}") == str(image)
    assert url_shows(url(image), str(image)) and url_shows(
        url(image) + "?name=orig", str(image)
    )
    assert not url_shows(url(image), str(image + 1)) and not url_shows(
        url(image) + "/../x", str(image)
    )


@pytest.mark.parametrize(
    "key",
    [
        "3_12345678901234",
        "12345678901234567890",
        "x_1565745318061842432",
        "٣_1565745318061842432",
    ],
)
def test_what_is_no_media_key(key: str) -> None:
    assert media_id(key) is None


NAMES = [
    "data",
    "includes",
    "media",
    "users",
    "id",
    "attachments",
    "media_keys",
    "media_key",
    "type",
    "url",
    "entities",
]
ANY = st.recursive(
    st.none()
    | st.integers()
    | st.text(st.characters(), max_size=3)
    | st.sampled_from([f"3_{MEDIA}", url(MEDIA), "photo", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
)


@given(
    answers=st.lists(
        st.dictionaries(st.sampled_from(["data", "includes", "errors"]), ANY),
        max_size=3,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_answer_of_any_shape_breaks_the_parser(
    answers: list[dict[str, Any]],
) -> None:
    table, _ = posts(answers)
    assert table.schema.equals(columns.schema(IMAGES))


def test_fields_that_x_dropped_are_noticed() -> None:
    whole = answer(post("1", MEDIA))
    assert missing_fields(whole) == [] and missing_fields({"errors": []}) == []
    bare = {"data": [{"id": "1", "text": "t", "attachments": {"media_keys": ["3_1"]}}]}
    assert missing_fields(bare) == [
        "created_at",
        "public_metrics",
        "possibly_sensitive",
        "includes.media",
    ]
    assert missing_fields(answer(post("1", MEDIA), media=[{"type": "photo"}])) == [
        "media.media_key",
        "media.url",
    ]
