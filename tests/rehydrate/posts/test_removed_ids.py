"""What was removed is told by hashes, and pages are stripped of it: checked against brute force over whole answers."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twigma.rehydrate.posts.removed_ids import (
    add_removed,
    hash_of,
    read_removed,
    strip_answer,
)


def post(number, media=(), author="9"):
    found = {
        "id": str(number),
        "author_id": author,
        "edit_history_tweet_ids": [str(number)],
    }
    return found | (
        {"attachments": {"media_keys": [f"3_{m}" for m in media]}} if media else {}
    )


ANSWER = {
    "data": [
        post(1, (11, 12), "7"),
        post(2, (11,), "8"),
        post(3) | {"referenced_tweets": [{"type": "quoted", "id": "1"}]},
    ],
    "includes": {
        "media": [{"media_key": f"3_{m}", "type": "photo"} for m in (11, 12)],
        "users": [{"id": user} for user in ("7", "8", "9")],
        "tweets": [post(1, (), "7"), post(5, (), "6")],
    },
    "errors": [{"value": "4", "resource_id": "4", "parameter": "ids"}],
    "meta": {"newest_id": "3", "oldest_id": "1", "result_count": 3},
}


def holds(value, names):
    """Whether an id stands anywhere in a value, whole or behind the prefix of a media key."""
    return any(
        f'"{name}"' in json.dumps(value) or f'_{name}"' in json.dumps(value)
        for name in names
    )


@given(st.sets(st.sampled_from(["1", "2", "3", "4", "11", "12"])))
def test_nothing_removed_is_left_and_everything_else_is(names):
    removed = _removed(names)
    found = strip_answer(ANSWER, removed)
    assert not holds(found, names)
    kept = [one["id"] for one in ANSWER["data"] if one["id"] not in names]
    assert [one["id"] for one in found["data"]] == kept
    shown = {
        key
        for one in found["data"]
        for key in one.get("attachments", {}).get("media_keys", [])
    }
    assert {one["media_key"] for one in found["includes"]["media"]} == shown
    authors = {
        one["author_id"] for one in (*found["data"], *found["includes"]["tweets"])
    }
    assert {one["id"] for one in found["includes"]["users"]} == authors & {
        "7",
        "8",
        "9",
    }


def test_a_post_is_known_by_every_id_it_has_had():
    edited = {"data": [post(6) | {"edit_history_tweet_ids": ["5", "6"]}]}
    assert strip_answer(edited, _removed({"5"}))["data"] == []


def test_without_removals_an_answer_is_as_it_was():
    assert strip_answer(ANSWER, _removed(set())) == ANSWER


def test_the_file_holds_hashes_and_one_salt(tmp_path):
    first = add_removed(tmp_path, ["1", "2"])
    second = add_removed(tmp_path, ["2", "3"])
    assert second.salt == first.salt and len(second.hashes) == 3
    text = (tmp_path / "removed.json").read_text()
    assert not any(f'"{name}"' in text for name in "123")
    found = read_removed(tmp_path)
    assert (
        found == second
        and found.holds("3")
        and not found.holds("4")
        and not found.holds(None)
    )
    assert found.mask(pa.array(["1", None, "4"])).to_pylist() == [True, False, False]
    assert add_removed(tmp_path / "other", ["1"]).hashes != first.hashes


def test_a_damaged_file_stops_everything(tmp_path):
    (tmp_path / "removed.json").write_text('{"salt": "a"}')
    with pytest.raises(ValueError, match=r"removed\.json is damaged.*restore it"):
        read_removed(tmp_path)


def _removed(names):
    from twigma.rehydrate.posts.removed_ids import Removed

    return Removed("s", frozenset(hash_of("s", name) for name in names))
