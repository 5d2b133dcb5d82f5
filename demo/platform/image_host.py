"""The demo's image host: each photo answers as its world planted it, from a whole file to a dropped connection."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

MEDIA = "/media/"
ANSWERS = (  # or any status of three digits
    "ok",
    "html",
    "truncated",
    "cut",
    "slow",
    "flaky503",
    "flaky429",
)
Answer = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]


def is_answer(answer: str) -> bool:
    """Whether the host knows how to answer so."""
    return answer in ANSWERS or re.fullmatch(r"[1-5][0-9][0-9]", answer) is not None


class ImageHost:
    """Serves `images`, rows of `media.parquet` by name; counts requests in `hits`; a slow one takes `slow_seconds`."""

    def __init__(
        self,
        images: Mapping[str, Mapping[str, Any]],
        hits: Counter[str],
        slow_seconds: float,
    ) -> None:
        self.images = images
        self.hits = hits
        self.slow_seconds = slow_seconds

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The photo of the request's path, or what is planted in its place; 404 for one that is not there."""
        name = request.path.removeprefix(MEDIA).removesuffix(".jpg")
        self.hits[MEDIA + name] += 1
        self.hits["media"] += 1
        image = self.images.get(name)
        if image is None:
            return web.Response(status=404)
        answer, body = image["answer"], image["body"] or b""
        streamed: dict[str, Answer] = {"cut": self._cut, "slow": self._drip}
        if answer in streamed:
            return await streamed[answer](request, body)
        if answer.isdigit():
            return web.Response(status=int(answer))
        # A flaky photo refuses the first request, and is there at the second.
        if answer.startswith("flaky") and self.hits[MEDIA + name] == 1:
            status = int(answer.removeprefix("flaky"))
            return web.Response(status=status, headers={"Retry-After": "1"})
        if answer == "html":
            page = "<html><body>This image is not available.</body></html>"
            return web.Response(text=page, content_type="text/html")
        if answer == "truncated":
            body = body[: len(body) // 2]
        return web.Response(body=body, content_type=_content_type(body))

    async def _cut(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Promise the whole body, send half, and hang up."""
        response = await _begin(request, body)
        await response.write(body[: len(body) // 2])
        # Without a pause the half is still in the buffer when the connection closes.
        await asyncio.sleep(0.05)
        if request.transport is not None:
            request.transport.close()
        return response

    async def _drip(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = await _begin(request, body)
        step = max(1, len(body) // 10)
        for first in range(0, len(body), step):
            await response.write(body[first : first + step])
            await asyncio.sleep(self.slow_seconds / 10)
        return response


async def _begin(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    headers = {"Content-Type": _content_type(body), "Content-Length": str(len(body))}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


def _content_type(body: bytes) -> str:
    if body.startswith(b"\x89PNG"):
        return "image/png"
    if body[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg"
