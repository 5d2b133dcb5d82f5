"""Where a request may go: public addresses, unless a host was allowed by name; and when: never before a host's pause.

The address is checked where sockets are made, so one line covers http, https, redirects, literal addresses in
every spelling, and names that resolve to something else the second time. Used by `twigma rehydrate`.
"""

import asyncio
import errno
import fcntl
import ipaddress
import mmap
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# The bits before the IPv4 address in an interface of RFC 5214.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
# Blocks that are not public, listed here as Python's own lists grew from version to version.
_BLOCKS = (
    "100.64.0.0/10",  # shared by the customers of a provider
    "168.63.129.16/32",  # the host of a virtual machine of Azure
    "192.0.0.0/24",
    "192.88.99.0/24",  # relays from IPv6 to IPv4, deprecated
    "198.18.0.0/15",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",  # protocols, but for the tunnels of Teredo, which are judged by the address inside
    "2001:db8::/32",
    "3fff::/20",  # documentation
    "5f00::/16",  # segment routing
    "fec0::/10",  # site-local, deprecated
)
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, _BLOCKS))
_SLOTS = 1024  # hosts whose hashes meet share a slot: they then pause together, which does no harm
PROBE_SECONDS = (
    10.0  # that the first request after a pause may take before another is tried
)
_FLOAT_BYTES = 8


def is_public(address: str) -> bool:
    """Whether a resolved IP address is on the public internet, also where IPv6 carries an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        low = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        high = int(ip) >> 32
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip.teredo:
            inner = ip.teredo[1]
        if ip in _NAT64:
            inner = low
        if inner is not None:
            return is_public(str(inner))
        if high == 0:  # ::a.b.c.d, deprecated
            return False
        if high & 0xFFFFFFFF in _ISATAP and not is_public(str(low)):
            return False  # a tunnel into a network of this site
    if any(ip.version == block.version and ip in block for block in _NOT_PUBLIC):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for one getaddrinfo entry; PermissionError unless its address is public."""
    family, kind, protocol, _, address = info
    if not is_public(address[0]):
        raise PermissionError(errno.EACCES, f"{address[0]} is not a public address")
    return socket.socket(family, kind, protocol)


def host_key(entry: str) -> str:
    """HOST or HOST:PORT in one spelling: lower case, IPv6 in brackets and as short as can be.

    >>> host_key("Images.lab:80"), host_key("[0:0:0:0:0:0:0:1]:80"), host_key("::1")
    ('images.lab:80', '[::1]:80', '[::1]')
    """
    entry = entry.strip().lower()
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
    try:
        return f"[{ipaddress.IPv6Address(host)}]{port}"
    except ValueError:
        return entry


class Gate:
    """Pauses that hosts ask for, shared by all worker processes through a small file.

    Two floats per host: the monotonic time before which no worker asks (0 is open), and whether that time is a probe's:
    after a pause one request goes first, and the others follow when it is answered.
    """

    def __init__(self, path: Path | None = None) -> None:
        size = 2 * _FLOAT_BYTES * _SLOTS
        self._file = None
        handle = -1  # memory of this process only
        if path is not None:
            self._file = path.open("a+b")
            self._file.truncate(size)
            handle = self._file.fileno()
        self._memory = mmap.mmap(handle, size)
        floats = memoryview(self._memory).cast("d")
        self._until = floats[:_SLOTS]
        self._probing = floats[_SLOTS:]

    async def enter(self, host: str, patience: float) -> str:
        """Wait until the host may be asked: `go`, or `probe` for the first after a pause, or `closed` for too long."""
        slot = _slot(host)
        give_up = time.monotonic() + patience
        while True:
            until = self._until[slot]
            if not until:
                return "go"
            now = time.monotonic()
            # The end of a probe comes sooner than its time, when it is answered.
            probing = self._probing[slot]
            if now >= give_up or (until > give_up and not probing):
                return "closed"
            if now >= until and self._claim(slot, until):
                return "probe"
            longest = 0.1 if probing else 0.5
            await asyncio.sleep(min(max(until - now, 0.01), longest))

    def answered(self, host: str, entered: str, pause: float | None) -> None:
        """Record how a request ended: the host asked for `pause` seconds, or (None) for none, which opens the gate."""
        is_probe = entered == "probe"
        if pause is not None:
            self._set(_slot(host), time.monotonic() + pause, is_probe=is_probe)
        elif is_probe:
            self._set(_slot(host), 0.0, is_probe=True)

    def _claim(self, slot: int, seen: float) -> bool:
        with _locked(self._file):
            if self._until[slot] != seen:
                return False
            self._until[slot] = time.monotonic() + PROBE_SECONDS
            self._probing[slot] = 1.0
            return True

    def _set(self, slot: int, until: float, *, is_probe: bool) -> None:
        with _locked(self._file):
            # What a probe learns counts; among requests that ran at once, the longest pause.
            if not (is_probe or self._probing[slot]):
                until = max(self._until[slot], until)
            self._until[slot] = until
            self._probing[slot] = 0.0


@contextmanager
def _locked(file: BinaryIO | None) -> Iterator[None]:
    if file is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _slot(host: str) -> int:
    return zlib.crc32(host.encode()) % _SLOTS
