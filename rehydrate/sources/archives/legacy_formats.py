"""Posts as X's API v1.1 and its website wrote them, in the shape of API v2. Pure.

The website's GraphQL answers (what Zeeschuimer records) hold the v1.1 post under `legacy`, with the author beside it.
`twigma import` uses it for archives of either kind.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from twigma.rehydrate.posts.page_content import dicts

Row = dict[str, Any]
SCALAR = str | int  # bool is one of them
MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]
TIME = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9:]{8}) ([+-][0-9]{2})([0-9]{2}) ([0-9]{4})"
)
RETWEET = ("retweeted_status", "retweeted_status_result", "retweeted_status_id_str")
METRICS = {  # name in v1.1 -> name in v2
    "favorite_count": "like_count",
    "retweet_count": "retweet_count",
    "quote_count": "quote_count",
    "reply_count": "reply_count",
}


def inner(value: Any, *path: str) -> Row:
    """The object at this path of keys; empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def scalars(row: Row, names: Iterable[str] | None = None) -> Row:
    """The fields of these names, or all, that are text, whole numbers or flags: nothing nested goes into a page."""
    wanted = row if names is None else names
    return {name: row[name] for name in wanted if isinstance(row.get(name), SCALAR)}


def v1_post(tweet: Row) -> Row:
    """A v1.1 post in the shape of v2, without id and media. A streamed one is complete only in `extended_tweet`.

    Of a post that was cut, text and hashtags are left out: another capture may have all of it.
    """
    complete = tweet | inner(tweet, "extended_tweet")
    fields = {
        "text": complete.get("full_text", complete.get("text")),
        "created_at": iso_time(tweet.get("created_at")),
        "author_id": id_text(inner(tweet, "user")) or tweet.get("user_id_str"),
    }
    metrics = {new: number(tweet.get(old)) for old, new in METRICS.items()}
    post: Row = {
        **scalars(fields),
        "public_metrics": scalars(metrics),
    }
    if _is_cut(tweet):
        post.pop("text", None)
    elif "entities" in complete:
        post["entities"] = _hashtags(inner(complete, "entities"))
    sensitive = tweet.get("possibly_sensitive")
    if isinstance(sensitive, bool):
        post["possibly_sensitive"] = sensitive
    if any(tweet.get(name) for name in RETWEET):
        post["referenced_tweets"] = [{"type": "retweeted"}]
    return post


def v1_media(tweet: Row) -> list[Row] | None:
    """Its media in the shape of v2. `entities` has only the first photo, and calls the still of a video a photo.

    None where it does not say: a post that was cut, as in the compatibility mode of v1.1, or one without entities.
    """
    complete = tweet | inner(tweet, "extended_tweet")
    attached = dicts(complete.get("extended_entities"), "media")
    if not attached:
        attached = dicts(complete.get("entities"), "media")
    media: list[Row] = []
    for one in attached:
        key = one.get("media_key") or id_text(one)
        if not isinstance(key, str):
            continue
        url = one.get("media_url_https")
        media.append(scalars({"media_key": key, "type": one.get("type"), "url": url}))
    says_none = "entities" in complete and not _is_cut(tweet)
    return media if attached or says_none else None


def v1_originals(tweet: Row) -> list[Row]:
    """The posts that a v1.1 post quotes or repeats, as far as they are in it."""
    found = [inner(tweet, name) for name in ("retweeted_status", "quoted_status")]
    return [one for one in found if one]


def _is_cut(tweet: Row) -> bool:
    return tweet.get("truncated") is True and not inner(tweet, "extended_tweet")


def v1_user(user: Row) -> Row | None:
    """A v1.1 author with the number of followers; None where either is missing."""
    return author_of(id_text(user), user.get("followers_count"))


def web_post(result: Row) -> Row:
    """A post of the website's GraphQL answers in the shape of v2, without id and media."""
    legacy = inner(result, "legacy")
    # Some archives have the author beside the post, not in it.
    if "user" in result:
        legacy = {**legacy, "user": result["user"]}
    post = v1_post(legacy)
    if "author_id" not in post:
        post.update(scalars({"author_id": _web_author(result).get("rest_id")}))
    note = inner(result, "note_tweet", "note_tweet_results", "result")
    if isinstance(note.get("text"), str):
        hashtags = _hashtags(inner(note, "entity_set"))
        post["note_tweet"] = {"text": note["text"], "entities": hashtags}
    control = inner(result, "edit_control")
    edits = control.get("edit_tweet_ids")
    if not edits:  # of a post that is an edit itself, the history is with the first one
        edits = inner(control, "edit_control_initial").get("edit_tweet_ids")
    if isinstance(edits, list):
        post["edit_history_tweet_ids"] = [str(edit) for edit in edits]
    sensitive = result.get("possibly_sensitive")
    if "possibly_sensitive" not in post and isinstance(sensitive, bool):
        post["possibly_sensitive"] = sensitive
    return post


def web_originals(result: Row) -> list[Row]:
    """The posts that a post of the website quotes or repeats, as far as they are in it."""
    legacy = inner(result, "legacy")
    places = (
        inner(legacy, "retweeted_status_result", "result"),
        inner(result, "retweeted_status_result", "result"),
        inner(result, "quoted_status_result", "result"),
    )
    return [one for one in places if one]


def web_results(value: Any) -> Iterator[Row]:
    """Every post in an answer of the website, in order: of its timelines, and of the older `globalObjects`."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, dict):
            if "full_text" in inner(one, "legacy"):
                yield one
                continue
            yield from _adaptive_results(inner(one, "globalObjects"))
            waiting += reversed(one.values())


def _adaptive_results(objects: Row) -> Iterator[Row]:
    """The posts of `globalObjects`, each with its author, as the website's later answers have them."""
    users = inner(objects, "users")
    for tweet in inner(objects, "tweets").values():
        if isinstance(tweet, dict):
            user = users.get(str(tweet.get("user_id_str")))
            yield {"legacy": tweet, "user": inner(user)}


def web_user(result: Row) -> Row | None:
    """The author of such a post, where X included one: its followers moved in 2026."""
    user = inner(result, "user")
    if user:
        return v1_user(user)
    author = _web_author(result)
    before_2026 = inner(author, "legacy").get("followers_count")
    followers = inner(author, "relationship_counts").get("followers", before_2026)
    return author_of(author.get("rest_id"), followers)


def author_of(name: Any, followers: Any) -> Row | None:
    """An author in the shape of v2; None where the id or the number of followers is missing."""
    followers = number(followers)
    if not isinstance(name, str) or not isinstance(followers, int):
        return None
    return {"id": name, "public_metrics": {"followers_count": followers}}


def id_text(record: Row) -> str | None:
    """The id of a v1.1 object, exact: `id_str`, or `id` where it is a whole number or text."""
    for value in (record.get("id_str"), record.get("id")):
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
    return None


def iso_time(text: Any) -> Any:
    """`Wed Oct 10 20:19:24 +0000 2018` as ISO 8601; anything else as it is.

    >>> iso_time("Wed Oct 10 20:19:24 +0000 2018")
    '2018-10-10T20:19:24+00:00'
    """
    match = TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[1] not in MONTHS:
        return text
    month, day, time, offset_hours, offset_minutes, year = match.groups()
    date = f"{year}-{MONTHS.index(month) + 1:02}-{day}"
    return f"{date}T{time}{offset_hours}:{offset_minutes}"


def number(value: Any) -> Any:
    """A count, which X's own account archives write as text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return value


def _web_author(result: Row) -> Row:
    return inner(result, "core", "user_results", "result")


def _hashtags(entities: Row) -> Row:
    texts = [tag.get("text") for tag in dicts(entities, "hashtags")]
    tags = [{"tag": text} for text in texts if isinstance(text, str)]
    return {"hashtags": tags}
