"""Answers of servers that end: a time limit on the whole of an answer and a limit on its size.

The time-outs of HTTP clients are for one read: a server that sends a byte a second passes them for ever. Used by the
clients of the X API, Zenodo and the Hub.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twigma.core.safety.bounded import inflated

T = TypeVar("T")

ANSWER_BYTES = 16 << 20  # of JSON; the largest page of posts is about two
ANSWER_SECONDS = 120.0
LEAST_SPEED = 1024  # bytes a second of a download
PATIENCE = 60.0  # seconds over which that speed is measured


class TooSlow(OSError):  # noqa: N818 - it describes the server
    """A server that keeps a connection busy without getting on."""


def within(seconds: float, call: Callable[[], T], what: str) -> T:
    """What `call` returns or raises; TooSlow after so many seconds, while the call ends by itself in its thread."""
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TooSlow(f"{what}: no complete answer within {seconds:g} s")
    done, value = outcome.pop()
    if done:
        result: T = value
        return result
    try:
        raise value
    finally:
        del (
            value
        )  # an error that holds a connection is not to wait for the garbage collector


def read_answer(
    parts: Iterator[bytes],
    encoding: str,
    what: str,
    most: int = ANSWER_BYTES,
    seconds: float = ANSWER_SECONDS,
) -> bytes:
    """The complete body, unpacked.

    ValueError where it is larger than `most` bytes, TooSlow where it takes longer than `seconds`.
    """
    timed = _timed(parts, time.monotonic() + seconds, what)
    data = bytearray()
    for part in inflated(timed, encoding, most):
        data += part
    return bytes(data)


def _timed(parts: Iterator[bytes], end: float, what: str) -> Iterator[bytes]:
    for part in parts:
        if time.monotonic() > end:
            raise TooSlow(f"{what}: no complete answer in time")
        yield part


class Pace:
    """The least speed of a download: `add(bytes)` raises TooSlow below it, measured over the last minute."""

    def __init__(
        self, what: str, patience: float | None = None, speed: float = LEAST_SPEED
    ) -> None:
        self._what = what
        self._speed = speed
        self._patience = PATIENCE if patience is None else patience
        self._since = time.monotonic()
        self._bytes = 0

    def add(self, received: int) -> None:
        """Count bytes that have arrived."""
        self._bytes += received
        elapsed = time.monotonic() - self._since
        if elapsed < self._patience:
            return
        if self._bytes < elapsed * self._speed:
            raise TooSlow(
                f"{self._what}: {self._bytes:,} bytes in {elapsed:.0f} s is too slow"
            )
        self._since = time.monotonic()
        self._bytes = 0
