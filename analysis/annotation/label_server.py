"""`twigma label DIR --work WORK`: a page on this machine alone, where people see the pictures and label them.

The address holds a random token, and every request needs it. Nothing is loaded from elsewhere: the policy of the page
allows its own script, style and pictures. Text that strangers wrote is only ever set as text.
"""

import hmac
import io
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twigma.analysis.annotation.label_store import LabelStore
from twigma.core import locks

if TYPE_CHECKING:
    from PIL.Image import Image

HERE = Path(__file__).resolve().parent
FILES = {
    "": ("labelling.html", "text/html; charset=utf-8"),
    "labelling.js": ("labelling.js", "text/javascript; charset=utf-8"),
    "labelling.css": ("labelling.css", "text/css; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SIDE = 1024  # pixels of the longer side
MOST_BYTES = 10_000  # of a request
JSON = "application/json"


class LabelServer(ThreadingHTTPServer):
    """The page of one folder of label sheets; `url` is its address."""

    daemon_threads = True

    def __init__(
        self, folder: Path, images: "Mapping[str, Image]", port: int = 0
    ) -> None:
        self.store = LabelStore(folder)
        self.images = images
        self.token = secrets.token_urlsafe(24)
        self.drawing = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def picture(self, item: str) -> bytes:
        """The picture of an item as a JPEG without metadata; KeyError, ValueError or OSError where there is none."""
        from PIL.Image import Resampling

        name = self.store.items[item].image_name
        # One at a time: a picture of a stranger may take much memory.
        with self.drawing:
            image = self.images[name].convert("RGB")
        image.thumbnail((SIDE, SIDE), Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=88)
        return buffer.getvalue()

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the page shows an annotator: the question, the images in their order, the labels so far."""
        order, labels = self.store.start(str(request.get("name", "")))
        about = self.store.about
        items = []
        for item in order:
            row = self.store.items[item]
            blurred = about.blur or row.sensitive
            items.append({"item": item, "caption": row.caption, "blurred": blurred})
        return {"question": about.question, "items": items, "labels": labels}

    def record(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Store one label."""
        name, item, label = (
            str(request.get(key, "")) for key in ("name", "item", "label")
        )
        return {"done": self.store.record(name, item, label)}


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
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
        if path in FILES:
            name, kind = FILES[path]
            self._send(HTTPStatus.OK, kind, (HERE / name).read_bytes())
        elif path.startswith("image/"):
            self._send_picture(path.removeprefix("image/"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        calls: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "start": self.server.start,
            "label": self.server.record,
        }
        request = self._request()
        if request is None or path not in calls:
            self.close_connection = True
            self._refuse(HTTPStatus.BAD_REQUEST, "expected a request of the page")
            return
        try:
            answer = calls[path](request)
        except (ValueError, OSError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, JSON, json.dumps(answer).encode())

    def _path(self) -> str | None:
        """The path after the token; None, and a refusal, for another host, origin or token."""
        host = f"127.0.0.1:{self.server.server_port}"
        address = self.path.partition("?")[0].removeprefix("/")
        token, _, path = address.partition("/")
        own = self.headers.get("Origin", f"http://{host}") == f"http://{host}"
        right = hmac.compare_digest(token.encode(), self.server.token.encode())
        # Another host is a name that somebody pointed at this machine.
        if self.headers.get("Host") == host and own and right:
            return path
        self.close_connection = True
        self._refuse(
            HTTPStatus.FORBIDDEN, "open the whole address that `twigma label` printed"
        )
        return None

    def _request(self) -> Mapping[str, Any] | None:
        """The JSON object that was sent; None where it is none."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != JSON or not length.isdecimal():
            return None
        if int(length) > MOST_BYTES:
            return None
        try:
            request = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        return request if isinstance(request, dict) else None

    def _send_picture(self, item: str) -> None:
        try:
            data = self.server.picture(item)
        except (KeyError, ValueError, OSError):
            self._refuse(HTTPStatus.NOT_FOUND, "this picture is not stored")
            return
        self._send(HTTPStatus.OK, "image/jpeg", data)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, JSON, json.dumps({"error": sentence}).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(
    folder: Path,
    images: "Mapping[str, Image]",
    *,
    port: int = 0,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the page until the process is stopped; `announce` gets its address. Port 0 is any free one.

    RuntimeError when another process serves the folder.
    """
    busy = f"another `twigma label` serves {folder}: use its page, or stop it"
    with locks.alone(folder, busy), LabelServer(folder, images, port) as server:
        announce(server.url)
        server.serve_forever()
