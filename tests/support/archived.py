"""The same invented posts as every kind of archive writes them, field for field as those tools do."""

import base64
import copy
import datetime
import gzip
import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]
CAPTURED = "2023-03-15T15:53:19+00:00"
HOUR = "2023-03-15T15:00:00.000000Z"
KINDS = ("twarc pages", "twarc flattened", "4CAT v2", "v1.1", "Zeeschuimer", "4CAT")
MONTHS = (
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
)


def image(n: int) -> int:
    return 1565745318061842432 + n * 4_194_304_011


def url(media: int) -> str:
    """The address that belongs to a media id."""
    return f"https://pbs.twimg.com/media/{base64.urlsafe_b64encode(media.to_bytes(8, 'big')).decode()[:11]}AbCd.jpg"


def post(n: int, *, photos: int = 1, kind: str = "photo") -> Row:
    """An invented post, in the shape of API v2 with `media` and `author` beside it."""
    time = datetime.datetime(2022, 8, 22, 18, 14, 5) + datetime.timedelta(hours=n)
    tags = [
        {"start": 23, "end": 29, "tag": "AIart"},
        {"start": 30, "end": 46, "tag": "StableDiffusion"},
    ]
    followers = {
        "followers_count": 100 + n % 3,
        "following_count": 5,
        "tweet_count": 9,
        "listed_count": 0,
    }
    prefix = {"photo": 3, "video": 7, "animated_gif": 16}[kind]
    media = [
        {
            "media_key": f"{prefix}_{image(10 * n + at)}",
            "type": kind,
            "width": 1024,
            "height": 1024,
        }
        | (
            {"url": url(image(10 * n + at))}
            if kind == "photo"
            else {"preview_image_url": url(image(10 * n + at))}
        )
        for at in range(photos)
    ]
    return {
        "id": str(1561783901234567001 + n),
        "text": f"Castle {n} in the clouds #AIart #StableDiffusion https://t.co/aBcDeFgHiJ",
        "created_at": f"{time.isoformat()}.000Z",
        "author_id": str(44196000 + n % 3),
        "possibly_sensitive": n % 2 == 1,
        "public_metrics": {
            "like_count": 3 * n,
            "quote_count": n % 4,
            "reply_count": n % 5,
            "retweet_count": n % 7,
        },
        "entities": {"hashtags": tags},
        "attachments": {"media_keys": [one["media_key"] for one in media]},
        "edit_history_tweet_ids": [str(1561783901234567001 + n)],
        "lang": "en",
        "media": media,
        "author": {
            "id": str(44196000 + n % 3),
            "username": f"painter{n % 3}",
            "name": "P",
            "public_metrics": followers,
        },
    }


def twarc_page(*posts: Row, captured: str = CAPTURED, **more: Any) -> Row:
    """A page as `twarc2 search` keeps it."""
    posts = copy.deepcopy(posts)
    media = [one for each in posts for one in each.pop("media")]
    users = {each["author"]["id"]: each.pop("author") for each in posts}
    stamp = {
        "url": "https://api.twitter.com/2/tweets/search/all?query=x",
        "version": "2.13.0",
        "retrieved_at": captured,
    }
    return {
        "data": list(posts),
        "includes": {"media": media, "users": list(users.values())},
        "meta": {"newest_id": "2", "oldest_id": "1", "result_count": len(posts)},
        "__twarc": stamp,
        **more,
    }


def flattened(one: Row) -> Row:
    """A line of `twarc2 flatten`."""
    one = copy.deepcopy(one)
    one["attachments"]["media"] = one.pop("media")
    return one | {
        "__twarc": {"url": "x", "version": "2.13.0", "retrieved_at": CAPTURED}
    }


def fourcat_v2(one: Row) -> Row:
    """A line of 4CAT's own search: objects in the place of keys."""
    one = copy.deepcopy(one)
    one["attachments"]["media_keys"] = one.pop("media")
    one["author_user"] = one.pop("author")
    return one


def v1(one: Row) -> Row:
    """A line of `twarc hydrate`: API v1.1 in extended mode."""
    time, metrics = (
        datetime.datetime.fromisoformat(one["created_at"]),
        one["public_metrics"],
    )
    tags = [
        {"text": tag["tag"], "indices": [tag["start"], tag["end"]]}
        for tag in one["entities"]["hashtags"]
    ]
    media = [
        {"id": int(each["media_key"].split("_")[1]), "id_str": each["media_key"].split("_")[1], "type": each["type"],
         "media_url": url(int(each["media_key"].split("_")[1])).replace("https", "http"),
         "media_url_https": url(int(each["media_key"].split("_")[1])), "url": "https://t.co/aBcDeFgHiJ",
         "display_url": "pic.twitter.com/aBcDeFgHiJ", "sizes": {"large": {"w": 1024, "h": 1024, "resize": "fit"}}}
        for each in one["media"]
    ]  # fmt: skip
    stills = [
        each | {"type": "photo"} for each in media[:1]
    ]  # entities has the first only, and calls it a photo
    return {
        "created_at": f"{time:%a} {MONTHS[time.month - 1]} {time:%d %H:%M:%S} +0000 {time.year}",
        "id": int(one["id"]),
        "id_str": one["id"],
        "full_text": one["text"],
        "truncated": False,
        "entities": {"hashtags": tags, "symbols": [], "user_mentions": []} | ({"media": stills} if media else {}),
        **({"extended_entities": {"media": media}} if media else {}),
        "user": {"id": int(one["author_id"]), "id_str": one["author_id"], "screen_name": one["author"]["username"],
                 "followers_count": one["author"]["public_metrics"]["followers_count"], "friends_count": 5},
        "is_quote_status": False,
        "retweet_count": metrics["retweet_count"],
        "favorite_count": metrics["like_count"],
        "quote_count": metrics["quote_count"],
        "reply_count": metrics["reply_count"],
        "possibly_sensitive": one["possibly_sensitive"],
        "lang": "en",
    }  # fmt: skip


def web(one: Row) -> Row:
    """A post as X's website gets it."""
    legacy = v1(one)
    user = legacy.pop("user")
    del legacy["id"]
    legacy |= {
        "user_id_str": one["author_id"],
        "conversation_id_str": one["id"],
        "bookmark_count": 0,
    }
    result = {
        "__typename": "User",
        "id": "VXNlcjo0NDE5NjAwMA==",
        "rest_id": one["author_id"],
        "is_blue_verified": False,
    }
    return {
        "__typename": "Tweet",
        "rest_id": one["id"],
        "core": {"user_results": {"result": result | {"legacy": {"followers_count": user["followers_count"]},
                                                      "core": {"screen_name": user["screen_name"], "name": "P"}}}},
        "edit_control": {"edit_tweet_ids": [one["id"]], "editable_until_msecs": "1661195645000"},
        "views": {"count": "1234", "state": "EnabledWithCount"},
        "source": '<a href="https://mobile.twitter.com" rel="nofollow">Twitter Web App</a>',
        "legacy": legacy,
        "id": one["id"],
        "promoted": False,
    }  # fmt: skip


def zeeschuimer(one: Row, n: int = 1) -> Row:
    """A line of a Zeeschuimer export; its own ids went through a float."""
    stamp = int(datetime.datetime.fromisoformat(CAPTURED).timestamp() * 1000) + n
    return {
        "nav_index": "3:12:0",
        "item_id": float(one["id"]),
        "timestamp_collected": stamp,
        "source_platform": "x.com",
        "source_platform_url": "https://x.com/search?q=%23aiart",
        "source_url": "https://x.com/i/api/graphql/abc/SearchTimeline",
        "user_agent": "Mozilla/5.0",
        "data": web(one),
        "id": n,
    }


def fourcat(one: Row, n: int = 1) -> Row:
    """The same line after 4CAT has taken it in."""
    item = zeeschuimer(one, n)
    return item.pop("data") | {"__import_meta": item}


def archive(kind: str, posts: list[Row]) -> list[Row]:
    """The lines of an archive of this kind."""
    if kind == "twarc pages":
        return [twarc_page(*posts[at : at + 2]) for at in range(0, len(posts), 2)]
    line = {
        "twarc flattened": flattened,
        "4CAT v2": fourcat_v2,
        "v1.1": v1,
        "Zeeschuimer": zeeschuimer,
        "4CAT": fourcat,
    }
    return [line[kind](one) for one in posts]


def write(path: Path, lines: list[Any]) -> Path:
    """JSON lines, compressed where the name says so; text and bytes as they are."""
    data = b"".join(
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode() + b"\n"
        for line in lines
    )
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
