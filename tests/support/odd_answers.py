"""What real image hosts and the networks before them answer instead of an image, and a proxy."""

import gzip
import http.client
import select
import socket
import zlib
from urllib.parse import urlsplit

from . import loopback
from .servers import Answer, Handler, Host

LOGIN_PAGE = (
    b"<!DOCTYPE html><html><body>Accept the terms to use this Wi-Fi</body></html>"
)


def captive_portal(handler: Handler) -> None:
    """A login page in the place of every answer, with 200."""
    handler.reply(200, LOGIN_PAGE, Content_Type="text/html")


def gzipped(data: bytes, encoding: str = "gzip") -> Answer:
    """The image packed, though the request said `identity`."""
    return lambda handler: handler.reply(
        200, gzip.compress(data), Content_Encoding=encoding
    )


def deflated(data: bytes, *, raw: bool = False) -> Answer:
    """The image packed by deflate: with the header of zlib, or raw, as some hosts send it."""
    packer = zlib.compressobj(wbits=-15 if raw else 15)
    packed = packer.compress(data) + packer.flush()
    return lambda handler: handler.reply(200, packed, Content_Encoding="deflate")


class HostV6(Host):
    """The image host on `[::1]`."""

    address_family = socket.AF_INET6

    def __init__(self, answers: dict[str, bytes | int | Answer] | None = None) -> None:
        super().__init__(answers)

    def server_bind(self) -> None:
        self.server_address = ("::1", 0)
        super().server_bind()

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://[::1]:{self.server_address[1]}"


class ProxyHandler(loopback.Handler):
    """A forward proxy: an absolute address in the request line (RFC 9112, 3.2.2), or a tunnel (RFC 9110, 9.3.6).

    It resolves names as its `names` say.
    """

    server: "Proxy"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.seen.append(self.path)
        place = self.server.names.get(parts.hostname or "")
        if place is None:
            self.reply(502, b"no such host")
            return
        upstream = http.client.HTTPConnection(place, timeout=10)
        upstream.request("GET", f"{parts.path}?{parts.query}")
        answer = upstream.getresponse()
        self.reply(answer.status, answer.read())
        upstream.close()

    def do_CONNECT(self) -> None:
        name, _, _ = self.path.rpartition(":")
        self.server.seen.append(f"CONNECT {self.path}")
        place = self.server.names.get(name)
        if place is None:
            self.reply(403, b"not allowed")
            return
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            _pump(self.connection, far)
        self.close_connection = True


class Proxy(loopback.Server):
    """The proxy; `names` maps a host to HOST:PORT of the server that stands for it, `seen` lists requests."""

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__(ProxyHandler)
        self.names = names
        self.seen: list[str] = []


def _pump(near: socket.socket, far: socket.socket) -> None:
    other = {near: far, far: near}
    while True:
        ready, _, _ = select.select([near, far], [], [], 10)
        if not ready:
            return
        for each in ready:
            data = each.recv(65536)
            if not data:
                return
            other[each].sendall(data)
