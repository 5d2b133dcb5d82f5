"""What the X API v2 answers about the posts of a demo world, in either dialect; `twigma.demo.platform.server` serves
it.

Shapes, titles and types are those of the real service: partial errors inside a 200, `data` and `includes` absent
when nothing was found, and only the fields asked for. A call the API refuses with status 400 raises ValueError.
"""

import base64
import datetime
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

PROBLEMS = "https://api.twitter.com/2/problems/"
GONE = {  # state of a post: (title, last part of type, detail)
    "deleted": (
        "Not Found Error",
        "resource-not-found",
        "Could not find tweet with ids: [{}].",
    ),
    "protected": (
        "Authorization Error",
        "not-authorized-for-resource",
        "Sorry, you are not authorized to see: [{}].",
    ),
    "suspended": ("Forbidden", "resource-not-found", "User has been suspended: [{}]."),
}
COMMON = [
    "attachments",
    "created_at",
    "entities",
    "id",
    "lang",
    "possibly_sensitive",
    "public_metrics",
    "text",
]
LEGACY = [*COMMON, "author_id", "edit_history_tweet_ids", "referenced_tweets"]

Params = Mapping[str, str]
Row = dict[str, Any]


@dataclass
class World:
    """The posts, media and users of a world folder, indexed for the API."""

    posts: Mapping[str, Row]
    media: Mapping[str, Row]
    users: Mapping[str, Row]
    live: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Read `posts.parquet`, `media.parquet` and `users.parquet`; FileNotFoundError when they are not there."""
        if not (folder / "posts.parquet").exists():
            raise FileNotFoundError(
                f"no demo world at {folder}: expected posts.parquet, media.parquet, users.parquet"
            )
        posts, media, users = (
            pq.read_table(folder / f"{name}.parquet").to_pylist() for name in FILES
        )
        for post in posts:
            post["tags"] = {tag.lower() for tag in re.findall(r"#(\w+)", post["text"])}
        live = sorted(
            (p for p in posts if p["state"] == "live"),
            key=lambda p: (p["created_at"], p["id"]),
            reverse=True,
        )
        return cls(_by("id", posts), _by("media_key", media), _by("id", users), live)


FILES = ("posts", "media", "users")


def lookup(world: World, params: Params) -> Row:
    """The answer to GET /2/tweets."""
    ids = params.get("ids", "").split(",")
    for post in ids:
        if not re.fullmatch(r"[0-9]{1,19}", post):
            raise ValueError(f"The `ids` query parameter value [{post}] is not valid")
    if len(ids) > 100:
        raise ValueError(
            f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100"
        )
    found = [
        world.posts[post]
        for post in ids
        if world.posts.get(post, {}).get("state") == "live"
    ]
    errors = [
        _error(post, world.posts.get(post, {"state": "deleted"})["state"])
        for post in ids
    ]
    answer = _page(world, found, params)
    gone = [error for error in errors if error is not None]
    return answer | ({"errors": gone} if gone else {})


def search(world: World, params: Params) -> Row:
    """The answer to GET /2/tweets/search/all: newest first, `meta.next_token` while there is more."""
    size = int(params.get("max_results", "10"))
    if not 10 <= size <= 500:
        raise ValueError(
            f"The `max_results` query parameter value [{size}] is not between 10 and 500"
        )
    if len(params.get("query", "")) > 1024 or not params.get("query"):
        raise ValueError("The `query` must have 1 to 1024 characters")
    found = _matches(world, params)
    first = _offset(params) if "next_token" in params else 0
    some = found[first : first + size]
    meta: Row = {"result_count": len(some)}
    if some:
        meta |= {"newest_id": some[0]["id"], "oldest_id": some[-1]["id"]}
    if first + size < len(found):
        meta["next_token"] = _token(params, first + size)
    return _page(world, some, params) | {"meta": meta}


def is_current(params: Params) -> bool:
    """Whether a call is made in the vocabulary of August 2026."""
    return "post.fields" in params or "_post" in params.get("expansions", "")


def _by(key: str, rows: Iterable[Row]) -> dict[str, Row]:
    return {row[key]: row for row in rows}


def _error(post: str, state: str) -> Row | None:
    """The partial error of a post; None for one that is live, and for one that X passes over in silence."""
    if state not in GONE:
        return None
    title, kind, detail = GONE[state]
    about = {
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": post,
        "value": post,
    }
    return {
        "title": title,
        "type": PROBLEMS + kind,
        "detail": detail.format(post),
        **about,
    }


def _matches(world: World, params: Params) -> list[Row]:
    """Live posts that match the query, in the period (the last thirty days of the world when none is given)."""
    query = params["query"]
    tags = {tag.lower() for tag in re.findall(r"#(\w+)", query)}
    newest = world.live[0]["created_at"] if world.live else datetime.datetime.min
    start = _time(
        params.get("start_time"),
        newest - datetime.timedelta(days=30) if world.live else newest,
    )
    end = _time(params.get("end_time"), datetime.datetime.max)
    return [
        post
        for post in world.live
        if start <= post["created_at"] < end
        and tags & post["tags"]
        and (
            "has:images" not in query
            or any(world.media[key]["type"] == "photo" for key in post["media_keys"])
        )
        and ("-is:retweet" not in query or not post["text"].startswith("RT @"))
    ]


def _time(text: str | None, default: datetime.datetime) -> datetime.datetime:
    if text is None:
        return default
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        raise ValueError(
            f"The time [{text}] is not valid: expected YYYY-MM-DDTHH:mm:ssZ"
        )
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)


def _token(params: Params, offset: int) -> str:
    """A token for this query and period, and for no other."""
    search = "/".join(
        params.get(name, "") for name in ("query", "start_time", "end_time")
    )
    return (
        base64.b32hexencode(b"%08x%d" % (zlib.crc32(search.encode()), offset))
        .decode()
        .lower()
        .rstrip("=")
    )


def _offset(params: Params) -> int:
    token = params["next_token"]
    try:
        offset = int(base64.b32hexdecode((token + "=" * (-len(token) % 8)).upper())[8:])
    except ValueError:
        offset = -1
    if offset < 0 or token != _token(params, offset):
        raise ValueError(
            f"The `next_token` query parameter value [{token}] is not valid"
        )
    return offset


# --------------------------------------------------------------------- page


def _page(world: World, found: list[Row], params: Params) -> Row:
    """`data` and `includes`, each absent when empty."""
    expansions = params.get("expansions", "").split(",")
    data = [_post(post, params) for post in found]
    includes: Row = {}
    if "attachments.media_keys" in expansions:
        keys = dict.fromkeys(key for post in found for key in post["media_keys"])
        includes["media"] = [_media(world.media[key], params) for key in keys]
    if "author_id" in expansions:
        users = dict.fromkeys(post["author_id"] for post in found)
        includes["users"] = [
            _user(world.users[user], params) for user in users if user in world.users
        ]
    includes = {name: values for name, values in includes.items() if values}
    return ({"data": data} if data else {}) | (
        {"includes": includes} if includes else {}
    )


def _post(post: Row, params: Params) -> Row:
    current = is_current(params)
    history = "edit_history_post_ids" if current else "edit_history_tweet_ids"
    asked = set(params.get("post.fields" if current else "tweet.fields", "").split(","))
    asked &= (
        {*COMMON} if current else {*LEGACY}
    )  # a name the API does not know is dropped in silence
    if "author_id" in params.get("expansions", "").split(","):
        asked.add("author_id")
    values = _values(post, "repost_count" if current else "retweet_count")
    return {"id": post["id"], "text": post["text"], history: [post["id"]]} | {
        name: values[name] for name in sorted(asked) if values.get(name) is not None
    }


def _values(post: Row, reposts: str) -> Row:
    counts = {
        f"{name}_count": post[f"{name}_count"] for name in ("like", "quote", "reply")
    }
    tags = [
        {"start": match.start(), "end": match.end(), "tag": match[1]}
        for match in re.finditer(r"#(\w+)", post["text"])
    ]
    retweet = (
        [{"type": "retweeted", "id": str(int(post["id"]) - 1)}]
        if post["text"].startswith("RT @")
        else None
    )
    return {
        "attachments": {"media_keys": post["media_keys"]}
        if post["media_keys"]
        else None,
        "author_id": post["author_id"],
        "created_at": post["created_at"].isoformat(timespec="milliseconds") + "Z",
        "entities": {"hashtags": tags} if tags else None,
        "id": post["id"],
        "lang": post["lang"],
        "possibly_sensitive": post["possibly_sensitive"],
        "public_metrics": {
            **counts,
            reposts: post["retweet_count"],
            "bookmark_count": 0,
            "impression_count": 0,
        },
        "referenced_tweets": retweet,
        "text": post["text"],
    }


def _media(media: Row, params: Params) -> Row:
    photo, name = media["type"] == "photo", media["name"]
    values = {
        "url": f"https://pbs.twimg.com/media/{name}.jpg" if photo else None,
        "preview_image_url": None
        if photo
        else f"https://pbs.twimg.com/ext_tw_video_thumb/{name}.jpg",
        "width": media["width"],
        "height": media["height"],
    }
    asked = params.get("media.fields", "").split(",")
    extra = {
        name: value
        for name, value in values.items()
        if name in asked and value is not None
    }
    return {"media_key": media["media_key"], "type": media["type"], **extra}


def _user(user: Row, params: Params) -> Row:
    posts = "post_count" if is_current(params) else "tweet_count"
    values = {
        "created_at": user["created_at"].isoformat(timespec="milliseconds") + "Z",
        "public_metrics": {
            "followers_count": user["followers_count"],
            "following_count": 0,
            posts: 1,
        },
    }
    asked = params.get("user.fields", "").split(",")
    extra = {name: value for name, value in values.items() if name in asked}
    return {
        "id": user["id"],
        "name": user["username"],
        "username": user["username"],
        **extra,
    }
