"""Posts, pages and refusals as X gives them, and a full-archive search that misbehaves (rows 23 to 25 and 28)."""

import datetime
import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..conftest import file_name, snowflake
from ..support.servers import Handler
from .fetching import Run, Watch, twigma

LOOKUP, SEARCH = "/2/tweets", "/2/tweets/search/all"
CANARY = "AAAAAAAAAAAAAAAAAAAAAtorture%2Fcanary0123456789abcdefXYZ"  # a bearer token
START = datetime.datetime(2022, 6, 1)
Page = dict[str, Any]


def rehydrate(
    work: object,
    ids: object,
    url: str,
    *more: object,
    watch: Watch | None = None,
    **env: str,
) -> Run:
    """`twigma rehydrate` of a list, all of it from one host."""
    options = ("--work", work, "--ids", ids, "--budget", 100_000)
    hosts = {"TWIGMA_X_URL": url, "TWIGMA_IMAGE_URL": url}
    return twigma(
        "rehydrate",
        *options,
        *more,
        env={"X_BEARER_TOKEN": CANARY} | hosts | env,
        watch=watch,
        timeout=200,
    )


def post_ids(count: int) -> list[str]:
    """Ids of posts, the oldest first, four minutes apart."""
    return [
        str(snowflake(START + datetime.timedelta(minutes=4 * n), n))
        for n in range(count)
    ]


def created(post: str) -> str:
    """When a post was made, to the second, read off its id."""
    moment = datetime.datetime.fromtimestamp(
        ((int(post) >> 22) + 1288834974657) / 1000, datetime.UTC
    )
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def page(ids: Sequence[str], **meta: object) -> Page:
    """An answer with these posts, a photo on each, whose media id is the post's."""
    data: list[Page] = [
        {
            "id": post,
            "text": "#aiart",
            "created_at": created(post),
            "edit_history_tweet_ids": [post],
            "possibly_sensitive": False,
            "author_id": "1",
            "attachments": {"media_keys": [f"3_{post}"]},
            "public_metrics": {
                "like_count": 1,
                "quote_count": 0,
                "reply_count": 0,
                "retweet_count": 0,
            },
        }
        for post in ids
    ]
    photo = {"type": "photo", "width": 160, "height": 120}
    media = [
        photo
        | {
            "media_key": f"3_{post}",
            "url": f"https://pbs.twimg.com{media_path(post)}.jpg",
        }
        for post in dict.fromkeys(ids)
    ]
    return (
        {"data": data, "includes": {"media": media}} | ({"meta": meta} if meta else {})
        if ids
        else {"meta": meta}
    )


def media_path(post: str) -> str:
    """Where the host has the photo of a post."""
    return f"/media/{file_name(int(post))}"


def problem(title: str, kind: str, status: int, detail: str = "") -> Page:
    """A refusal."""
    return {
        "title": title,
        "type": f"https://api.twitter.com/2/problems/{kind}",
        "status": status,
        "detail": detail,
    }


def give(
    handler: Handler,
    code: int,
    body: Page | str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send an answer with these headers and no others, so that Date may be wrong or missing."""
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    handler.send_response_only(code)
    for name, value in (
        {"Content-Length": str(len(data))} | dict(headers or {})
    ).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def asked(handler: Handler) -> dict[str, str]:
    """The parameters of a request."""
    return {
        name: values[0]
        for name, values in parse_qs(urlsplit(handler.path).query).items()
    }


def http_date(offset: float) -> str:
    """The time in a header, by a clock that is `offset` seconds ahead of ours."""
    return email.utils.formatdate(time.time() + offset, usegmt=True)


class Archive:
    """A search over posts, newest first, a hundred a page, that plays a trick on every call."""

    TRICKS = (
        "",
        "twice",
        "",
        "empty",
        "again",
        "dead",
        "",
        "overlap",
        "dead",
        "empty",
        "empty",
        "dead",
    )
    SIZE = 100

    def __init__(self, ids: Sequence[str], *, circle: int | None = None) -> None:
        self.ids, self.calls, self.circle = list(reversed(ids)), 0, circle

    def answer(self, handler: Handler) -> None:
        """Give the page that the token names, or what the trick makes of it."""
        params = asked(handler)
        trick = self.TRICKS[self.calls % len(self.TRICKS)]
        self.calls += 1
        token, end = (
            params.get("next_token"),
            params["end_time"].removesuffix("Z") + ".000Z",
        )
        at = (
            int(token.split("x")[1])
            if token
            else sum(created(post) >= end for post in self.ids)
        )
        if token and trick == "dead":
            give(
                handler,
                400,
                problem(
                    "Invalid Request",
                    "invalid-request",
                    400,
                    "The `next_token` is not valid",
                ),
            )
            return
        if self.circle is not None and at >= self.circle:
            give(
                handler, 200, page(self.ids[at : at + self.SIZE], next_token=f"0x{at}")
            )
            return
        give(handler, 200, self._page(trick, at))

    def _page(self, trick: str, at: int) -> Page:
        after = at + self.SIZE
        if trick == "empty":
            return page([], result_count=0, next_token=f"{self.calls}x{at}")
        if trick == "again":
            return page(
                self.ids[max(0, at - self.SIZE) : at],
                result_count=0,
                next_token=f"{self.calls}x{at}",
            )
        first = max(0, at - 10) if trick == "overlap" else at
        some = self.ids[first:after] * (2 if trick == "twice" else 1)
        more = {"next_token": f"{self.calls}x{after}"} if after < len(self.ids) else {}
        return page(some, result_count=len(some), **more)
