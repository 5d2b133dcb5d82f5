"""Stops a fetch whose photos all fail alike: no network, a captive portal, a block by the host.

Such failures say nothing of the photos. After LENGTH of them in a row no request starts for a while; if the next ones
fail the same way, the shard is given up and nothing of it is recorded.
"""

import errno
import re
import time
from urllib.parse import urlsplit

from twigma.rehydrate.fetch.http.failure_classes import DEPENDENT, RETRYABLE
from twigma.rehydrate.fetch.ordered_writer import Row

LENGTH = 50  # photos
CONFIRMING = 10  # photos after the pause
# In lists sorted by address a host that is gone has long streaks of its own.
MOST_HOSTS = 10
_COUNTED = RETRYABLE | DEPENDENT
_IP_ADDRESS = re.compile(r".*:.*|(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?")


class FailureStreak:
    """Counts failures of one class in a row, over at least `hosts` hosts (at most MOST_HOSTS are required).

    `pause` is in seconds.
    """

    def __init__(self, hosts: int, pause: float) -> None:
        self._hosts_required = min(hosts, MOST_HOSTS)
        self._pause = pause
        self._resume_at = 0.0
        self._status: str | None = None
        self._hosts: set[str] = set()
        self._count = 0
        self._limit = LENGTH

    def is_paused(self) -> bool:
        """Whether no request should start now."""
        return time.monotonic() < self._resume_at

    def record(self, row: Row) -> None:
        """Count a finished row of the sidecar; ConnectionAbortedError when the streak goes on after the pause."""
        status = row["status"]
        host = _host(row["url"])
        # Requests under way when the pause began tell nothing of the time after it.
        if self.is_paused() or (status == "refused" and not _is_name(host)):
            return
        if status not in _COUNTED:
            self._reset(None)
            return
        if status != self._status:
            self._reset(status)
        self._count += 1
        self._hosts.add(host)
        if self._count < self._limit or len(self._hosts) < self._hosts_required:
            return
        if self._limit == CONFIRMING:
            raise ConnectionAbortedError(errno.ECONNABORTED, _sentence(row))
        self._count = 0
        self._limit = CONFIRMING
        self._resume_at = time.monotonic() + self._pause

    def _reset(self, status: str | None) -> None:
        self._status = status
        self._hosts = set()
        self._count = 0
        self._limit = LENGTH


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""


def _is_name(host: str) -> bool:
    """Whether a host has to be looked up: a captive portal answers names, not addresses, with its own address."""
    return bool(host) and not _IP_ADDRESS.fullmatch(host)


def _sentence(row: Row) -> str:
    return (
        f"the fetch was stopped: over {LENGTH} photos in a row failed alike ({row['status']}: {row['error']}), and so "
        "did those after a pause. No photo of the shards under way is marked as failed. Check the network (a login "
        "page, a proxy, a block by the host), then run the same command again to resume"
    )
