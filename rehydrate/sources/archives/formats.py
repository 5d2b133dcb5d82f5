"""The posts on a line of an archive, whatever tool wrote it, in the shape of API v2. Pure.

Recognised by content: pages of API v2 and flattened posts (twarc, 4CAT), posts of API v1.1 and of its streams, and what
Zeeschuimer records of X's website, alone or as 4CAT stores it. `twigma import` reads archives with it.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from twigma.rehydrate.ids.post_id import why_bad
from twigma.rehydrate.posts.page_content import dicts, media_keys
from twigma.rehydrate.posts.page_store import utc_text
from twigma.rehydrate.sources.archives.legacy_formats import (
    Row,
    author_of,
    id_text,
    inner,
    scalars,
    v1_media,
    v1_post,
    v1_user,
    web_post,
    web_user,
)

# When a record was captured that does not say so: before any other.
UNDATED = "0001-01-01T00:00:00.000000Z"
SITES = ("twitter.com", "x.com")
GONE = {
    "title": "Not Found Error",
    "type": "https://api.x.com/2/problems/resource-not-found",
    "parameter": "ids",
}
POST = ("text", "author_id", "created_at", "possibly_sensitive")
HISTORY = ("edit_history_tweet_ids", "edit_history_post_ids")
NOTES = ("note_tweet", "note_post")
REFERENCES = ("referenced_tweets", "referenced_posts")
MEDIA = ("media_key", "type", "url", "width", "height")
ERROR = ("title", "type", "detail", "parameter", "value", "resource_id")
PAGE_MARKS = ("data", "errors", "includes", "meta")
V1_MARKS = ("id_str", "full_text", "favorite_count", "user", "extended_tweet")


class Record(NamedTuple):
    """One post as captured at a time: in the shape of v2 with its media and author, or the error that it is gone."""

    id: str
    captured: str
    post: Row | None
    media: Sequence[Row] = ()
    user: Row | None = None
    error: Row | None = None

    @property
    def counts_followers(self) -> bool:
        """Whether it says how many followers the author has."""
        return self.user is not None


def archived_posts(value: Any, captured: str = UNDATED) -> Iterator[Record | str]:
    """Every post of a JSON value from an archive; for what is not a post, a text that says why.

    `captured` is when the value around it was captured; to the hour, so that many posts share a page.
    """
    if isinstance(value, list):
        for item in value:
            yield from archived_posts(item, captured)
    elif not isinstance(value, dict):
        yield f"expected a JSON object, found {type(value).__name__}"
    else:
        yield from _object(value, max(captured, _captured(value)))


def _object(value: Row, captured: str) -> Iterator[Record | str]:
    """The posts of one JSON object: which tool wrote it is recognised by its fields, the most specific first."""
    site = _site(value)
    if site not in SITES:
        yield f"from {str(site)[:40]}, not from X"
    elif "source_platform" in value:  # Zeeschuimer; 4CAT unwraps it
        yield from archived_posts(value.get("data"), captured)
    elif isinstance(value.get("delete"), dict):
        yield _deletion(inner(value, "delete", "status"), captured)
    elif "legacy" in value:
        yield _web(value, captured)
    elif isinstance(value.get("tweet"), dict):
        # A post shown with a warning, or one in an account's own archive.
        yield from archived_posts(value["tweet"], captured)
    elif isinstance(value.get("statuses"), list):
        yield from archived_posts(value["statuses"], captured)
    elif any(mark in value for mark in PAGE_MARKS):
        yield from _page(value, captured)
    elif any(mark in value for mark in V1_MARKS):
        yield _v1(value, captured)
    else:
        author = value.get("author") or value.get("author_user")
        yield _v2(value, captured, _expanded_media(value), author)


def _site(value: Row) -> Any:
    """The website a record is from; X where it does not say."""
    origin = inner(value, "__import_meta")
    default = origin.get("source_platform", SITES[0])
    return value.get("source_platform", default)


def _captured(value: Row) -> str:
    """When a record was captured, to the hour."""
    stamp = inner(value, "__twarc").get("retrieved_at")
    origin = inner(value, "__import_meta")
    default = origin.get("timestamp_collected")
    milliseconds = value.get("timestamp_collected", default)
    try:
        if isinstance(stamp, str):
            time = datetime.datetime.fromisoformat(stamp)
            if not time.tzinfo:  # without a time zone it is taken as UTC
                time = time.replace(tzinfo=datetime.UTC)
        elif isinstance(milliseconds, int):
            time = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
        else:
            return UNDATED
        return utc_text(time.replace(minute=0, second=0, microsecond=0))
    except (ValueError, OverflowError, OSError):
        return UNDATED


# ------------------------------------------------------------------- shapes


def _page(page: Row, captured: str) -> Iterator[Record | str]:
    """A page of API v2; a stream has one post a page."""
    includes = page.get("includes")
    media = {str(one.get("media_key")): one for one in dicts(includes, "media")}
    users = {str(one.get("id")): one for one in dicts(includes, "users")}
    for error in dicts(page.get("errors")):
        name = str(error.get("value", error.get("resource_id")))
        if error.get("parameter", "ids") == "ids" and not why_bad(name):
            yield Record(name, captured, None, error=scalars(error, ERROR))
    data = page.get("data", [])
    posts = data if isinstance(data, list) else [data]
    for post in posts:
        if isinstance(post, dict):
            attached = [media[key] for key in media_keys(post) if key in media]
            yield _v2(post, captured, attached, users.get(str(post.get("author_id"))))
        else:
            yield f"expected a post, found {type(post).__name__}"


def _v2(post: Row, captured: str, media: list[Row], author: Any) -> Record | str:
    """A post of API v2, reduced to the fields that are used."""
    if "text" not in post:
        return _no_post(post)
    # Archives hold much more (places, polls, annotations); what is not stored cannot leak.
    chosen = scalars(post, POST)
    chosen["public_metrics"] = scalars(inner(post, "public_metrics"))
    chosen["entities"] = _tags(post)
    keys = media_keys(post) or [one["media_key"] for one in media]
    chosen["attachments"] = {"media_keys": keys}
    for name in HISTORY:
        if isinstance(post.get(name), list):
            chosen[name] = [str(one) for one in post[name]]
    for name in NOTES:
        note = inner(post, name)
        if note:
            chosen[name] = {**scalars(note, ("text",)), "entities": _tags(note)}
    for name in REFERENCES:
        if name in post:
            chosen[name] = [scalars(one, ("type", "id")) for one in dicts(post, name)]
    followers = inner(author, "public_metrics").get("followers_count")
    user = author_of(inner(author).get("id"), followers)
    chosen_media = [scalars(one, MEDIA) for one in media]
    return _record(post.get("id"), captured, chosen, chosen_media, user)


def _expanded_media(post: Row) -> list[Row]:
    """The media in a flattened post: objects beside the keys (twarc) or in their place (4CAT)."""
    attachments = post.get("attachments")
    media = dicts(attachments, "media") or dicts(attachments, "media_keys")
    return [one for one in media if isinstance(one.get("media_key"), str)]


def _v1(tweet: Row, captured: str) -> Record | str:
    if "text" not in tweet and "full_text" not in tweet:
        return _no_post(tweet)
    name = id_text(tweet) or tweet.get("id")
    user = v1_user(inner(tweet, "user"))
    return _record(name, captured, v1_post(tweet), v1_media(tweet), user)


def _web(result: Row, captured: str) -> Record | str:
    """A post of X's website; `id` and `item_id` went through a float there, `rest_id` did not."""
    legacy = inner(result, "legacy")
    if "full_text" not in legacy:
        return _no_post(legacy or result)
    name = result.get("rest_id") or legacy.get("id_str")
    return _record(name, captured, web_post(result), v1_media(legacy), web_user(result))


def _deletion(status: Row, captured: str) -> Record | str:
    """A notice in a stream that a post was deleted."""
    name = id_text(status) or ""
    if why_bad(name):
        return "a deletion without id"
    return Record(name, captured, None, error={**GONE, "value": name})


def _record(
    name: Any, captured: str, post: Row, media: list[Row], user: Row | None
) -> Record | str:
    # A float stays text here, so that the reason can say that its digits are lost.
    name = str(name) if isinstance(name, str | int | float) else ""
    reason = why_bad(name)
    if reason:
        return f"post id {name[:40]!r}: {reason}"
    keys = [one["media_key"] for one in media]
    identified = {"id": name, "attachments": {"media_keys": keys}, **post}
    return Record(name, captured, identified, media, user)


def _tags(row: Row) -> Row:
    tags = dicts(row.get("entities"), "hashtags")
    return {"hashtags": [scalars(tag, ("tag",)) for tag in tags]}


def _no_post(value: Row) -> str:
    names = ", ".join(str(name)[:20] for name in list(value)[:6])
    fields = f"fields {names}" if names else "nothing"
    return f"no post: expected an id and a text, found {fields}"
