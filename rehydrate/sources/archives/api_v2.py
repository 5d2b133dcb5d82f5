"""Pages and posts of API v2 in archives, reduced to the fields that are used. Pure.

X leaves `attachments` out of posts without media, and out of all where nobody asked for it. Which it is, the address of
the request says (twarc stores it), or another post of the same request.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from twigma.rehydrate.ids.post_id import why_bad
from twigma.rehydrate.posts.page_content import dicts, media_keys
from twigma.rehydrate.sources.archives.legacy_formats import (
    Row,
    author_of,
    inner,
    scalars,
)
from twigma.rehydrate.sources.archives.record import Record, make_record

POST = ("text", "author_id", "created_at", "possibly_sensitive")
HISTORY = ("edit_history_tweet_ids", "edit_history_post_ids")
NOTES = ("note_tweet", "note_post")
REFERENCES = ("referenced_tweets", "referenced_posts")
ORIGINALS = ("quoted", "retweeted", "reposted")
MEDIA = ("media_key", "type", "url", "width", "height")
ERROR = ("title", "type", "detail", "parameter", "value", "resource_id")
# Fields that every post has, where they were asked for.
ALWAYS = frozenset(
    [
        "author_id",
        "conversation_id",
        "created_at",
        "edit_history_tweet_ids",
        "lang",
        "possibly_sensitive",
        "public_metrics",
        "reply_settings",
        "source",
    ]
)


def page_posts(page: Row, captured: str) -> Iterator[Record | str]:
    """The posts of a page, those that X did not answer, and those quoted or repeated whose photos are on it."""
    includes = page.get("includes")
    media = {str(one.get("media_key")): one for one in dicts(includes, "media")}
    users = {str(one.get("id")): one for one in dicts(includes, "users")}
    for error in dicts(page.get("errors")):
        name = str(error.get("value", error.get("resource_id")))
        if error.get("parameter", "ids") == "ids" and not why_bad(name):
            yield Record(name, captured, None, error=scalars(error, ERROR))
    data = page.get("data", [])
    posts = data if isinstance(data, list) else [data]
    asked = asked_fields(posts)
    if media or _asks_for_media(page):
        asked |= {_always(post) for post in posts if isinstance(post, dict)}
    originals: set[Any] = set()
    for post in posts:
        if not isinstance(post, dict):
            yield f"expected a post, found {type(post).__name__}"
            continue
        attached = [media[key] for key in media_keys(post) if key in media]
        author = users.get(str(post.get("author_id")))
        yield read_v2(post, captured, attached, author, asked)
        originals |= _original_ids(post)
    included = dicts(includes, "tweets") + dicts(includes, "posts")
    for post in included:
        attached = [media[key] for key in media_keys(post) if key in media]
        if not attached or post.get("id") not in originals:
            continue
        author = users.get(str(post.get("author_id")))
        record = read_v2(post, captured, attached, author, asked)
        if isinstance(record, Record):
            yield record


def read_v2(
    post: Row,
    captured: str,
    media: list[Row],
    author: Any,
    asked: frozenset[frozenset[str]] = frozenset(),
) -> Record | str:
    """A post of API v2; `asked` as `asked_fields` returns it."""
    if "text" not in post:
        names = ", ".join(str(name)[:20] for name in list(post)[:6])
        return f"no post: expected an id and a text, found fields {names}"
    # Archives hold much more (places, polls, annotations); what is not stored cannot leak.
    chosen = scalars(post, POST)
    chosen["public_metrics"] = scalars(inner(post, "public_metrics"))
    if isinstance(post.get("entities"), dict):
        chosen["entities"] = _tags(post)
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
    record = make_record(post.get("id"), captured, chosen, chosen_media, user)
    if isinstance(record, str) or record.post is None:
        return record
    keys = media_keys(post) or record.post["attachments"]["media_keys"]
    if keys or "attachments" in post or _says_no_media(post, asked):
        record.post["attachments"] = {"media_keys": keys}
    else:
        del record.post["attachments"]
    return record


def expanded_media(post: Row) -> list[Row]:
    """The media in a flattened post: objects beside the keys (twarc) or in their place (4CAT)."""
    attachments = post.get("attachments")
    media = dicts(attachments, "media") or dicts(attachments, "media_keys")
    return [one for one in media if isinstance(one.get("media_key"), str)]


def asked_fields(posts: Iterable[Any]) -> frozenset[frozenset[str]]:
    """Of posts with `attachments`, which of the fields they have that every post has.

    Another post with the same of these was asked for in the same way: without `attachments` it has no media.
    """
    asked: set[frozenset[str]] = set()
    for post in posts:
        if isinstance(post, dict) and isinstance(post.get("attachments"), dict):
            asked.add(_always(post))
    return frozenset(asked)


def _always(post: Row) -> frozenset[str]:
    return ALWAYS.intersection(post)


def _says_no_media(post: Row, asked: frozenset[frozenset[str]]) -> bool:
    """Whether a post without `attachments` has no media, and does not merely lack the field."""
    is_by_4cat = "author_user" in post  # it always asks for all fields
    return is_by_4cat or _asks_for_media(post) or _always(post) in asked


def _asks_for_media(value: Row) -> bool:
    """Whether the request of a page or post asked for its media; twarc stores its address."""
    url = inner(value, "__twarc").get("url")
    if not isinstance(url, str):
        return False
    query = parse_qs(url.partition("?")[2])
    lists = [*query.get("tweet.fields", []), *query.get("expansions", [])]
    names = ",".join(lists).split(",")
    return "attachments" in names or "attachments.media_keys" in names


def _original_ids(post: Row) -> set[Any]:
    """The ids of the posts that a post quotes or repeats."""
    ids: set[Any] = set()
    for name in REFERENCES:
        for one in dicts(post.get(name)):
            if one.get("type") in ORIGINALS and isinstance(one.get("id"), str):
                ids.add(one["id"])
    return ids


def _tags(row: Row) -> Row:
    tags = dicts(row.get("entities"), "hashtags")
    return {"hashtags": [scalars(tag, ("tag",)) for tag in tags]}
