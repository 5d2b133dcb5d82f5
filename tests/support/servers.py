"""A loopback image host for the tests: scripted answers, and a log of every request."""

import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit

Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Looks up the path, without its query, in the server's answers."""

    protocol_version = "HTTP/1.1"
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

    def reply(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


class Host(http.server.ThreadingHTTPServer):
    """A server on 127.0.0.1 in a thread: `answers` maps a path to bytes, a status code or a function."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answers: dict[str, bytes | int | Answer] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes | int | Answer] = (
            answers if answers is not None else {}
        )
        self.log: list[tuple[float, str]] = []
        self.hits: Counter[str] = Counter()
        self.guard = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Host":
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        return None  # clients are killed and hang up: that is what the tests are about
