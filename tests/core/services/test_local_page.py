"""A served page: connections that the browser closes end in silence, and every other error is seen."""

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from twigma.core.services.local_page import ADDRESS, Answer, LocalPage

LARGE = 32 << 20  # bytes, more than the buffers of a connection hold


class Page(LocalPage):
    def get(self, path: str) -> Answer | None:
        if path == "broken":
            raise KeyError("a mistake of ours")
        return Answer(b"x" * LARGE, "text/plain")


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(page: Page, text: str) -> socket.socket:
    """A connection on which this was sent, and which sends a reset when it is closed."""
    connection = socket.create_connection((ADDRESS, page.server_port), timeout=10)
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.sendall(text.encode())
    return connection


def request(page: Page, path: str) -> str:
    host = f"{ADDRESS}:{page.server_port}"
    return f"GET /{page.token}/{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_connection_that_is_closed_is_no_error(
    is_whole: bool, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = send(page, request(page, "large") if is_whole else "GET /")
    if is_whole:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    time.sleep(0.2)  # until the thread of the connection reads, or writes
    connection.close()
    # Another request is answered after it.
    with send(page, request(page, "large")) as other:
        assert other.recv(100).startswith(b"HTTP/1.1 200")
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_another_error_is_seen(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    with send(page, request(page, "broken")) as connection:
        assert connection.recv(100) == b""
    assert "KeyError: 'a mistake of ours'" in capsys.readouterr().err
