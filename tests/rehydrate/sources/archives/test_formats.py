import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archived import (
    CAPTURED,
    HOUR,
    KINDS,
    Row,
    archive,
    flattened,
    fourcat,
    post,
    twarc_page,
    url,
    v1,
    web,
    zeeschuimer,
)

from twigma.rehydrate.sources.archives.formats import archived_posts
from twigma.rehydrate.sources.archives.record import UNDATED, Record

POST = post(3, photos=2)


def read(value: Any) -> list[Record]:
    """The records, none of them a complaint."""
    found = list(archived_posts(value))
    assert all(isinstance(one, Record) for one in found), found
    return [one for one in found if isinstance(one, Record)]


def only(value: Any) -> Record:
    (record,) = read(value)
    return record


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_the_same_of_a_post(kind: str) -> None:
    record = only(archive(kind, [POST]))
    assert record.post is not None
    assert record.id == record.post["id"] == POST["id"]
    assert record.captured == (UNDATED if kind in ("v1.1", "4CAT v2") else HOUR)
    assert record.user == {
        "id": POST["author_id"],
        "public_metrics": {"followers_count": 100},
    }
    assert [one["url"] for one in record.media] == [one["url"] for one in POST["media"]]
    assert record.post["attachments"]["media_keys"] == [
        one["media_key"] for one in record.media
    ]
    assert record.post["public_metrics"] == POST["public_metrics"]
    assert [tag["tag"] for tag in record.post["entities"]["hashtags"]] == [
        "AIart",
        "StableDiffusion",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_retweet_stays_a_retweet(kind: str) -> None:
    (line,) = archive(kind, [POST])
    if kind == "v1.1":
        line["retweeted_status"] = v1(post(1))
    elif kind in ("Zeeschuimer", "4CAT"):
        (line.get("data") or line)["legacy"]["retweeted_status_result"] = {
            "result": web(post(1))
        }
    else:
        for one in line.get("data", [line]):
            one["referenced_tweets"] = [
                {"type": "retweeted", "id": "1", "text": "expanded"}
            ]
    record, *originals = read(line)
    assert record.post is not None
    assert [one["type"] for one in record.post["referenced_tweets"]] == ["retweeted"]
    # Its original has a photo, where it is in the archive too.
    has_original = kind in ("v1.1", "Zeeschuimer", "4CAT")
    assert [one.id for one in originals] == [post(1)["id"]] * has_original


def test_a_long_post_of_a_stream_is_whole_in_extended_tweet() -> None:
    whole = v1(POST)
    extended = {
        name: whole.pop(name) for name in ("full_text", "entities", "extended_entities")
    }
    cut = whole | {
        "text": "Castle 3 in the clo… https://t.co/x",
        "truncated": True,
        "entities": {"hashtags": []},
    }
    record = only(cut | {"extended_tweet": extended})
    assert record == only(v1(POST))
    lost = only(cut).post
    assert lost is not None
    assert not {"text", "attachments", "entities"} & lost.keys()


def test_the_still_of_a_video_is_no_photo() -> None:
    record = only(v1(post(1, kind="video")))
    assert [one["type"] for one in record.media] == ["video"]


def test_a_stream_of_the_second_version_has_one_post_a_page() -> None:
    page = twarc_page(POST)
    record = only(
        page
        | {"data": page["data"][0], "matching_rules": [{"id": "1", "tag": "aiart"}]}
    )
    assert record == only(twarc_page(POST))


def test_media_that_a_page_lacks_keep_their_keys() -> None:
    page = twarc_page(POST)
    del page["includes"]
    record = only(page)
    assert record.post is not None and record.media == [] and record.user is None
    assert record.post["attachments"]["media_keys"] == POST["attachments"]["media_keys"]


def test_the_website_has_changed_its_shape_more_than_once() -> None:
    plain = only(web(POST))
    user = web(POST)
    author = user["core"]["user_results"]["result"]
    author["relationship_counts"] = {
        "followers": author.pop("legacy")["followers_count"],
        "following": 5,
    }
    assert only(user) == plain  # since 2026
    assert (
        only({"__typename": "TweetWithVisibilityResults", "tweet": web(POST)}) == plain
    )  # with a warning
    adaptive = {
        "id": int(POST["id"]),
        "type": "adaptive",
        "legacy": v1(POST),
        "user": v1(POST)["user"],
    }
    assert only(adaptive) == only(v1(POST))  # until 2023
    nobody = web(POST) | {"core": {"user_results": {}}}
    assert only(nobody) == plain._replace(user=None)
    bare = web(POST)
    del bare["legacy"]["entities"]
    found = only(bare).post
    assert found is not None and "entities" not in found


def test_a_long_post_of_the_website_is_whole_in_its_note() -> None:
    note = {
        "id": "x",
        "text": "A very long castle #castle",
        "entity_set": {"hashtags": [{"text": "castle"}]},
    }
    edits = {
        "initial_tweet_id": "5",
        "edit_control_initial": {"edit_tweet_ids": ["5", POST["id"]]},
    }
    record = only(
        web(POST)
        | {
            "note_tweet": {"note_tweet_results": {"result": note}},
            "edit_control": edits,
        }
    )
    assert record.post is not None
    assert record.post["note_tweet"] == {
        "text": note["text"],
        "entities": {"hashtags": [{"tag": "castle"}]},
    }
    assert record.post["edit_history_tweet_ids"] == ["5", POST["id"]]


def test_a_note_of_the_second_version_is_kept() -> None:
    note = {
        "text": "long #tag",
        "entities": {
            "hashtags": [{"start": 5, "end": 9, "tag": "tag"}],
            "mentions": [{}],
        },
    }
    record = only(flattened(POST | {"note_tweet": note}))
    assert record.post is not None
    assert record.post["note_tweet"] == {
        "text": "long #tag",
        "entities": {"hashtags": [{"tag": "tag"}]},
    }


def test_the_current_dialect_is_kept() -> None:
    old = flattened(POST | {"referenced_tweets": [{"type": "quoted", "id": "1"}]})
    new = json.loads(
        json.dumps(old)
        .replace("referenced_tweets", "referenced_posts")
        .replace("retweet", "repost")
    )
    record = only(new)
    assert record.post is not None
    assert record.post["referenced_posts"] == [{"type": "quoted", "id": "1"}]
    assert record.post["public_metrics"]["repost_count"] == 3


@pytest.mark.parametrize(
    ("stamp", "captured"),
    [
        (CAPTURED, HOUR),
        ("2023-03-15T17:59:59.9+02:00", HOUR),
        ("2023-03-15T15:00:00Z", HOUR),
        ("2023-03-15T15:20:00", HOUR),
        ("yesterday", UNDATED),
        ("9999-12-31T23:59:59-10:00", UNDATED),
        (None, UNDATED),
        (1678895599, UNDATED),
    ],
)
def test_when_a_page_was_captured(stamp: Any, captured: str) -> None:
    assert (
        only(flattened(POST) | {"__twarc": {"retrieved_at": stamp}}).captured
        == captured
    )


@pytest.mark.parametrize(
    "stamp", [None, "1678895599000", 1e300, 10**30, -(10**18), True]
)
def test_a_stamp_that_cannot_be_leaves_a_record_undated(stamp: Any) -> None:
    assert only(zeeschuimer(POST) | {"timestamp_collected": stamp}).captured < HOUR


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        place
        for key, inner in items
        for place in [(*at, key), *_places(inner, (*at, key))]
    ]


@given(data=st.data(), kind=st.sampled_from(KINDS), strange=JSON)
@settings(max_examples=150, deadline=None)
def test_a_strange_value_anywhere_is_read_or_told_and_nothing_nested_passes(
    data: st.DataObject, kind: str, strange: Any
) -> None:
    (line,) = copy.deepcopy(archive(kind, [POST]))
    *path, last = data.draw(st.sampled_from(_places(line)))
    spot: Any = line
    for key in path:
        spot = spot[key]
    spot[last] = strange
    for found in archived_posts(line):
        if isinstance(found, Record):
            assert found.id.isascii() and found.id.isdigit()
            assert _depth([found.post, *found.media, found.user]) <= 6
            assert all(isinstance(one["media_key"], str) for one in found.media)


def _depth(value: Any) -> int:
    inner = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else ()
    )
    return 1 + max(map(_depth, inner), default=0)


@given(value=JSON)
@settings(max_examples=100, deadline=None)
def test_no_value_of_any_shape_raises(value: Any) -> None:
    assert all(isinstance(found, Record | str) for found in archived_posts(value))


def test_4cat_and_zeeschuimer_agree() -> None:
    assert only(fourcat(POST)) == only(zeeschuimer(POST))
    row: Row = POST["media"][0]
    assert (
        only(fourcat(POST)).media[0]["url"]
        == row["url"]
        == url(int(row["media_key"].split("_")[1]))
    )
