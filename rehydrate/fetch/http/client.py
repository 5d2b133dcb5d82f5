"""One image over HTTP: sizes to ask for, redirects, limits and retries.

`Client.get` never raises for what a server does: it answers an `Outcome` with a status. Used by `twigma rehydrate`.
"""

import asyncio
import contextlib
import random
import re
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from twigma.rehydrate.fetch.http.body_encoding import decoded
from twigma.rehydrate.fetch.http.failure_classes import RETRYABLE
from twigma.rehydrate.fetch.http.host_guard import Gate, host_key, public_socket
from twigma.rehydrate.fetch.http.patience import Patience
from twigma.rehydrate.fetch.http.proxies import Proxies
from twigma.rehydrate.fetch.http.response import (
    OPT_OUT,
    ROBOT,
    Outcome,
    opted_out,
    refusal,
)
from twigma.rehydrate.images.decode_memory import MOST_BUFFER

__all__ = [
    "LIMITS",
    "OPT_OUT",
    "ROBOT",
    "SIZES",
    "Client",
    "Limits",
    "Outcome",
    "opted_out",
    "request_urls",
]

# The names of the sizes to ask pbs.twimg.com for, by the size that was chosen: the first that exists is taken.
SIZES: dict[str, tuple[str, ...]] = {
    "thumb": ("thumb",),
    "small": ("small",),
    "medium": ("medium",),
    "large": ("large",),
    "4096x4096": ("4096x4096",),
    "orig": ("orig", "4096x4096", "large"),
}
HEADERS = {
    "User-Agent": f"Mozilla/5.0 (compatible; {ROBOT}; research dataset rehydration)",
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # a compressed answer could unpack to any size
}
MAX_REDIRECTS = 5
HOSTS_AT_ONCE = 8  # requests in all are limited to so many times those to one host
BACKLOG_SECONDS = 0.01  # between two looks at the bytes that the caller has not read
SLOW_AFTER = 3.0  # seconds before the least speed is asked for
SocketFactory = Callable[[tuple[Any, ...]], socket.socket]
# Of `orig`, which pbs.twimg.com may also fail to make: 504.
_MAY_EXIST_ELSEWHERE = (
    "http_404",
    "http_403",
    "http_401",
    "http_451",
    "http_4xx",
    "http_5xx",
)


@dataclass(frozen=True)
class Limits:
    """What one image may cost: bytes, seconds for a request, retries, seconds of waiting, bytes a second at least.

    `pause` is how many seconds no request starts when all images fail alike.
    """

    max_bytes: int = 20_000_000
    deadline: float = 30.0
    retries: int = 3
    patience: float = 90.0
    min_speed: float = 1024.0
    pause: float = 15.0


LIMITS = Limits()


def request_urls(
    url: str | None, size: str = "small", image_base_url: str | None = None
) -> list[str]:
    """The addresses to ask for one photo, best first: media on pbs.twimg.com by name and size, others as they are.

    >>> request_urls("https://pbs.twimg.com/media/Abc.jpg", "small")
    ['https://pbs.twimg.com/media/Abc?format=jpg&name=small']
    """
    url = url or ""
    pattern = r"https?://pbs\.twimg\.com/(?:media/([\w-]+)\.(\w+)|(.+))"
    match = re.fullmatch(pattern, url)
    if not match:
        return [url]
    base = (image_base_url or "https://pbs.twimg.com").rstrip("/")
    name, extension, other = match.groups()
    if other:
        return [f"{base}/{other}"]
    media = f"{base}/media/{name}?format={extension}"
    return [f"{media}&name={size_name}" for size_name in SIZES[size]]


class Client:
    """Keep-alive connections with a guard, a limit per host and the pauses hosts ask for. An async context manager."""

    def __init__(
        self,
        *,
        connections: int = 32,
        limits: Limits | None = None,
        allow: Sequence[str] = (),
        gate: Path | None = None,
        backlog: Callable[[], int] = lambda: 0,
        unread: int = MOST_BUFFER,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """`backlog()` are the bytes that the caller has not read; no request starts while they are over `unread`, nor
        while `is_paused()`.

        `allow` names hosts (HOST or HOST:PORT) that may be private addresses; `connections` is per host; `gate` is the
        file of the pauses that all workers share.
        """
        self.limits = limits or Limits()
        self._backlog = backlog
        self._unread = unread
        self._is_paused = is_paused
        self._allow = frozenset(host_key(entry) for entry in allow)
        self._proxies = Proxies()
        self._gate = Gate(gate)
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(connections)
        )
        self._all = asyncio.Semaphore(HOSTS_AT_ONCE * connections)

    async def __aenter__(self) -> "Client":
        self._guarded = self._session(public_socket)
        self._allowed = self._session(None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._guarded.close()
        await self._allowed.close()

    def _session(self, new_socket: SocketFactory | None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, ttl_dns_cache=300, socket_factory=new_socket
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(total=self.limits.deadline),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def get(self, urls: Sequence[str]) -> Outcome:
        """The first of these addresses that exists; at most patience + deadline seconds, waits for a turn aside."""
        longest = self.limits.patience + self.limits.deadline
        outcome = Outcome("timeout", f"no answer within {longest:g} s of tries")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest) as timeout:
                patience = Patience(self.limits.patience, timeout)
                for url in urls:
                    outcome = await self._retry(url, patience)
                    if outcome.status not in _MAY_EXIST_ELSEWHERE:
                        break
        return outcome

    async def _retry(self, url: str, patience: Patience) -> Outcome:
        """Ask until the answer is final, or the retries or the patience are used up."""
        for attempt in range(self.limits.retries + 1):
            outcome = await self._follow(url, patience)
            if outcome.final or outcome.status not in RETRYABLE:
                return outcome
            backoff = random.uniform(0, 0.5 * 2**attempt)  # full jitter
            is_last = attempt == self.limits.retries
            if is_last or backoff > patience.left:
                return outcome
            await asyncio.sleep(backoff)
        return outcome

    async def _follow(self, url: str, patience: Patience) -> Outcome:
        for _ in range(1 + MAX_REDIRECTS):
            outcome = await self._ask(url, patience)
            if outcome.status != "redirect":
                return outcome
            url = outcome.error or ""
        return Outcome("connection", f"more than {MAX_REDIRECTS} redirects")

    async def _ask(self, url: str, patience: Patience) -> Outcome:
        """One request, when its host is open and the caller has read enough of what came before."""
        try:
            target = URL(url)
            host = host_key(f"{target.host_subcomponent}:{target.port}")
        except ValueError as error:
            return Outcome("refused", f"not an address: {error}")
        if target.scheme not in ("http", "https") or not target.host:
            return Outcome(
                "refused", f"only http and https are fetched, found {url[:80]!r}"
            )
        async with patience.turn(self._hosts[host]):
            entered = await self._gate.enter(host, patience.left)
            if entered == "closed":
                return Outcome(
                    "http_429",
                    f"{host} asked for a longer pause than this run waits; fetch again later",
                )
            pause: float | None = 0.0
            with patience.stopped():
                while self._is_paused() or self._backlog() > self._unread:
                    await asyncio.sleep(BACKLOG_SECONDS)
            try:
                async with patience.turn(self._all):
                    outcome = await self._request(target, host)
                pause = outcome.pause
            finally:
                if entered == "probe" or pause:
                    self._gate.answered(host, entered, pause)
        return outcome

    async def _request(self, target: URL, host: str) -> Outcome:
        name, _, _ = host.rpartition(":")
        allowed = host in self._allow or name in self._allow
        session = self._allowed if allowed else self._guarded
        proxy = None if allowed else self._proxies.of(target)
        try:
            if proxy is not None:
                # The socket is the proxy's, which may be in this network: the guard looks at the name instead.
                session = self._allowed
                await self._proxies.refuse_private(target)
            async with session.get(
                target, allow_redirects=False, proxy=proxy
            ) as response:
                refused = refusal(response)
                if refused is not None:
                    return refused
                return await self._read(response)
        except TimeoutError:
            return Outcome(
                "timeout", f"no complete answer within {self.limits.deadline:g} s"
            )
        except aiohttp.ClientConnectorDNSError as error:
            return Outcome("dns", str(error))
        except aiohttp.InvalidURL as error:
            return Outcome("refused", f"not an address: {error}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Raised by `public_socket`, and wrapped by aiohttp.
            by_policy = "is not a public address" in str(error)
            status = "refused" if by_policy else "connection"
            return Outcome(status, str(error) or type(error).__name__)

    async def _read(self, response: aiohttp.ClientResponse) -> Outcome:
        """The body, unless it is too large or comes too slowly."""
        cap = self.limits.max_bytes
        started = time.monotonic()
        if (response.content_length or 0) > cap:
            return Outcome(
                "too_large",
                f"{response.content_length:,} bytes announced, at most {cap:,} are fetched",
            )
        data = bytearray()
        async for part in response.content.iter_any():
            data += part
            elapsed = time.monotonic() - started
            if len(data) > cap:
                response.close()
                return Outcome("too_large", f"more than {cap:,} bytes")
            if elapsed > SLOW_AFTER and len(data) < elapsed * self.limits.min_speed:
                response.close()
                return Outcome(
                    "timeout",
                    f"{len(data):,} bytes in {elapsed:.0f} s is too slow",
                    final=True,
                )
        encoding = response.headers.get("Content-Encoding", "")
        return decoded(bytes(data), encoding, cap)
