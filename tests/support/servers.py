"""A loopback image host for the tests: scripted answers, and a log of every request."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from . import loopback

Answer = Callable[["Handler"], None]


class Handler(loopback.Handler):
    """Looks up the path, without its query, in the server's answers."""

    server: "Host"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        with self.server.guard:
            self.server.log.append((time.monotonic(), self.path))
            self.server.hits[path] += 1
        answer = self.server.answers.get(path, 404)
        if isinstance(answer, bytes):
            self.reply(200, answer)
        elif isinstance(answer, int):
            self.reply(answer, b"no")
        else:
            answer(self)


class Host(loopback.Server):
    """The server: `answers` maps a path to bytes, a status code or a function."""

    def __init__(self, answers: dict[str, bytes | int | Answer] | None = None) -> None:
        super().__init__(Handler)
        self.answers = answers if answers is not None else {}
        self.log: list[tuple[float, str]] = []
        self.hits: Counter[str] = Counter()
        self.guard = threading.Lock()
