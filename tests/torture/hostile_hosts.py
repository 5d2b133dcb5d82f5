"""Hostile hosts: internal addresses, drips, endless bodies, storms of 429 (rows 14 to 17 and 22)."""

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from ..support.servers import Answer, Handler, Host
from ..support.worlds import photo
from .fetching import MB, Left, fetch, left_by, names, write_table
from .table import Measured, row

CAP = 20_000_000  # bytes of one body that are read, by default
IN_OPEN = 0x20


# ------------------------------------------------------------------ 14: internal addresses


class Canary:
    """Listens on every address of this machine, IPv4 and IPv6, and counts who connects."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(
            ("", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
        )
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()

    def is_alive(self) -> bool:
        """Whether it does count: one connection over IPv4 and one over IPv6, which are then forgotten."""
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, self.port)).close()
        time.sleep(0.2)
        counted, self.hits = self.hits, 0
        return counted == 2


def spellings() -> list[str]:
    """Ways to write loopback, private and link-local hosts, this machine's own addresses among them."""
    loopback = [
        "127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
        "0", "0.0.0.0", "127.0.0.1.", "127.255.255.254", "%31%32%37.0.0.1", "①②⑦.0.0.1", "127。0。0。1",
        "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::ffff:0:127.0.0.1]",
        "user:pass@127.0.0.1", "pbs.twimg.com@127.0.0.1", "pbs.twimg.com%40x@127.0.0.1",
    ]  # fmt: skip
    private = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fd00::1]",
        "[fe80::1]",
    ]
    return [*loopback, *private, *_own_addresses()]


def _own_addresses() -> list[str]:
    """This machine's name and the addresses it has in its network, where the canary listens too."""
    name = socket.gethostname()
    found = subprocess.run(
        ["hostname", "-I"], capture_output=True, text=True, check=False
    ).stdout.split()
    return [name, *(f"[{address}]" if ":" in address else address for address in found)]


@row(
    14,
    "internal addresses, spelt and redirected to",
    "0 hits on the canary",
    quick=1,
    default=1,
    long=10,
)
def internal_addresses(count: int, folder: Path) -> Measured:
    canary = Canary()
    hosts = spellings()
    with Host() as host:
        urls = {}
        for at, spelling in enumerate(hosts * 3 * count):
            scheme = ("http", "https", "redirect")[at // len(hosts) % 3]
            target = f"{'http' if scheme == 'redirect' else scheme}://{spelling}:{canary.port}/{at}.jpg"
            urls[names(at + 1)[-1]] = (
                target if scheme != "redirect" else f"{host.url}/{at}"
            )
            location = quote(target, safe=":/@[]%")
            host.answers[f"/{at}"] = lambda handler, to=location: handler.reply(
                302, b"", Location=to
            )
        awake = canary.is_alive()
        write_table(folder, urls)
        run = fetch(folder, host.url)
        left = left_by(folder, urls)
    canary.close()
    ok = (
        awake
        and canary.hits == 0
        and run.code == 0
        and not left.faults
        and not left.members
    )
    figures = f"{canary.hits} hits by {len(urls)} requests, {len(hosts)} spellings over http, https, redirect"
    return Measured(ok, f"{figures}; {left.counts}{_told(left)}")


# ------------------------------------------------------------------ 15: other schemes


@row(15, "file:, data: and ftp: addresses", "0 opens", quick=None, default=1, long=10)
def other_schemes(count: int, folder: Path) -> Measured:
    canary, ftp = folder / "canary.jpg", Canary()
    canary.write_bytes(photo(0))
    targets = [
        f"file://{canary}", f"file://localhost{canary}", f"FILE://{canary}", f"file:{canary}", str(canary),
        f"//{canary}", f"jar:file://{canary}!/a", f"pipe:cat {canary}", f"ftp://127.0.0.1:{ftp.port}/canary.jpg",
        f"gopher://127.0.0.1:{ftp.port}/1", f"dict://127.0.0.1:{ftp.port}/a", "data:image/jpeg;base64,/9j/4AAQSkZJRg==",
        "javascript:0", "",
    ]  # fmt: skip
    with Host() as host, opened(canary) as opens:
        canary.open("rb").close()
        awake = opens() == 1
        urls = {}
        for at, target in enumerate(targets * 2 * count):
            redirected = at // len(targets) % 2
            urls[names(at + 1)[-1]] = f"{host.url}/{at}" if redirected else target
            host.answers[f"/{at}"] = lambda handler, to=target: handler.reply(
                302, b"", Location=to
            )
        write_table(folder / "work", urls)
        run = fetch(folder / "work", host.url)
        left, found = left_by(folder / "work", urls), opens()
    ftp.close()
    ok = (
        awake
        and found == ftp.hits == 0
        and run.code == 0
        and not left.faults
        and not left.members
    )
    return Measured(
        ok,
        f"{found} opens, {ftp.hits} connections by {len(urls)} addresses; {left.counts}{_told(left)}",
    )


@contextmanager
def opened(path: Path) -> Iterator:
    """A function that says how often a file was opened since it was last asked, by any process (inotify)."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN)

    def count() -> int:
        try:
            return (
                len(os.read(handle, 1 << 16)) // 16
            )  # an event without a name has 16 bytes
        except BlockingIOError:
            return 0

    try:
        yield count
    finally:
        os.close(handle)


# ------------------------------------------------------------------ 16: drips


@row(
    16,
    "64 drip servers, 16 threads",
    "good images ≥ 50% of the clean rate",
    quick=None,
    default=3000,
    long=60_000,
)
def drips(count: int, folder: Path) -> Measured:
    rates, counts = [], ""
    with ExitStack() as stack:
        host = stack.enter_context(Host({f"/{at}": photo(at) for at in range(50)}))
        servers = [stack.enter_context(Host({"/drip": _drip})) for _ in range(64)]
        good = {
            name: f"{host.url}/{at % 50}?{at}" for at, name in enumerate(names(count))
        }
        for work, bad in ((folder / "clean", []), (folder / "drips", servers)):
            every = count // 64
            urls = {}
            for at, (name, url) in enumerate(good.items()):
                if bad and at % every == 0 and at // every < 64:
                    urls[f"9{at:017}"] = f"{bad[at // every].url}/drip"
                urls[name] = url
            host.log.clear()
            write_table(work, urls)
            run = fetch(work, "http://127.0.0.1", connections=16)
            left = left_by(work, urls)
            served = sorted(at for at, _ in host.log)
            rates.append(len(served) / (served[-1] - served[0]))
            counts = left.counts
            if (
                run.code
                or left.faults
                or sum(s == "success" for s in left.statuses.values()) != count
            ):
                return Measured(
                    False,
                    f"{work.name}: exit code {run.code}, {left.counts}{_told(left)}",
                )
    share = rates[1] / rates[0]
    return Measured(
        share >= 0.5,
        f"{rates[1]:.0f} good images/s, {rates[0]:.0f} clean: {share:.0%}; {counts}",
    )


def _drip(handler: Handler) -> None:
    """A byte a second, for an hour."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(3600):
        handler.wfile.write(b"\xff")
        handler.wfile.flush()
        time.sleep(1)


# ------------------------------------------------------------------ 17: endless bodies


@row(
    17,
    "endless bodies",
    "≤ the cap of 20 MB each, one request each",
    quick=None,
    default=20,
    long=200,
)
def endless_bodies(count: int, folder: Path) -> Measured:
    sent: dict[str, list[int]] = {}
    with Host(
        {f"/{at}": _endless(sent, chunked=bool(at % 2)) for at in range(count)}
    ) as host:
        urls = {name: f"{host.url}/{at}" for at, name in enumerate(names(count))}
        write_table(folder, urls)
        run = fetch(folder, host.url)
        left = left_by(folder, urls)
        time.sleep(0.5)  # the last servers notice that nobody listens
    most, requests = (
        max(max(sizes) for sizes in sent.values()),
        max(len(sizes) for sizes in sent.values()),
    )
    refused = set(left.statuses.values()) == {"too_large"}
    ok = (
        run.code == 0
        and refused
        and not left.faults
        and most <= CAP + BUFFERS
        and requests == 1
    )
    taken = f"at most {most / 1e6:.1f} MB taken by the client's kernel"
    figures = f"{len(sent)} bodies, {taken} and {requests} request each"
    return Measured(ok, f"{figures}; peak {run.peak} MB; {left.counts}{_told(left)}")


BUFFERS = 8 * MB  # what the client's kernel may take in before the client reads it


def _endless(sent: dict[str, list[int]], *, chunked: bool) -> Answer:
    block = b"\xff\xd8\xff" + bytes(65533)

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        sizes = sent.setdefault(handler.path, [])
        sizes.append(0)
        at = len(sizes) - 1
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        handler.send_response(200)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"10000\r\n" + block + b"\r\n" if chunked else block)
            sizes[at] += len(block)

    return answer


# ------------------------------------------------------------------ 22: storms


@row(
    22,
    "storms of 429 and 503 with Retry-After",
    "≤ 1 request a window; L",
    quick=None,
    default=300,
    long=5000,
)
def storms(count: int, folder: Path) -> Measured:
    window, windows = 3, 5
    asked: list[list[int]] = [[0] * windows, [0] * windows]
    with Host() as first, Host() as second:
        for host, code, seen in ((first, 429, asked[0]), (second, 503, asked[1])):
            answer = _storm(code, window, seen)
            host.answers.update({f"/{at}": answer for at in range(count)})
        urls = {
            name: f"{(first, second)[at % 2].url}/{at}"
            for at, name in enumerate(names(count))
        }
        write_table(folder, urls)
        run = fetch(folder, first.url, second.url)
        left = left_by(folder, urls)
    later = [n for seen in asked for n in seen[1:]]
    ok = (
        run.code == 0
        and not left.faults
        and max(later) <= 1
        and set(left.statuses.values()) == {"success"}
    )
    figures = (
        f"at most {max(later)} requests in each of {len(later)} windows of {window} s"
    )
    begun = " and ".join(str(seen[0]) for seen in asked)
    return Measured(
        ok,
        f"{figures} ({begun} under way as the first began); {left.counts}{_told(left)}",
    )


def _storm(code: int, window: int, seen: list[int]) -> Answer:
    """Refuse, and name the end of the window of this moment; after the last window give the image."""
    lock, began = threading.Lock(), []

    def answer(handler: Handler) -> None:
        with lock:
            now = time.monotonic()
            began.append(now)
            at = int((now - began[0]) // window)
            if at < len(seen):
                seen[at] += 1
        if at >= len(seen):
            handler.reply(200, photo(1))
        else:
            handler.reply(code, b"", Retry_After=str(window))

    return answer


def _told(left: Left) -> str:
    return f"; {'; '.join(left.faults)}" if left.faults else ""
