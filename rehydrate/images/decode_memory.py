"""Room for large images: how many are decoded at once, over all threads and worker processes of this machine.

An image of 50 million pixels takes half a gigabyte while it is decoded, whatever its file weighs. Small ones go ahead;
large ones wait for one of as many places as the machine's free memory has. Used by `twigma rehydrate`, `twigma add` and
every stage with pixels.
"""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from twigma.core.machine import available_memory
from twigma.rehydrate.images.image_headers import (
    MAX_PIXELS,
    BadImage,
    max_pixels,
    read_header,
)

LARGE_PIXELS = 4_000_000  # an image below takes less than 50 MB
LARGE_BYTES = 700 << 20  # what one of MAX_PIXELS takes, with its copies
MOST_PLACES = 64
# Bytes that one worker process may ask for, its libraries included.
LEAST_SHARE = 2 << 30
MOST_SHARE = 4 << 30
# Bytes of images that one worker holds while others are fetched.
LEAST_BUFFER = 32 << 20
MOST_BUFFER = 256 << 20
RETRY_SECONDS = 0.05  # between two looks for a free place
UNKNOWN = 4 << 30  # bytes that are taken to be free where no system says so


def large_bytes() -> int:
    """Bytes that the largest image takes while it is decoded, with its copies."""
    return LARGE_BYTES * max_pixels() // MAX_PIXELS


def _free(stated: int | None) -> int:
    """Bytes of free memory: as stated, or as this machine has them."""
    if stated is not None:
        return stated
    there = available_memory()
    return UNKNOWN if there is None else there


def places(free: int | None = None) -> int:
    """How many large images may be decoded at once: what half of the free memory has room for, at least one."""
    half = _free(free) // 2
    return min(MOST_PLACES, max(1, half // large_bytes()))


def share(workers: int, free: int | None = None) -> int:
    """Bytes that each of so many worker processes may ask for: its part of half the free memory, within bounds."""
    half = _free(free) // 2
    # The bounds are for images of MAX_PIXELS: a worker that may decode larger ones needs so much more.
    larger = max(0, large_bytes() - LARGE_BYTES)
    share = min(MOST_SHARE, max(LEAST_SHARE, half // max(1, workers)))
    return share + larger


def buffer(workers: int, free: int | None = None) -> int:
    """Bytes of images that each of so many workers may hold before and after decoding: an eighth of the free memory."""
    eighth = _free(free) // 8
    return min(MOST_BUFFER, max(LEAST_BUFFER, eighth // max(1, workers)))


class Places:
    """Places for large images, shared by threads, and by the processes that name the same file.

    A place is a lock on one byte of the file: the kernel gives it back when its process is killed.
    """

    def __init__(self, count: int, file: Path | None = None) -> None:
        self._count, self._path = count, file
        self._threads = threading.BoundedSemaphore(count if file is None else 1)

    @contextmanager
    def room(self, data: bytes) -> Iterator[None]:
        """Wait until an encoded image may be decoded."""
        with self.room_of(_pixels(data)):
            yield

    @contextmanager
    def room_of(self, pixels: int) -> Iterator[None]:
        """Wait until an image of so many pixels may be decoded."""
        if pixels <= LARGE_PIXELS:
            yield
            return
        with self._threads:
            if self._path is None:
                yield
                return
            with self._path.open("a+b") as file:  # closing it gives the place back
                self._take(file)
                yield

    def _take(self, file: IO[bytes]) -> None:
        """Lock the first free place; they are asked in turn, as one of several cannot be waited for."""
        while True:
            for at in range(self._count):
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
                except OSError:
                    continue
                return
            time.sleep(RETRY_SECONDS)


def _pixels(data: bytes) -> int:
    """How many pixels an encoded image says it has; 0 where it is refused anyway."""
    try:
        header = read_header(data)
    except BadImage:
        return 0
    return header.width * header.height


_shared: list[Places] = []  # by the threads of this process
_creation = threading.Lock()


def room(data: bytes) -> AbstractContextManager[None]:
    """Wait until an encoded image may be decoded in this process, beside its other threads."""
    return _shared_places().room(data)


def room_of(pixels: int) -> AbstractContextManager[None]:
    """Wait until an image of so many pixels may be decoded in this process, beside its other threads."""
    return _shared_places().room_of(pixels)


def _shared_places() -> Places:
    with _creation:
        # The free memory is measured when the first image comes, not at import.
        if not _shared:
            _shared.append(Places(places()))
    return _shared[0]
