"""What an answer of the X API says: the outcome of every id asked, the ids and media of a post, what is missing.

Answers come from outside: whatever has another shape than expected reads as empty. The ledger and the posts parser,
behind `twigma rehydrate` and `twigma collect`, share this reading.
"""

from collections.abc import Mapping, Sequence
from typing import Any

OUTCOMES = ("found", "not_found", "unauthorized", "suspended", "absent")


def outcomes(asked: Sequence[str], answer: Mapping[str, Any]) -> dict[str, str]:
    """What a look-up answered to each asked id: found, not_found, unauthorized, suspended, or absent from the answer.

    A post answers for every id of its edit history. Of the errors only those about `ids` count.
    """
    said = {}
    for error in dicts(answer.get("errors")):
        if error.get("parameter", "ids") == "ids":
            said[str(error.get("value", error.get("resource_id")))] = _outcome(error)
    for post in dicts(answer.get("data")):
        said |= dict.fromkeys(versions(post), "found")
    return {post: said.get(post, "absent") for post in asked}


def versions(post: Mapping[str, Any]) -> list[str]:
    """Every id a post has had: its own first, then those of its edit history, in either dialect."""
    history = post.get("edit_history_tweet_ids") or post.get("edit_history_post_ids")
    return [
        str(post.get("id")),
        *map(str, history if isinstance(history, list) else []),
    ]


def dicts(value: Any, key: str | None = None) -> list[dict[str, Any]]:
    """The objects in a list of an answer, or in `value[key]`; an empty list where the answer has something else."""
    if key is not None:
        value = value.get(key) if isinstance(value, dict) else None
    return (
        [item for item in value if isinstance(item, dict)]
        if isinstance(value, list)
        else []
    )


def media_keys(post: Mapping[str, Any]) -> list[str]:
    """The media keys of a post, each once, in order."""
    attachments = post.get("attachments")
    keys = attachments.get("media_keys") if isinstance(attachments, dict) else None
    return (
        list(dict.fromkeys(key for key in keys if isinstance(key, str)))
        if isinstance(keys, list)
        else []
    )


def missing_fields(answer: Mapping[str, Any], followers: bool = False) -> list[str]:
    """Fields that no post, photo or author of a page has, though they were asked for: X drops names it does not know.

    `followers` says that the authors were asked for too.
    """
    found = dicts(answer.get("data"))
    photos = [
        media
        for media in dicts(answer.get("includes"), "media")
        if media.get("type") == "photo"
    ]
    users = dicts(answer.get("includes"), "users")
    wanted = (
        "id",
        "text",
        "created_at",
        "public_metrics",
        "possibly_sensitive",
        *["author_id"] * followers,
    )
    missing = [
        name for name in wanted if found and not any(name in post for post in found)
    ]
    missing += [
        f"media.{name}"
        for name in ("media_key", "url")
        if photos and not any(name in one for one in photos)
    ]
    attached = any(media_keys(post) for post in found)
    missing += (
        ["includes.media"]
        if attached and not dicts(answer.get("includes"), "media")
        else []
    )
    counted = any("public_metrics" in user for user in users)
    return missing + (
        ["user.public_metrics"] if followers and found and not counted else []
    )


def _outcome(error: Mapping[str, Any]) -> str:
    """Class of an error; the last part of `type` with `title`, since a suspension bears the type of a deletion."""
    kind, title = str(error.get("type")).rsplit("/", 1)[-1], error.get("title")
    if title == "Forbidden":
        return "suspended"
    if kind == "not-authorized-for-resource" or title == "Authorization Error":
        return "unauthorized"
    return (
        "not_found"
        if kind == "resource-not-found" or title == "Not Found Error"
        else "absent"
    )
