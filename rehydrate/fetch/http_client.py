"""One image over HTTP: sizes to ask for, redirects, limits, retries, and the class of every failure.

`Client.get` never raises for what a server does: it answers an `Outcome` with a status. Used by `twigma rehydrate`.
"""

import asyncio
import contextlib
import email.utils
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import aiohttp
from yarl import URL

from twigma.rehydrate.fetch.host_guard import Gate, public_socket
from twigma.rehydrate.images.decode_memory import MOST_BUFFER

SIZES: dict[str, tuple[str, ...]] = {
    name: (name,) for name in ("thumb", "small", "medium", "large", "4096x4096")
}
SIZES["orig"] = ("orig", "4096x4096", "large")
RETRYABLE = frozenset({"http_5xx", "http_429", "timeout", "connection", "dns"})
ROBOT = "twigma"
HEADERS = {
    "User-Agent": f"Mozilla/5.0 (compatible; {ROBOT}; research dataset rehydration)",
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # a compressed answer could unpack to any size
}
OPT_OUT = frozenset(
    {"noai", "noimageai", "noindex", "noimageindex"}
)  # img2dataset's default list
_RULES_WITH_VALUE = {
    "unavailable_after",
    "max-snippet",
    "max-image-preview",
    "max-video-preview",
}
_NAMED = {403, 404, 410, 429}
_PAUSE = 5.0  # seconds, when a host says 429 and not for how long
_SLOW_AFTER = 3.0  # seconds before the least speed is asked for


@dataclass(frozen=True)
class Limits:
    """What one image may cost: bytes, seconds for a request, tries, seconds of waiting, bytes a second at least."""

    max_bytes: int = 20_000_000
    deadline: float = 30.0
    retries: int = 3
    patience: float = 90.0
    min_speed: float = 1024.0


LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """How one request ended: `success` with bytes, or the class of failure with a sentence."""

    status: str
    error: str | None = None
    data: bytes = b""
    pause: float | None = None  # seconds the host asked everyone to wait
    final: bool = False  # not worth another try in this run


def request_urls(
    url: str | None, size: str = "small", image_base_url: str | None = None
) -> list[str]:
    """The addresses to ask for one photo, best first: media on pbs.twimg.com by name and size, others as they are.

    >>> request_urls("https://pbs.twimg.com/media/Abc.jpg", "small")
    ['https://pbs.twimg.com/media/Abc?format=jpg&name=small']
    """
    match = re.fullmatch(
        r"https?://pbs\.twimg\.com/(?:media/([\w-]+)\.(\w+)|(.+))", url or ""
    )
    if not match:
        return [url or ""]
    base = (image_base_url or "https://pbs.twimg.com").rstrip("/")
    name, extension, other = match.groups()
    if other:
        return [f"{base}/{other}"]
    return [
        f"{base}/media/{name}?format={extension}&name={asked}" for asked in SIZES[size]
    ]


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
    ) -> None:
        self.limits = limits or Limits()
        self._backlog, self._unread = (
            backlog,
            unread,
        )  # bytes that the caller has not read: no request above so many
        self._allow = frozenset(entry.lower() for entry in allow)
        self._gate = Gate(gate)
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(connections)
        )
        self._all = asyncio.Semaphore(8 * connections)

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

    def _session(self, factory: object) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, ttl_dns_cache=300, socket_factory=factory
        )  # type: ignore[arg-type]
        return aiohttp.ClientSession(
            connector=connector,
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(total=self.limits.deadline),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def get(self, urls: Sequence[str]) -> Outcome:
        """The first of these addresses that exists; at most patience + deadline seconds."""
        end = time.monotonic() + self.limits.patience
        outcome = Outcome(
            "timeout",
            f"no answer within {self.limits.patience + self.limits.deadline:g} s of tries",
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.patience + self.limits.deadline):
                for url in urls:
                    outcome = await self._persist(url, end)
                    if outcome.status not in ("http_404", "http_403", "http_4xx"):
                        break
        return outcome

    async def _persist(self, url: str, end: float) -> Outcome:
        for attempt in range(self.limits.retries + 1):
            outcome = await self._follow(url, end)
            backoff = random.uniform(0, 0.5 * 2**attempt)  # full jitter
            passing = outcome.status in RETRYABLE and not outcome.final
            if (
                not passing
                or attempt == self.limits.retries
                or time.monotonic() + backoff > end
            ):
                return outcome
            await asyncio.sleep(backoff)
        return outcome

    async def _follow(self, url: str, end: float) -> Outcome:
        for _ in range(6):
            outcome = await self._ask(url, end)
            if outcome.status != "redirect":
                return outcome
            url = outcome.error or ""
        return Outcome("connection", "more than 5 redirects")

    async def _ask(self, url: str, end: float) -> Outcome:
        try:
            target = URL(url)
            host = f"{target.host}:{target.port}".lower()
        except ValueError as error:
            return Outcome("refused", f"not an address: {error}")
        if target.scheme not in ("http", "https") or not target.host:
            return Outcome(
                "refused", f"only http and https are fetched, found {url[:80]!r}"
            )
        async with self._hosts[host]:
            entered = await self._gate.enter(host, end - time.monotonic())
            if entered == "closed":
                return Outcome(
                    "http_429",
                    f"{host} asked for a longer pause than this run waits; fetch again later",
                )
            pause: float | None = 0.0
            while self._backlog() > self._unread:
                await asyncio.sleep(0.01)
            try:
                async with self._all:
                    outcome = await self._request(target, host)
                pause = outcome.pause
            finally:
                if entered == "probe" or pause:
                    self._gate.answered(host, entered, pause)
        return outcome

    async def _request(self, target: URL, host: str) -> Outcome:
        allowed = host in self._allow or host.rpartition(":")[0] in self._allow
        session = self._allowed if allowed else self._guarded
        try:
            async with session.get(target, allow_redirects=False) as response:
                return _refusal(response) or await self._read(response)
        except TimeoutError:
            return Outcome(
                "timeout", f"no complete answer within {self.limits.deadline:g} s"
            )
        except aiohttp.ClientConnectorDNSError as error:
            return Outcome("dns", str(error))
        except aiohttp.InvalidURL as error:
            return Outcome("refused", f"not an address: {error}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            policy = "is not a public address" in str(error)
            return Outcome(
                "refused" if policy else "connection",
                str(error) or type(error).__name__,
            )

    async def _read(self, response: aiohttp.ClientResponse) -> Outcome:
        cap, started = self.limits.max_bytes, time.monotonic()
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
            if elapsed > _SLOW_AFTER and len(data) < elapsed * self.limits.min_speed:
                response.close()
                return Outcome(
                    "timeout",
                    f"{len(data):,} bytes in {elapsed:.0f} s is too slow",
                    final=True,
                )
        return Outcome("success", data=bytes(data))


def _refusal(response: aiohttp.ClientResponse) -> Outcome | None:
    """What the status line and headers already decide; None when the body is wanted."""
    code = response.status
    if code in (301, 302, 303, 307, 308) and "Location" in response.headers:
        return Outcome(
            "redirect", str(response.url.join(URL(response.headers["Location"])))
        )
    if code in (429, 503):
        return Outcome(
            "http_429" if code == 429 else "http_5xx",
            f"HTTP {code}",
            pause=_retry_after(response),
        )
    if code != 200:
        status = (
            f"http_{code}"
            if code in _NAMED
            else "http_5xx"
            if code >= 500
            else "http_4xx"
        )
        return Outcome(status, f"HTTP {code}")
    rules = opted_out(response.headers.getall("X-Robots-Tag", []))
    return Outcome("noai", f"X-Robots-Tag says {rules}") if rules else None


def opted_out(values: Sequence[str]) -> str | None:
    """The first X-Robots-Tag value that forbids use by this robot or by all; a value for another robot is not ours."""
    for value in values:
        robot, colon, _ = (part.strip().lower() for part in value.partition(":"))
        for_other = (
            colon
            and "," not in robot
            and robot not in _RULES_WITH_VALUE
            and robot not in (ROBOT, "*")
        )
        if not for_other and OPT_OUT & set(re.split(r"[\s,:]+", value.lower())):
            return value
    return None


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds to pause, a date being counted from the server's own Date; None when nothing was said with a 503."""
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        now = email.utils.parsedate_to_datetime(response.headers["Date"])
        return max(
            0.0, (email.utils.parsedate_to_datetime(value) - now).total_seconds()
        )
    except (KeyError, ValueError, TypeError):
        return _PAUSE if response.status == 429 else None
