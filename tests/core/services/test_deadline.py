"""Answers that are too large or never end: one try that failed, whatever the service."""

import gzip
import http.server
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import loopback
from support.unpacking import gzip_bomb

from twigma.core.services.deadline import Pace, TooSlow, read_answer, within
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.refusals import ApiError


@contextmanager
def answering(
    body: bytes, *, head: str = "", drip: bytes = b"", raw: bytes = b""
) -> Iterator[tuple[str, list[str]]]:
    """A server that sends a body, then `drip` ten times a second; or `raw` again and again inside the head."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if raw:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Pad: ")
            else:
                size = "" if drip else f"Content-Length: {len(body)}\r\n"
                self.wfile.write(f"HTTP/1.1 200 OK\r\n{size}{head}\r\n".encode() + body)
            try:
                while drip or raw:
                    self.wfile.write(drip or raw)
                    time.sleep(0.1)
            except OSError:
                return
            finally:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with loopback.Server(Handler) as server:
        yield server.url, asked


@pytest.mark.parametrize("raw", [b"", b"H"], ids=["body", "head"])
def test_a_byte_now_and_then_is_a_failed_try(raw: bytes) -> None:
    with answering(b"{", drip=b" ", raw=raw) as (url, asked):
        client = XClient(
            url,
            "token-of-sixteen-or-more",
            deadline=0.5,
            attempts=2,
            sleep=lambda seconds: None,
        )
        started = time.monotonic()
        with (
            client as x,
            pytest.raises(ApiError, match="in 2 tries, last X API: no complete answer"),
        ):
            x.lookup(["1"])
        assert time.monotonic() - started < 10
    assert len(asked) == 2


def test_slow_answers_count_as_waiting() -> None:
    with answering(b"{", drip=b" ") as (url, asked):
        client = XClient(
            url,
            "token-of-sixteen-or-more",
            deadline=0.4,
            patience=0.7,
            sleep=lambda seconds: None,
        )
        with client as x, pytest.raises(ApiError, match="no complete answer"):
            x.lookup(["1"])
    assert len(asked) <= 2


@pytest.mark.parametrize(
    ("body", "head", "said"),
    [
        (
            gzip_bomb(b"{", b" ", 100_000),
            "Content-Encoding: gzip\r\n",
            "over 16,777,216 bytes",
        ),
        (
            gzip.compress(gzip.compress(b"{}")),
            "Content-Encoding: gzip, gzip\r\n",
            "not asked for",
        ),
        (b" " * (17 << 20), "", "over 16,777,216 bytes"),
        (
            b"[" + b"[]," * 1_200_000 + b"1]",
            "",
            "an answer of an unnamed type that is no page of posts",
        ),
        (b"not gzip", "Content-Encoding: gzip\r\n", "incorrect header"),
    ],
    ids=["bomb", "twice", "long", "values", "other"],
)
def test_an_answer_larger_than_any_page_is_a_failed_try(
    body: bytes, head: str, said: str
) -> None:
    with answering(body, head=head) as (url, asked):
        client = XClient(
            url, "token-of-sixteen-or-more", attempts=2, sleep=lambda seconds: None
        )
        with (
            client as x,
            pytest.raises(ApiError, match=f"in 2 tries, .*{said}.*run again"),
        ):
            x.lookup(["1"])
    assert len(asked) == 2


def test_a_packed_page_is_read() -> None:
    packed = gzip.compress(b'{"data": []}')
    answers = answering(packed, head="Content-Encoding: gzip\r\n")
    with answers as (url, _), XClient(url, "token-of-sixteen-or-more") as x:
        assert x.lookup(["1"]) == {"data": []}


def test_what_a_call_gives_or_raises_comes_through() -> None:
    assert within(5, lambda: 7, "it") == 7
    with pytest.raises(KeyError):
        within(5, lambda: {}["x"], "it")  # type: ignore[index, unused-ignore]
    with pytest.raises(TooSlow, match=r"it: no complete answer within 0\.05 s"):
        within(0.05, lambda: time.sleep(1), "it")


def test_a_body_has_a_size_and_a_time() -> None:
    assert read_answer(iter([b"ab", b"c"]), "", "it") == b"abc"
    with pytest.raises(ValueError, match="over 2 bytes"):
        read_answer(iter([b"ab", b"c"]), "", "it", most=2)
    with pytest.raises(TooSlow, match="in time"):
        read_answer(iter([b"ab"]), "", "it", seconds=-1)


def test_a_download_has_a_least_speed() -> None:
    pace = Pace("it", patience=0.2, speed=1000)
    time.sleep(0.25)
    pace.add(5000)
    pace.add(1)
    time.sleep(0.25)
    with pytest.raises(TooSlow, match=r"it: .* is too slow"):
        pace.add(1)
