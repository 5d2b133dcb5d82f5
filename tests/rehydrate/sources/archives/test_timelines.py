"""Answers of X's website, posts inside other posts, messages, and when Zeeschuimer last saw a post."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.archived import Row, fourcat, post, twarc_page, v1, web, write, zeeschuimer

from twigma.rehydrate.sources.archives.formats import archived_posts
from twigma.rehydrate.sources.archives.import_archives import import_archives
from twigma.rehydrate.sources.archives.record import Record

ONE, TWO, ORIGINAL = post(1), post(2), post(5, photos=3)


def read(value: Any) -> list[Record]:
    found = list(archived_posts(value))
    assert all(isinstance(one, Record) for one in found), found
    return [one for one in found if isinstance(one, Record)]


def entry(result: Row) -> Row:
    content = {
        "itemType": "TimelineTweet",
        "__typename": "TimelineTweet",
        "tweet_results": {"result": result},
    }
    return {"entryId": "tweet-1", "content": {"itemContent": content}}


def timeline(*results: Row) -> Row:
    """An answer of the website's GraphQL: entries, a conversation, and cursors without a post."""
    *first, last = results
    conversation = {
        "entryId": "conversation-1",
        "content": {
            "__typename": "TimelineTimelineModule",
            "items": [{"item": entry(last)["content"]}],
        },
    }
    cursor = {"entryId": "cursor-bottom-1", "content": {"value": "abc"}}
    entries = [*map(entry, first), conversation, cursor]
    instructions = [
        {"type": "TimelineClearCache"},
        {"type": "TimelineAddEntries", "entries": entries},
    ]
    inner = {"search_timeline": {"timeline": {"instructions": instructions}}}
    return {"data": {"search_by_raw_query": inner}}


LIMITED = {"__typename": "TweetWithVisibilityResults", "tweet": web(TWO)}
GONE = {"__typename": "TweetTombstone", "tombstone": {"text": {"text": "gone"}}}
ANSWER = timeline(web(ONE), GONE, LIMITED)


def test_the_posts_of_a_bare_answer_of_the_website() -> None:
    expected = [*read(web(ONE)), *read(web(TWO))]
    assert read(ANSWER) == expected
    assert read(ANSWER["data"]) == expected


def test_the_posts_of_an_answer_that_zeeschuimer_wraps() -> None:
    wrapped = zeeschuimer(ONE) | {"data": ANSWER}
    records = read(wrapped)
    assert [one.id for one in records] == [ONE["id"], TWO["id"]]
    assert {one.captured for one in records} == {"2023-03-15T15:00:00.000000Z"}


def test_the_posts_of_the_older_answers_have_their_authors() -> None:
    def stored(one: Row) -> Row:
        tweet = v1(one)
        del tweet["user"]
        return tweet | {"user_id_str": one["author_id"]}

    users = {one["author_id"]: v1(one)["user"] for one in (ONE, TWO)}
    tweets = {one["id"]: stored(one) for one in (ONE, TWO)}
    answer = {"globalObjects": {"tweets": tweets, "users": users}, "timeline": {}}
    assert read(answer) == [*read(v1(ONE)), *read(v1(TWO))]


def test_an_answer_without_posts_is_listed() -> None:
    (reason,) = archived_posts({"data": {"viewer": {"id": "1"}}})
    assert reason == "no post: expected an id and a text, found fields data"


# ---------------------------------------------------------------- originals


def inside(kind: str, relation: str) -> Row:
    """A post without a photo that quotes or repeats ORIGINAL, as each kind of archive has it."""
    outer = post(7, photos=0)
    reference = {"type": relation, "id": ORIGINAL["id"]}
    if kind == "twarc pages":
        page = twarc_page(outer | {"referenced_tweets": [reference]})
        beside = twarc_page(ORIGINAL, post(8))  # the other is what it answers to
        page["includes"]["tweets"] = beside["data"]
        for name in ("media", "users"):
            page["includes"][name] += beside["includes"][name]
        return page
    if kind == "twarc flattened":
        original = {**ORIGINAL, "attachments": {"media": ORIGINAL["media"]}}
        return outer | {"referenced_tweets": [original | reference]}
    name = f"{relation}_status"
    if kind == "v1.1":
        return v1(outer) | {name: v1(ORIGINAL)}
    result = web(outer)
    place = result if relation == "quoted" else result["legacy"]
    place[f"{name}_result"] = {"result": {"tweet": web(ORIGINAL)}}
    return result


@pytest.mark.parametrize("relation", ["quoted", "retweeted"])
@pytest.mark.parametrize("kind", ["twarc pages", "twarc flattened", "v1.1", "website"])
def test_photos_of_a_quoted_or_reposted_original_are_rows_of_the_original(
    kind: str, relation: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.jsonl", [inside(kind, relation)])
    result = import_archives(tmp_path / "w", [file])
    table = pq.read_table(tmp_path / "w/images.parquet").to_pylist()
    assert [row["id"] for row in table] == [ORIGINAL["id"]] * 3
    assert {row["author_id"] for row in table} == {ORIGINAL["author_id"]}
    assert {row["like_count"] for row in table} == {15}
    counted = {row["reason"]: row["count"] for row in result.skipped.to_pylist()}
    outer = "no media" if relation == "quoted" else "retweet"
    assert counted == {"photo": 3, "with photos": 1, outer: 1}


# ---------------------------------------------------------------- messages

ID = ONE["id"]
MESSAGES: dict[str, Row] = {
    "v1.1, before 2018": {
        "id_str": ID,
        "text": "hello",
        "sender": {"id_str": "1"},
        "recipient": {"id_str": "2"},
    },
    "v1.1": {"type": "message_create", "id": ID, "message_create": {"target": {}}},
    "v2": {"id": ID, "text": "hello", "event_type": "MessageCreate"},
    "a page of v2": {
        "data": [{"id": ID, "text": "hello", "event_type": "MessageCreate"}],
        "meta": {"result_count": 1},
    },
    "an account's archive": {"dmConversation": {"messages": [{}]}},
    "the website": {"id": ID, "text": "x", "conversation_id": "1-2", "recipient_id": 2},
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_direct_message_is_no_post(kind: str) -> None:
    assert list(archived_posts(MESSAGES[kind])) == ["a direct message, no post"]


# ------------------------------------------------------------ Zeeschuimer


@pytest.mark.parametrize("shape", ["Zeeschuimer", "4CAT"])
def test_the_data_that_zeeschuimer_replaced_last_count(
    shape: str, tmp_path: Path
) -> None:
    def line(likes: int, **stamps: Any) -> Row:
        one = ONE | {"public_metrics": {**ONE["public_metrics"], "like_count": likes}}
        if shape == "Zeeschuimer":
            return zeeschuimer(one) | stamps
        item = fourcat(one)
        item["__import_meta"] |= stamps
        return item

    day = 86_400_000
    first = line(1)
    stamp = zeeschuimer(ONE)["timestamp_collected"]
    newest = line(3, last_updated=stamp + 2 * day)
    other = line(2, timestamp_collected=stamp + day, last_updated=None)
    for n, lines in enumerate([(newest, other, first), (other, first, newest)]):
        files = [
            write(tmp_path / f"{n}-{at}.ndjson", [one]) for at, one in enumerate(lines)
        ]
        import_archives(tmp_path / str(n), files)
        table = pq.read_table(tmp_path / str(n) / "images.parquet")
        assert table["like_count"].to_pylist() == [3]
    assert json.dumps(newest).count("last_updated") == 1
