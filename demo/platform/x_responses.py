"""What the X API v2 answers about the posts of a demo world, in either dialect; `demo/platform/x_api.py` serves it.

Shapes, titles and types are those of the real service: partial errors inside a 200, `data` and `includes` absent
when nothing was found, and only the fields asked for. A call the API refuses with status 400 raises ValueError.
"""

import base64
import datetime
import re
import zlib
from collections import Counter

from twigma.demo.platform.x_objects import (
    Params,
    list_param,
    media_object,
    post_object,
    user_object,
)
from twigma.demo.platform.x_world import Row, World, hashtags

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
DAYS_PER_PAGE = 31  # of counts
UNKNOWN: Row = {"state": "deleted"}  # an id that never was answers as a deleted post


def lookup(world: World, params: Params) -> Row:
    """The answer to GET /2/tweets."""
    ids = list_param(params, "ids")
    for post in ids:
        if not re.fullmatch(r"[0-9]{1,19}", post):
            raise ValueError(f"The `ids` query parameter value [{post}] is not valid")
    if len(ids) > 100:
        raise ValueError(
            f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100"
        )
    live, errors = [], []
    for number in ids:
        row = world.posts.get(number, UNKNOWN)
        if row["state"] == "live":
            live.append(row)
        elif row["state"] in GONE:  # X passes over any other in silence
            errors.append(_error(number, row["state"]))
    answer = _page(world, live, params)
    if errors:
        answer["errors"] = errors
    return answer


def search(world: World, params: Params) -> Row:
    """The answer to GET /2/tweets/search/all: newest first, `meta.next_token` while there is more."""
    size = int(params.get("max_results", "10"))
    if not 10 <= size <= 500:
        raise ValueError(
            f"The `max_results` query parameter value [{size}] is not between 10 and 500"
        )
    if not 1 <= len(params.get("query", "")) <= 1024:
        raise ValueError("The `query` must have 1 to 1024 characters")
    found = _matches(world, params)
    first = _offset(params) if "next_token" in params else 0
    some = found[first : first + size]
    meta: Row = {"result_count": len(some)}
    if some:
        meta["newest_id"] = some[0]["id"]
        meta["oldest_id"] = some[-1]["id"]
    if first + size < len(found):
        meta["next_token"] = _token(params, first + size)
    return _page(world, some, params) | {"meta": meta}


def users(world: World, params: Params) -> Row:
    """The answer to GET /2/users."""
    ids = [user for user in list_param(params, "ids") if user]
    if not 1 <= len(ids) <= 100:
        raise ValueError(
            f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100"
        )
    known = [world.users[user] for user in ids if user in world.users]
    gone = [user for user in ids if user not in world.users]
    answer: Row = {}
    if known:
        answer["data"] = [user_object(user, params) for user in known]
    if gone:
        answer["errors"] = [_user_error(user) for user in gone]
    return answer


def count(world: World, params: Params) -> Row:
    """The answer to GET /2/tweets/counts/all by day, the last days first: 31 a page, as the real one gives."""
    if params.get("granularity", "hour") != "day":
        raise ValueError("The `granularity` query parameter value is not [day]")
    first = _time(params.get("start_time"), datetime.datetime.max)
    end = _time(params.get("end_time"), datetime.datetime.max)
    skipped = _offset(params) if "next_token" in params else 0
    last = end - datetime.timedelta(days=skipped)
    since = max(first, last - datetime.timedelta(days=DAYS_PER_PAGE))
    days: Counter[datetime.date] = Counter()
    for post in _matches(world, params):
        if since <= post["created_at"] < last:
            days[post["created_at"].date()] += 1
    data = [
        {"start": f"{day}T00:00:00.000Z", "tweet_count": days[day]}
        for day in sorted(days)
    ]
    meta: Row = {"total_tweet_count": days.total()}
    if since > first:
        meta["next_token"] = _token(params, skipped + DAYS_PER_PAGE)
    return {"data": data, "meta": meta}


def _user_error(user: str) -> Row:
    """The partial error of a user that is gone."""
    return {
        "title": "Not Found Error",
        "type": PROBLEMS + "resource-not-found",
        "detail": f"Could not find user with ids: [{user}].",
        "resource_type": "user",
        "parameter": "ids",
        "resource_id": user,
        "value": user,
    }


def _error(post: str, state: str) -> Row:
    """The partial error of a post that is gone."""
    title, kind, detail = GONE[state]
    return {
        "title": title,
        "type": PROBLEMS + kind,
        "detail": detail.format(post),
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": post,
        "value": post,
    }


# ------------------------------------------------------------------- search


def _matches(world: World, params: Params) -> list[Row]:
    """Live posts that match the query, in the period (the last thirty days of the world when none is given)."""
    newest = world.live[0]["created_at"] if world.live else datetime.datetime.max
    last_month = newest - datetime.timedelta(days=30)
    start = _time(params.get("start_time"), last_month)
    end = _time(params.get("end_time"), datetime.datetime.max)
    period = [post for post in world.live if start <= post["created_at"] < end]
    return [post for post in period if _answers(world, post, params["query"])]


def _answers(world: World, post: Row, query: str) -> bool:
    """Whether a post has one of the query's hashtags, and is not left out by its operators."""
    left_out = {tag.lower() for tag in re.findall(r"-#(\w+)", query)}
    if left_out & post["tags"] or not hashtags(query) & post["tags"]:
        return False
    if "-is:retweet" in query and post["text"].startswith("RT @"):
        return False
    kinds = {world.media[key]["type"] for key in post["media_keys"]}
    return "has:images" not in query or "photo" in kinds


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
    names = ("query", "start_time", "end_time")
    text = "/".join(params.get(name, "") for name in names)
    content = f"{zlib.crc32(text.encode()):08x}{offset}"
    return base64.b32hexencode(content.encode()).decode().lower().rstrip("=")


def _offset(params: Params) -> int:
    """The offset in a token; ValueError for one of another query, or that was never given."""
    token = params["next_token"]
    padding = "=" * (-len(token) % 8)
    try:
        content = base64.b32hexdecode((token + padding).upper())
        offset = int(content[8:])
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
    page: Row = {}
    if found:
        page["data"] = [post_object(post, params) for post in found]
    includes = _includes(world, found, list_param(params, "expansions"), params)
    if includes:
        page["includes"] = includes
    return page


def _includes(
    world: World, found: list[Row], expansions: list[str], params: Params
) -> Row:
    """The media and authors of posts, each once, where a call expands them."""
    includes: Row = {}
    if "attachments.media_keys" in expansions:
        keys: dict[str, None] = {}
        for post in found:
            keys |= dict.fromkeys(post["media_keys"])
        includes["media"] = [media_object(world.media[key], params) for key in keys]
    if "author_id" in expansions:
        authors = dict.fromkeys(post["author_id"] for post in found)
        users = [world.users[author] for author in authors if author in world.users]
        includes["users"] = [user_object(user, params) for user in users]
    return {name: values for name, values in includes.items() if values}
