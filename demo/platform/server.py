"""The demo's platform on 127.0.0.1: an X API and an image host over a world folder.

`python -m twigma.demo.platform.server WORLD` serves one by hand; tests and the demo use `with Platform(world) as
platform:`.
"""

import argparse
import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from twigma.demo.platform.x_responses import PROBLEMS, World, lookup, search

LOOKUP, SEARCH, MEDIA = "/2/tweets", "/2/tweets/search/all", "/media/"
LIMITS = {LOOKUP: 3500, SEARCH: 300}  # calls a window
WINDOW = 900  # seconds
DEMO_FAULTS = {3: "503", 5: "429"}
STOPS = {  # faults after which X gives nothing more: status, title, last part of type
    "usage-capped": (429, "UsageCapExceeded", "usage-capped"),
    "credits": (402, "CreditsDepleted", "credits"),
    "spend-cap": (403, "SpendCapReached", "credits"),
}
FAULTS = (*STOPS, "503", "429", "cut", "drop", "dead-token")
ANSWERS = (
    "ok",
    "html",
    "truncated",
    "cut",
    "slow",
    "flaky503",
    "flaky429",
)  # or any status of three digits


class Platform:
    """Serves a world from a thread, on a free port unless one is given; `api_url` and `image_url` say where.

    `faults` plants one fault on the API call of that number, from 1: one of FAULTS. `limits` are the calls a window
    of `window` seconds by path. `slow_seconds` is how long a slow image takes. `token` is the one bearer token accepted
    (any, when None). `hits` counts requests by path, `billed` posts given out by id, and `asked` lists the API calls.
    """

    def __init__(
        self,
        world: Path | World,
        port: int = 0,
        *,
        faults: Mapping[int, str] | None = None,
        limits: Mapping[str, int] | None = None,
        window: int = WINDOW,
        slow_seconds: float = 2.0,
        token: str | None = None,
    ) -> None:
        self.world = world if isinstance(world, World) else World.read(Path(world))
        self.images = {
            one["name"]: one
            for one in self.world.media.values()
            if one["type"] == "photo"
        }
        unknown = {
            str(one["answer"])
            for one in self.images.values()
            if not _is_answer(str(one["answer"]))
        }
        unknown |= {fault for fault in (faults or {}).values() if fault not in FAULTS}
        if unknown:
            raise ValueError(
                f"expected answers of {ANSWERS} or a status, and faults of {FAULTS}; found {sorted(unknown)}"
            )
        self.port, self.faults, self.limits = (
            port,
            dict(faults or {}),
            LIMITS | dict(limits or {}),
        )
        self.window = window
        self.slow_seconds, self.token = slow_seconds, token
        self.hits: Counter[str] = Counter()
        self.billed: Counter[str] = Counter()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._windows: dict[str, tuple[int, int]] = {}  # path -> (its end, calls made)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="platform", daemon=True)
        self._ready, self._stop, self._failure = threading.Event(), asyncio.Event(), ""

    @property
    def api_url(self) -> str:
        """Where the X API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def image_url(self) -> str:
        """What stands for https://pbs.twimg.com."""
        return self.api_url

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise OSError(self._failure)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failure = (
                f"cannot serve on port {self.port}: {error.strerror or error}"
            )
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=0.1
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=512)
            await site.start()
            self.port = int(runner.addresses[0][1])
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(MEDIA):
            return await self._image(
                request, path.removeprefix(MEDIA).removesuffix(".jpg")
            )
        self.hits[path] += 1
        if request.method != "GET" or path not in LIMITS:
            return _problem(404, "Not Found", "about:blank", f"nothing at {path}")
        return self._api(request)

    # ------------------------------------------------------------------- API

    def _api(self, request: web.BaseRequest) -> web.StreamResponse:
        params = dict(request.query)
        self.asked.append((request.path, params))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token or self.token not in (None, token):
            return _problem(401, "Unauthorized", "about:blank", "Unauthorized")
        limits = self._count(request.path)
        fault = self.faults.get(len(self.asked), "")
        if fault == "429" or limits["x-rate-limit-remaining"] == "-1":
            return _too_many(limits, near=fault == "429")
        response = (
            self._fault(fault, request) if fault else self._answer(request.path, params)
        )
        response.headers.update(limits)
        return response

    def _answer(self, path: str, params: dict[str, str]) -> web.Response:
        try:
            answer = (lookup if path == LOOKUP else search)(self.world, params)
        except ValueError as refusal:
            return _problem(
                400, "Invalid Request", PROBLEMS + "invalid-request", str(refusal)
            )
        self.billed.update(post["id"] for post in answer.get("data", []))
        return web.json_response(answer)

    def _count(self, path: str) -> dict[str, str]:
        """Count a call in its window, and say how many are left (-1: this one is over the limit)."""
        end, calls = self._windows.get(path, (0, 0))
        if time.time() >= end:
            end, calls = int(time.time()) + self.window, 0
        left = self.limits[path] - calls - 1
        self._windows[path] = end, calls + (left >= 0)
        return {
            "x-rate-limit-limit": str(self.limits[path]),
            "x-rate-limit-remaining": str(max(left, -1)),
            "x-rate-limit-reset": str(end),
        }

    def _fault(self, fault: str, request: web.BaseRequest) -> web.Response:
        if fault in STOPS:
            status, title, kind = STOPS[fault]
            return _problem(
                status,
                title,
                PROBLEMS + kind,
                f"{title}: this account may read no more posts",
            )
        if fault == "dead-token":
            return _problem(
                400,
                "Invalid Request",
                PROBLEMS + "invalid-request",
                "The `next_token` is not valid",
            )
        if fault == "cut":
            return web.Response(
                body=b'{"data": [{"id": "1', content_type="application/json"
            )
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        return _problem(
            503, "Service Unavailable", "about:blank", "Service Unavailable"
        )

    # ----------------------------------------------------------------- images

    async def _image(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        self.hits[MEDIA + name] += 1
        self.hits["media"] += 1
        image = self.images.get(name)
        if image is None:
            return web.Response(status=404)
        answer, body = image["answer"], image["body"] or b""
        special: Callable[..., Awaitable[web.StreamResponse]] | None = {
            "cut": self._cut,
            "slow": self._drip,
        }.get(answer)
        if special:
            return await special(request, body)
        if answer.isdigit():
            return web.Response(status=int(answer))
        if answer.startswith("flaky") and self.hits[MEDIA + name] == 1:
            return web.Response(
                status=int(answer.removeprefix("flaky")), headers={"Retry-After": "1"}
            )
        if answer == "html":
            return web.Response(
                text="<html><body>This image is not available.</body></html>",
                content_type="text/html",
            )
        if answer == "truncated":
            body = body[: len(body) // 2]
        return web.Response(body=body, content_type=_content_type(body))

    async def _cut(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Promise the whole body, send half, and hang up."""
        response = await _begin(request, body)
        await response.write(body[: len(body) // 2])
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
    response = web.StreamResponse(
        headers={"Content-Type": _content_type(body), "Content-Length": str(len(body))}
    )
    await response.prepare(request)
    return response


def _content_type(body: bytes) -> str:
    return (
        "image/png"
        if body.startswith(b"\x89PNG")
        else "image/webp"
        if body[8:12] == b"WEBP"
        else "image/jpeg"
    )


def _is_answer(answer: str) -> bool:
    return answer in ANSWERS or re.fullmatch(r"[1-5][0-9][0-9]", answer) is not None


def _problem(status: int, title: str, kind: str, detail: str) -> web.Response:
    body: dict[str, Any] = {
        "title": title,
        "type": kind,
        "status": status,
        "detail": detail,
    }
    return web.json_response(body, status=status)


def _too_many(limits: dict[str, str], near: bool) -> web.Response:
    """A plain 429, as text; a planted one resets within the second."""
    reset = str(int(time.time())) if near else limits["x-rate-limit-reset"]
    headers = limits | {"x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
    return web.Response(status=429, text="Rate limit exceeded\n", headers=headers)


def main() -> None:
    """Serve a world until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m twigma.demo.platform.server", description=__doc__
    )
    parser.add_argument("world", type=Path, help="folder of a demo world")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument(
        "--faults", action="store_true", help="plant one 503 and one 429"
    )
    args = parser.parse_args()
    with Platform(
        args.world, args.port, faults=DEMO_FAULTS if args.faults else None
    ) as platform:
        try:
            print(
                f"X API at {platform.api_url}, images at {platform.image_url}/media/; Ctrl-C stops",
                flush=True,
            )
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
