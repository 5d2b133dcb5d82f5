"""The posts in a JSON value of an archive, whatever tool wrote it, in the shape of API v2. Pure.

Recognised by content: pages of API v2 and flattened posts (twarc, 4CAT, academictwitteR), posts of API v1.1 and of its
streams, answers of X's website as they are or as Zeeschuimer and 4CAT record them, and posts of snscrape. `twigma
import` reads archives with it.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from twigma.rehydrate.ids.post_id import why_bad
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.posts.page_store import utc_text
from twigma.rehydrate.sources.archives.api_v2 import (
    ORIGINALS,
    REFERENCES,
    asked_fields,
    expanded_media,
    page_posts,
    read_v2,
)
from twigma.rehydrate.sources.archives.legacy_formats import (
    Row,
    id_text,
    inner,
    v1_media,
    v1_originals,
    v1_post,
    v1_user,
    web_originals,
    web_post,
    web_results,
    web_user,
)
from twigma.rehydrate.sources.archives.record import UNDATED, Record, make_record
from twigma.rehydrate.sources.archives.snscrape import (
    is_snscrape,
    read_snscrape,
    snscrape_originals,
)

SITES = ("twitter.com", "x.com")
GONE = {
    "title": "Not Found Error",
    "type": "https://api.x.com/2/problems/resource-not-found",
    "parameter": "ids",
}
PAGE_MARKS = ("data", "errors", "includes", "meta")
V1_MARKS = ("id_str", "full_text", "favorite_count", "user", "extended_tweet")
# Fields of a direct message, in the API's versions and in an account's own archive.
MESSAGE_MARKS = (
    "event_type",
    "dm_conversation_id",
    "dmConversation",
    "direct_message",
    "message_create",
    "message_data",
    "messageCreate",
    "recipient",
    "recipientId",
    "recipient_id",
)


def archived_posts(value: Any, captured: str = UNDATED) -> Iterator[Record | str]:
    """Every post of a JSON value from an archive, with the photos of the posts that it quotes or repeats.

    For what is not a post, a text that says why. `captured` is when the value around it was captured; to the hour, so
    that many posts share a page.
    """
    if isinstance(value, list):
        # academictwitteR stores the posts of a page as a list.
        asked = asked_fields(value)
        for item in value:
            if isinstance(item, dict):
                yield from _object(item, max(captured, _captured(item)), asked)
            else:
                yield from archived_posts(item, captured)
    elif not isinstance(value, dict):
        yield f"expected a JSON object, found {type(value).__name__}"
    else:
        yield from _object(value, max(captured, _captured(value)))


def _object(
    value: Row, captured: str, asked: frozenset[frozenset[str]] = frozenset()
) -> Iterator[Record | str]:
    """The posts of one JSON object: which tool wrote it is recognised by its fields, the most specific first."""
    site = _site(value)
    inside = _wrapped(value)
    if site not in SITES:
        yield f"from {str(site)[:40]}, not from X"
    elif inside is not None:
        yield from archived_posts(inside, captured)
    elif isinstance(value.get("delete"), dict):
        yield _deletion(inner(value, "delete", "status"), captured)
    elif any(mark in value for mark in MESSAGE_MARKS):
        yield "a direct message, no post"
    elif "legacy" in value:
        yield from _web(value, captured)
    elif is_snscrape(value):
        yield from _snscrape(value, captured)
    elif _is_page(value):
        yield from _page(value, captured)
    elif not any(name in value for name in ("text", "full_text", "extended_tweet")):
        yield from _timeline(value, captured)
    elif any(mark in value for mark in V1_MARKS):
        yield from _v1(value, captured)
    else:
        yield from _v2(value, captured, asked)


def _wrapped(value: Row) -> Any:
    """What a record is around; None where it is none of those that only wrap others."""
    if "source_platform" in value:  # Zeeschuimer; 4CAT unwraps it
        return value.get("data", "")
    # A post shown with a warning, or one in an account's own archive.
    if isinstance(value.get("tweet"), dict) and "legacy" not in value:
        return value["tweet"]
    # A search of API v1.1.
    statuses = value.get("statuses")
    return statuses if isinstance(statuses, list) else None


def _site(value: Row) -> Any:
    """The website a record is from; X where it does not say."""
    origin = inner(value, "__import_meta")
    default = origin.get("source_platform", SITES[0])
    return value.get("source_platform", default)


def _captured(value: Row) -> str:
    """When a record was captured, to the hour."""
    stamp = inner(value, "__twarc").get("retrieved_at")
    try:
        if isinstance(stamp, str):
            time = datetime.datetime.fromisoformat(stamp)
            if not time.tzinfo:  # without a time zone it is taken as UTC
                time = time.replace(tzinfo=datetime.UTC)
        else:
            milliseconds = _collected(value) or _collected(
                inner(value, "__import_meta")
            )
            if milliseconds is None:
                return UNDATED
            time = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
        return utc_text(time.replace(minute=0, second=0, microsecond=0))
    except (ValueError, OverflowError, OSError):
        return UNDATED


def _collected(value: Row) -> int | None:
    """When Zeeschuimer recorded a post, or replaced its data by newer ones, in milliseconds since 1970."""
    stamps: list[int] = []
    for name in ("timestamp_collected", "last_updated"):
        stamp = value.get(name)
        if isinstance(stamp, int) and not isinstance(stamp, bool):
            stamps.append(stamp)
    return max(stamps, default=None)


# ------------------------------------------------------------------ shapes


def _is_page(value: Row) -> bool:
    """Whether a JSON object is a page of API v2; the website's answers have `data` too, without a post in it."""
    data = value.get("data")
    if isinstance(data, dict) and "id" not in data:
        return False
    return any(mark in value for mark in PAGE_MARKS)


def _page(page: Row, captured: str) -> Iterator[Record | str]:
    """A page of API v2; a stream has one post a page."""
    for post in dicts(page.get("data")):
        if any(mark in post for mark in MESSAGE_MARKS):
            yield "a direct message, no post"
            return
    yield from page_posts(page, captured)


def _v2(
    post: Row, captured: str, asked: frozenset[frozenset[str]]
) -> Iterator[Record | str]:
    """A flattened post of API v2."""
    author = post.get("author") or post.get("author_user")
    yield read_v2(post, captured, expanded_media(post), author, asked)
    for name in REFERENCES:
        for original in dicts(post.get(name)):
            if original.get("type") in ORIGINALS:
                yield from _with_photos(original, captured)


def _snscrape(value: Row, captured: str) -> Iterator[Record | str]:
    yield read_snscrape(value, captured)
    for original in snscrape_originals(value):
        yield from _with_photos(original, captured)


def _v1(tweet: Row, captured: str) -> Iterator[Record | str]:
    name = id_text(tweet) or tweet.get("id")
    user = v1_user(inner(tweet, "user"))
    yield make_record(name, captured, v1_post(tweet), v1_media(tweet), user)
    for original in v1_originals(tweet):
        yield from _with_photos(original, captured)


def _web(result: Row, captured: str) -> Iterator[Record | str]:
    """A post of X's website; `id` and `item_id` went through a float there, `rest_id` did not."""
    legacy = inner(result, "legacy")
    if "full_text" not in legacy:
        yield _no_post(legacy or result)
        return
    name = result.get("rest_id") or legacy.get("id_str")
    user = web_user(result)
    yield make_record(name, captured, web_post(result), v1_media(legacy), user)
    for original in web_originals(result):
        yield from _with_photos(original, captured)


def _timeline(value: Row, captured: str) -> Iterator[Record | str]:
    """The posts of an answer of X's website, or why there is none."""
    is_empty = True
    for result in web_results(value):
        is_empty = False
        yield from _web(result, captured)
    if is_empty:
        yield _no_post(value)


def _with_photos(original: Row, captured: str) -> Iterator[Record]:
    """A post that another one quotes or repeats, where its photos are there too: they belong to this one."""
    for found in _object(original, captured):
        if isinstance(found, Record) and found.media:
            yield found


def _deletion(status: Row, captured: str) -> Record | str:
    """A notice in a stream that a post was deleted."""
    name = id_text(status) or ""
    if why_bad(name):
        return "a deletion without id"
    return Record(name, captured, None, error={**GONE, "value": name})


def _no_post(value: Row) -> str:
    names = ", ".join(str(name)[:20] for name in list(value)[:6])
    fields = f"fields {names}" if names else "nothing"
    return f"no post: expected an id and a text, found {fields}"
