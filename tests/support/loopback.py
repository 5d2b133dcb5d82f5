"""What every loopback server of the tests is: HTTP on 127.0.0.1 in a thread, quiet, on a free port."""

import http.server
import threading
from typing import Self


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection; subclasses say what."""

    protocol_version = "HTTP/1.1"

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole answer; `_` in the name of a header stands for `-`. A HEAD gets no body."""
        self.send_head(code, len(body), **headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_head(self, code: int, length: int, **headers: str) -> None:
        """Send status and headers of an answer of `length` bytes, which are yet to be written."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def body(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, *_: object) -> None:
        return None


class Server(http.server.ThreadingHTTPServer):
    """`with Server(Handler) as server:` serves at `server.url`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        return None  # clients are killed and hang up: that is what the tests are about
