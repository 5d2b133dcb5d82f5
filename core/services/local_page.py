"""A page that this machine alone can open: `twigma label` and `twigma explore --work` serve theirs with it.

The address holds a random token, and every request needs it, the right host and no other origin. Nothing is loaded
from elsewhere: the policy of the page allows its own program, style and pictures.
"""

import errno
import hmac
import json
import secrets
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ADDRESS = "127.0.0.1"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Of every page: what else it may do is its own policy.
STRICT = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """What a request gets."""

    body: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK


def json_answer(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """A JSON value as an answer."""
    return Answer(json.dumps(value).encode(), JSON, status)


def refusal(sentence: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Answer:
    """A sentence for the reader of the page, who asked for what cannot be had."""
    return json_answer({"error": sentence}, status)


@dataclass(frozen=True)
class Request:
    """What was sent to the page: the type that its sender states, and the bytes."""

    kind: str
    body: bytes

    def json(self) -> dict[str, Any]:
        """The JSON object that was sent; ValueError where it is none."""
        value = json.loads(self.body) if self.kind == JSON else None
        if not isinstance(value, dict):
            raise ValueError("expected a request of the page")
        return value


class LocalPage(ThreadingHTTPServer):
    """A page on the loopback address; `url` is its whole address. A page is a class that overrides `get` and `post`."""

    daemon_threads = True
    policy = ""  # what the page may do beyond `STRICT`
    command = "twigma"  # the command that prints the address
    most_bytes = 10_000  # of a request

    def __init__(self, port: int = 0) -> None:
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "is not yours"
            raise OSError(
                f"port {port} of this machine {why}: choose another with --port, or 0 for any free one"
            ) from None

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def get(self, path: str) -> Answer | None:
        """The answer to a path below the token; None where there is nothing."""
        raise NotImplementedError

    def post(self, path: str, request: Request) -> Answer | None:
        """The answer to what was sent to a path; None where nothing is expected."""
        raise NotImplementedError

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong in a request; nothing where the browser closed the connection."""
        # The reader went on to another picture, or left: while a request is read or answered.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def serve_until_stopped(self) -> None:
        """Serve until the process is interrupted (Ctrl-C), which is how such a page ends."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            return


class _Handler(BaseHTTPRequestHandler):
    server: LocalPage
    protocol_version = "HTTP/1.1"
    server_version = "twigma"
    sys_version = ""
    timeout = 60

    def log_message(self, *_: object) -> None:
        """Nothing: the address holds the token."""

    def do_GET(self) -> None:
        path = self._path()
        if path is None:
            return
        try:
            answer = self.server.get(path)
        except (ValueError, OSError) as error:
            answer = refusal(str(error))
        self._send(answer or refusal("there is no such page", HTTPStatus.NOT_FOUND))

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        request = self._request()
        answer: Answer | None = None
        if request is not None:
            try:
                answer = self.server.post(path, request)
            except (ValueError, OSError) as error:
                answer = refusal(str(error))
        if answer is None:
            self.close_connection = True
            answer = refusal("expected a request of the page")
        self._send(answer)

    def _path(self) -> str | None:
        """The path after the token; None, and a refusal, for another host, origin or token."""
        host = f"{ADDRESS}:{self.server.server_port}"
        address = self.path.partition("?")[0].removeprefix("/")
        token, _, path = address.partition("/")
        own = self.headers.get("Origin", f"http://{host}") == f"http://{host}"
        right = hmac.compare_digest(token.encode(), self.server.token.encode())
        # Another host is a name that somebody pointed at this machine.
        if self.headers.get("Host") == host and own and right:
            return path
        self.close_connection = True
        sentence = f"open the whole address that `{self.server.command}` printed"
        self._send(refusal(sentence, HTTPStatus.FORBIDDEN))
        return None

    def _request(self) -> Request | None:
        """What was sent; None where it has no length, or is too long."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > self.server.most_bytes:
            return None
        body = self.rfile.read(int(length))
        return Request(self.headers.get_content_type(), body)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        policy = "; ".join(filter(None, (STRICT, self.server.policy)))
        self.send_header("Content-Security-Policy", policy)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
