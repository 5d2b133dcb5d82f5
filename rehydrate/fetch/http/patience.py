"""How long one photo may be tried; the time that it waits for its turn is not the host's, and does not count."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator


class Patience:
    """What is left of the seconds for one photo, within an `asyncio.timeout` that stands still with it."""

    def __init__(self, seconds: float, timeout: asyncio.Timeout) -> None:
        self._end = time.monotonic() + seconds
        self._timeout = timeout

    @property
    def left(self) -> float:
        """Seconds in which another try may still start."""
        return self._end - time.monotonic()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """A wait that does not count."""
        began = time.monotonic()
        expires = self._timeout.when()
        self._timeout.reschedule(None)
        try:
            yield
        finally:
            waited = time.monotonic() - began
            self._end += waited
            if expires is not None:
                self._timeout.reschedule(expires + waited)

    @contextlib.asynccontextmanager
    async def turn(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """Hold one of these places; the wait for it does not count."""
        with self.stopped():
            await places.acquire()
        try:
            yield
        finally:
            places.release()
