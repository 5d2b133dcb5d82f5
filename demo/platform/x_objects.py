"""Posts, media and users as the X API v2 shows them, in either dialect, with the fields that a call asks for."""

import datetime
import re
from collections.abc import Mapping

from twigma.demo.platform.x_world import Row

# Fields of a post in both dialects, and those that only the older one gives when asked.
COMMON = {
    "attachments",
    "created_at",
    "entities",
    "id",
    "lang",
    "possibly_sensitive",
    "public_metrics",
    "text",
}
LEGACY = COMMON | {"author_id", "edit_history_tweet_ids", "referenced_tweets"}

Params = Mapping[str, str]


def is_current(params: Params) -> bool:
    """Whether a call is made in the vocabulary of August 2026."""
    return "post.fields" in params or "_post" in params.get("expansions", "")


def list_param(params: Params, name: str) -> list[str]:
    """The values of a parameter that holds a list."""
    return params.get(name, "").split(",")


def post_object(post: Row, params: Params) -> Row:
    """A post; its id, text and edit history are there unasked."""
    current = is_current(params)
    asked = set(list_param(params, "post.fields" if current else "tweet.fields"))
    # A name the API does not know is dropped in silence.
    asked &= COMMON if current else LEGACY
    if "author_id" in list_param(params, "expansions"):
        asked.add("author_id")
    values = _post_values(post, "repost_count" if current else "retweet_count")
    history = "edit_history_post_ids" if current else "edit_history_tweet_ids"
    shown = {"id": post["id"], "text": post["text"], history: [post["id"]]}
    for name in sorted(asked):
        if values.get(name) is not None:
            shown[name] = values[name]
    return shown


def _post_values(post: Row, reposts: str) -> Row:
    """Every field of a post; None where it has none. `reposts` is the name of the count of retweets."""
    keys, text = post["media_keys"], post["text"]
    tags = []
    for match in re.finditer(r"#(\w+)", text):
        tags.append({"start": match.start(), "end": match.end(), "tag": match[1]})
    original = {"type": "retweeted", "id": str(int(post["id"]) - 1)}
    return {
        "attachments": {"media_keys": keys} if keys else None,
        "author_id": post["author_id"],
        "created_at": _moment(post["created_at"]),
        "entities": {"hashtags": tags} if tags else None,
        "id": post["id"],
        "lang": post["lang"],
        "possibly_sensitive": post["possibly_sensitive"],
        "public_metrics": {
            "like_count": post["like_count"],
            "quote_count": post["quote_count"],
            "reply_count": post["reply_count"],
            reposts: post["retweet_count"],
            "bookmark_count": 0,
            "impression_count": 0,
        },
        "referenced_tweets": [original] if text.startswith("RT @") else None,
        "text": text,
    }


def media_object(media: Row, params: Params) -> Row:
    """A photo, or a video, which has a preview instead of a URL."""
    name = media["name"]
    values = {"width": media["width"], "height": media["height"]}
    if media["type"] == "photo":
        values["url"] = f"https://pbs.twimg.com/media/{name}.jpg"
    else:
        thumbnail = f"https://pbs.twimg.com/ext_tw_video_thumb/{name}.jpg"
        values["preview_image_url"] = thumbnail
    shown = {"media_key": media["media_key"], "type": media["type"]}
    return shown | _asked(values, list_param(params, "media.fields"))


def user_object(user: Row, params: Params) -> Row:
    """An account."""
    posts = "post_count" if is_current(params) else "tweet_count"
    values = {
        "created_at": _moment(user["created_at"]),
        "public_metrics": {
            "followers_count": user["followers_count"],
            "following_count": 0,
            posts: 1,
        },
    }
    name = user["username"]
    shown = {"id": user["id"], "name": name, "username": name}
    return shown | _asked(values, list_param(params, "user.fields"))


def _asked(values: Row, names: list[str]) -> Row:
    return {name: values[name] for name in names if values.get(name) is not None}


def _moment(when: datetime.datetime) -> str:
    return when.isoformat(timespec="milliseconds") + "Z"
