"""Finished files on their way to the store, one after the other beside the work that makes them."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

MOST = 8  # files that wait: the disk does not fill with tars where the network is slow


class Uploads:
    """A queue of files. An error of one is raised where the next is added, or by `wait`."""

    def __init__(self, send: Callable[[Path], None]) -> None:
        self._send = send
        # One thread: a tar is there before its manifest.
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    def add(self, path: Path) -> None:
        """Send a file; waits where too many are on their way."""
        with self._lock:
            while self._waiting and (
                self._waiting[0].done() or len(self._waiting) >= MOST
            ):
                self._waiting.popleft().result()
            self._waiting.append(self._pool.submit(self._send, path))

    def wait(self) -> None:
        """Wait until all are there."""
        with self._lock:
            while self._waiting:
                self._waiting.popleft().result()

    def close(self) -> None:
        """Wait for those that are being sent; what failed stays here, and is found by comparing both sides."""
        self._pool.shutdown()
