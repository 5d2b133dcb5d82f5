"""What an answer of the X API says: the outcome of every id asked, the ids and media of a post, what is missing.

Answers come from outside: whatever has another shape than expected reads as empty. The ledger and the parser of pages,
behind `twigma rehydrate` and `twigma collect`, share this reading. When it changes, raise `parse_pages.REVISION`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

OUTCOMES = ("found", "not_found", "unauthorized", "suspended", "absent")
# A post that was found in archives which do not say whether it has photos: a look-up would.
PHOTOS_UNKNOWN = "photos_unknown"
ASKED_FIELDS = ("id", "text", "created_at", "public_metrics", "possibly_sensitive")


def outcomes(asked: Sequence[str], answer: Mapping[str, Any]) -> dict[str, str]:
    """What a look-up answered to each asked id: found, not_found, unauthorized, suspended, or absent from the answer.

    A post answers for every id of its edit history. Of the errors only those about `ids` count.
    """
    answered: dict[str, str] = {}
    for error in dicts(answer.get("errors")):
        if error.get("parameter", "ids") == "ids":
            name = str(error.get("value", error.get("resource_id")))
            answered[name] = _outcome(error)
    for post in dicts(answer.get("data")):
        answered.update(dict.fromkeys(versions(post), "found"))
    return {post: answered.get(post, "absent") for post in asked}


def versions(post: Mapping[str, Any]) -> list[str]:
    """Every id a post has had: its own first, then those of its edit history, in either dialect."""
    # X may answer with another version than the one that was asked for.
    history = post.get("edit_history_tweet_ids") or post.get("edit_history_post_ids")
    if not isinstance(history, list):
        history = []
    return [str(post.get("id")), *map(str, history)]


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


def _outcome(error: Mapping[str, Any]) -> str:
    """Class of an error; the last part of `type` with `title`, since a suspension bears the type of a deletion."""
    kind = str(error.get("type")).rsplit("/", 1)[-1]
    title = error.get("title")
    if title == "Forbidden":
        return "suspended"
    if kind == "not-authorized-for-resource" or title == "Authorization Error":
        return "unauthorized"
    if kind == "resource-not-found" or title == "Not Found Error":
        return "not_found"
    return "absent"
