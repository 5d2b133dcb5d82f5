"""The demo's X API around its answers: tokens, windows of calls, refusals, and faults planted on purpose."""

import time
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from twigma.demo.platform.x_responses import PROBLEMS, count, lookup, search, users
from twigma.demo.platform.x_world import World

LOOKUP, SEARCH = "/2/tweets", "/2/tweets/search/all"
USERS, COUNTS = "/2/users", "/2/tweets/counts/all"
LIMITS = {LOOKUP: 3500, SEARCH: 300, USERS: 300, COUNTS: 300}  # calls a window
RESPONSES = {LOOKUP: lookup, SEARCH: search, USERS: users, COUNTS: count}
WINDOW = 900  # seconds
# Faults after which X gives nothing more: status, title, last part of type.
STOPS = {
    "usage-capped": (429, "UsageCapExceeded", "usage-capped"),
    "credits": (402, "CreditsDepleted", "credits"),
    "spend-cap": (403, "SpendCapReached", "credits"),
}
FAULTS = (*STOPS, "503", "429", "cut", "drop", "dead-token")


class XApi:
    """The API over a world; the parameters are those of `Platform`.

    `billed` counts posts given out by id, `billed_users` users, and `asked` lists the calls.
    """

    def __init__(
        self,
        world: World,
        faults: Mapping[int, str],
        limits: Mapping[str, int],
        window: int,
        token: str | None,
    ) -> None:
        self.world = world
        self.faults = faults
        self.limits = LIMITS | dict(limits)
        self.window = window
        self.token = token
        self.billed: Counter[str] = Counter()
        self.billed_users: Counter[str] = Counter()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._windows: dict[str, tuple[int, int]] = {}  # path -> (its end, calls made)

    def answer(self, request: web.BaseRequest) -> web.Response:
        """What X answers to a request."""
        path = request.path
        if request.method != "GET" or path not in LIMITS:
            return _problem(404, "Not Found", "about:blank", f"nothing at {path}")
        params = dict(request.query)
        self.asked.append((path, params))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token or self.token not in (None, token):
            return _problem(401, "Unauthorized", "about:blank", "Unauthorized")
        limits = self._count(path)
        fault = self.faults.get(len(self.asked), "")
        if fault == "429" or limits["x-rate-limit-remaining"] == "-1":
            return _too_many(limits, near=fault == "429")
        planted = _planted(fault, request) if fault else None
        response = planted or self._respond(path, params)
        response.headers.update(limits)
        return response

    def _respond(self, path: str, params: dict[str, str]) -> web.Response:
        try:
            answer = RESPONSES[path](self.world, params)
        except ValueError as refusal:
            return _invalid(str(refusal))
        if path in (LOOKUP, SEARCH):
            self.billed.update(post["id"] for post in answer.get("data", []))
        users = answer.get("includes", {}).get("users", [])
        if path == USERS:
            users = answer.get("data", [])
        self.billed_users.update(user["id"] for user in users)
        return web.json_response(answer)

    def _count(self, path: str) -> dict[str, str]:
        """Count a call in its window; the headers with how many are left (-1: this one is over the limit)."""
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


def _planted(fault: str, request: web.BaseRequest) -> web.Response:
    """The answer of a planted fault."""
    if fault in STOPS:
        status, title, kind = STOPS[fault]
        detail = f"{title}: this account may read no more posts"
        return _problem(status, title, PROBLEMS + kind, detail)
    if fault == "dead-token":
        return _invalid("The `next_token` is not valid")
    if fault == "cut":
        half = b'{"data": [{"id": "1'
        return web.Response(body=half, content_type="application/json")
    if fault == "drop" and request.transport is not None:
        request.transport.abort()
    return _problem(503, "Service Unavailable", "about:blank", "Service Unavailable")


def _invalid(detail: str) -> web.Response:
    return _problem(400, "Invalid Request", PROBLEMS + "invalid-request", detail)


def _problem(status: int, title: str, kind: str, detail: str) -> web.Response:
    body = {"title": title, "type": kind, "status": status, "detail": detail}
    return web.json_response(body, status=status)


def _too_many(limits: dict[str, str], near: bool) -> web.Response:
    """A plain 429, as text; a planted one resets within the second."""
    reset = str(int(time.time())) if near else limits["x-rate-limit-reset"]
    headers = limits | {"x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
    return web.Response(status=429, text="Rate limit exceeded\n", headers=headers)
