"""What an answer of the X API says: the outcome of every id asked, the ids and media of a post, what is missing.

Answers come from outside: whatever has another shape than expected reads as empty. The ledger and the parser of pages,
behind `twigma rehydrate` and `twigma collect`, share this reading. When it changes, raise `parse_pages.REVISION`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

PHOTOS_UNKNOWN = "photos_unknown"
OUTCOMES = (
    "found",
    PHOTOS_UNKNOWN,
    "not_found",
    "unauthorized",
    "suspended",
    "absent",
)
EXISTS = ("found", PHOTOS_UNKNOWN)  # outcomes of posts that are there
ASKED_FIELDS = ("id", "text", "created_at", "public_metrics", "possibly_sensitive")


def outcomes(
    asked: Sequence[str], answer: Mapping[str, Any], *, archived: bool = False
) -> dict[str, str]:
    """What a page says of each asked id, one of OUTCOMES; `archived` as for `shows_photos`.

    `absent` is in neither data nor errors, which says nothing of the post; `photos_unknown` is there, but the page does
    not show which photos it has. A post answers for every id of its edit history. Only errors about posts count.
    """
    answered: dict[str, str] = {}
    for error in dicts(answer.get("errors")):
        if _is_about_a_post(error):
            name = str(error.get("value", error.get("resource_id")))
            answered[name] = _outcome(error)
    media = shown_media(answer)
    for post in dicts(answer.get("data")):
        is_shown = shows_photos(post, media, archived=archived)
        outcome = "found" if is_shown else PHOTOS_UNKNOWN
        answered.update(dict.fromkeys(versions(post), outcome))
    return {post: answered.get(post, "absent") for post in asked}


def says_nothing(asked: Sequence[str], answer: Mapping[str, Any]) -> bool:
    """Whether an answer tells of none of the ids that were asked for, as `{}` does, or an error of the service."""
    return all(outcome == "absent" for outcome in outcomes(asked, answer).values())


def counts_posts(answer: Mapping[str, Any]) -> int | None:
    """How many posts a page of a search says that it has; None where it does not say, as no page of X does."""
    meta = answer.get("meta")
    count = meta.get("result_count") if isinstance(meta, dict) else None
    return count if isinstance(count, int) else None


def shown_media(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The media objects of an answer by key; for media that X names as gone, an object of type `unavailable`."""
    media: dict[str, dict[str, Any]] = {}
    for error in dicts(answer.get("errors")):
        if error.get("resource_type") == "media":
            key = str(error.get("resource_id", error.get("value")))
            media[key] = {"type": "unavailable"}
    for one in dicts(answer.get("includes"), "media"):
        media[str(one.get("media_key"))] = one
    return media


def shows_photos(
    post: Mapping[str, Any],
    media: Mapping[str, Mapping[str, Any]],
    *,
    archived: bool = False,
) -> bool:
    """Whether a page says of every medium of a post what it is, and of every photo where it is.

    `media` is what `shown_media` returns. X leaves `attachments` out of posts that have none. An archive may lack them
    because nobody asked for them, so in pages of archives (`archived`) a post without media has an empty list.
    """
    if is_retweet(post):  # it has no photos of its own
        return True
    if archived and "attachments" not in post:
        return False
    for key in media_keys(post):
        one = media.get(key)
        if one is None:
            return False
        is_photo = one.get("type") == "photo"
        if is_photo and not isinstance(one.get("url"), str):
            return False
    return True


def versions(post: Mapping[str, Any]) -> list[str]:
    """Every id a post has had: its own first, then those of its edit history, in either dialect."""
    # X may answer with another version than the one that was asked for.
    history = post.get("edit_history_tweet_ids") or post.get("edit_history_post_ids")
    if not isinstance(history, list):
        history = []
    return [str(post.get("id")), *map(str, history)]


def user_ids(answer: Mapping[str, Any]) -> set[str]:
    """The users that an answer about users tells of, in its data or its errors."""
    names = {str(user.get("id")) for user in dicts(answer.get("data"))}
    for error in dicts(answer.get("errors")):
        if error.get("parameter", "ids") == "ids":
            names.add(str(error.get("value", error.get("resource_id"))))
    return names


def dicts(value: Any, key: str | None = None) -> list[dict[str, Any]]:
    """The objects in a list of an answer, or in `value[key]`; an empty list where the answer has something else."""
    if key is not None:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def media_keys(post: Mapping[str, Any]) -> list[str]:
    """The media keys of a post, each once, in order."""
    attachments = post.get("attachments")
    keys = attachments.get("media_keys") if isinstance(attachments, dict) else None
    if not isinstance(keys, list):
        return []
    return list(dict.fromkeys(key for key in keys if isinstance(key, str)))


def is_retweet(post: Mapping[str, Any]) -> bool:
    """Whether a post only repeats another: by its references, or by the text that a retweet always has."""
    references = dicts(post.get("referenced_tweets"))
    references += dicts(post.get("referenced_posts"))
    if any(one.get("type") in ("retweeted", "reposted") for one in references):
        return True
    # The current dialect has no references unless they were asked for, which is billed.
    metrics = post.get("public_metrics")
    is_current = isinstance(metrics, dict) and "repost_count" in metrics
    if not is_current or "referenced_posts" in post:
        return False
    return re.match(r"RT @\w+: ", str(post.get("text"))) is not None


def is_archived(request: Mapping[str, Any]) -> bool:
    """Whether a page is of an archive, which has the fields that somebody else asked for; it names its file."""
    return "file" in request


def missing_fields(answer: Mapping[str, Any], followers: bool = False) -> list[str]:
    """Fields that no post, photo or author of a page has, though they were asked for: X drops names it does not know.

    `followers` says that the authors were asked for too.
    """
    # A field may be missing on one post for good reasons; on all of them it was not delivered.
    posts = dicts(answer.get("data"))
    media = dicts(answer.get("includes"), "media")
    users = dicts(answer.get("includes"), "users")
    photos = [one for one in media if one.get("type") == "photo"]
    fields = [*ASKED_FIELDS, "author_id"] if followers else ASKED_FIELDS

    missing = [name for name in fields if _all_lack(posts, name)]
    for name in ("media_key", "url"):
        if _all_lack(photos, name):
            missing.append(f"media.{name}")
    if not media and any(media_keys(post) for post in posts):
        missing.append("includes.media")
    has_metrics = any("public_metrics" in user for user in users)
    if followers and posts and not has_metrics:
        missing.append("user.public_metrics")
    return missing


def _all_lack(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether there are rows, and none has this field."""
    return bool(rows) and not any(name in row for row in rows)


def _is_about_a_post(error: Mapping[str, Any]) -> bool:
    """Whether a partial error is about an id that was asked for, and not about an author or a photo beside it."""
    if error.get("section") == "includes":
        return False
    parameter = error.get("parameter")
    if parameter is None:
        return error.get("resource_type") in (None, "tweet", "post")
    return bool(parameter == "ids")


def _outcome(error: Mapping[str, Any]) -> str:
    """Class of an error; the last part of `type` with `title`, since a suspension bears the type of a deletion."""
    kind = str(error.get("type")).rsplit("/", 1)[-1]
    title = error.get("title")
    if title == "Forbidden":
        return "suspended"
    if kind == "not-authorized-for-resource" or title == "Authorization Error":
        return "unauthorized"
    # An id that X refuses as impossible was never a post.
    if kind in ("resource-not-found", "invalid-request") or title == "Not Found Error":
        return "not_found"
    return "absent"
