"""The proxy of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), and what is left of the host guard behind one.

A proxy makes the connection, so no address can be checked where the socket is made. A name that resolves here to a
private address is refused; of a name that does not resolve here, the proxy is trusted.
"""

import asyncio
import errno
import socket
import urllib.request
from urllib.parse import urlsplit

from yarl import URL

from twigma.rehydrate.fetch.http.host_guard import is_public


class Proxies:
    """The proxies of the environment, read once; ValueError for one that is no http or https address."""

    def __init__(self) -> None:
        self._by_scheme = urllib.request.getproxies_environment()
        self._is_public: dict[str, bool] = {}
        for scheme in ("http", "https"):
            self._check(scheme)

    def of(self, target: URL) -> str | None:
        """The proxy for an address; None where it is asked directly."""
        proxy = self._by_scheme.get(target.scheme)
        host = f"{target.host}:{target.port}"
        if not proxy or urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]
            host, self._by_scheme
        ):
            return None
        return proxy

    async def refuse_private(self, target: URL) -> None:
        """PermissionError for a host that is, or resolves here to, an address that is not public."""
        host = target.host or ""
        if host not in self._is_public:
            self._is_public[host] = await _is_public_host(host)
        if not self._is_public[host]:
            raise PermissionError(errno.EACCES, f"{host} is not a public address")

    def _check(self, scheme: str) -> None:
        proxy = self._by_scheme.get(scheme)
        if not proxy:
            return
        if "://" not in proxy:
            proxy = f"http://{proxy}"
            self._by_scheme[scheme] = proxy
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            # Without user and password, which a proxy may have in its address.
            place = f"{parts.scheme}://{parts.hostname or ''}"
            raise ValueError(
                f"{scheme.upper()}_PROXY: expected http://HOST:PORT, found {place!r}: photos go through no other kind"
            )


async def _is_public_host(host: str) -> bool:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True  # only the proxy can resolve it
    return all(is_public(str(entry[4][0])) for entry in found)
