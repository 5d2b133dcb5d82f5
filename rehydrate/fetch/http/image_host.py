"""Checks of the host that replaces pbs.twimg.com and of the hosts allowed to be private, before the first request."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from twigma.rehydrate.fetch.http.host_guard import host_key

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/:@?#\[\]]+)(:[0-9]{1,5})?")
_VARIABLES = {
    "image_base_url": "TWIGMA_IMAGE_URL",
    "allow_hosts": "TWIGMA_ALLOW_HOSTS",
}


def host_of(image_base_url: str) -> str:
    """HOST or HOST:PORT of an address such as `https://images.lab`; ValueError where it is no such address."""
    try:
        parts = urlsplit(image_base_url)
        host = parts.netloc.rpartition("@")[2]
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018 - ValueError for a port that is none
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment:
        raise ValueError(
            f"image_base_url ({_VARIABLES['image_base_url']}): expected an address with its scheme, such as "
            f"https://images.lab or http://127.0.0.1:8080, found {image_base_url!r}"
        )
    return host


def check_allowed(hosts: Sequence[str]) -> list[str]:
    """The hosts in one spelling; ValueError for an entry that could match no host, such as an address with a scheme."""
    keys: list[str] = []
    for entry in hosts:
        key = host_key(entry)
        if not _HOST.fullmatch(key):
            raise ValueError(
                f"allow_hosts ({_VARIABLES['allow_hosts']}): expected HOST or HOST:PORT, such as images.lab:8080 or "
                f"[::1]:8080, found {entry!r}"
            )
        keys.append(key)
    return keys
