"""Tars of a mirror: fetched when they are read, the next one ahead, and dropped afterwards.

A stage says in which order it reads them; so each is fetched once, and few lie on the disk: two of a stage that runs
in one process.
"""

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from twigma.core.storage.catalogue import stamp_of
from twigma.core.storage.mirror import Mirror


class Tars:
    """The tars of one mirror; of this process only, as forked ones cannot use its connections."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._process = os.getpid()
        self._next: dict[Path, Path] = {}
        self._readers: Counter[Path] = Counter()
        self._locks: dict[str, threading.Lock] = {}
        self._ahead = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Fetch nothing ahead any more."""
        self._ahead.shutdown(cancel_futures=True)

    def will_read(self, tars: Iterable[Path]) -> None:
        """Note the order in which tars are read, so that the next is fetched meanwhile."""
        self._next = dict(pairwise(tars))

    def size(self, tar: Path) -> int | None:
        """Bytes of a tar in the store; None where it is not there."""
        entry = self._mirror.catalogue.find(self._mirror.name_of(tar))
        return None if entry is None else entry.mark.size

    def bring(self, tar: Path) -> None:
        """Fetch a tar that is not here, and begin with the next; `drop` it for each time that it was brought."""
        self._require_process()
        with self._lock(tar):
            self._readers[tar] += 1
            self._fetch(tar)
        following = self._next.get(tar)
        if following is not None:
            self._ahead.submit(self._fetch_ahead, following)

    def drop(self, tar: Path) -> None:
        """Delete a tar here that the store has, when nobody reads it any more."""
        with self._lock(tar):
            self._readers[tar] -= 1
            if self._readers[tar] <= 0:
                self._mirror.drop(tar)

    def read_at(self, tar: Path, at: int, size: int) -> bytes:
        """Some bytes of a tar that is not here."""
        self._require_process()
        return self._mirror.store.read_at(self._mirror.name_of(tar), at, size)

    def _lock(self, tar: Path) -> threading.Lock:
        # Of texts `setdefault` is one step, so that two threads get the same lock; of paths it is not.
        return self._locks.setdefault(str(tar), threading.Lock())

    def _fetch_ahead(self, tar: Path) -> None:
        with contextlib.suppress(OSError), self._lock(tar):  # `bring` meets it again
            self._fetch(tar)

    def _fetch(self, tar: Path) -> None:
        catalogue = self._mirror.catalogue
        name = self._mirror.name_of(tar)
        entry = catalogue.find(name)
        if tar.exists() or entry is None:
            return  # where it is missing on both sides, the reader says what to do
        self._mirror.removals.require_known()  # or it is another tar than its entry says
        with self._mirror.fetched(name, entry.mark.size) as partial:
            partial.replace(tar)
        catalogue.put(name, entry.mark, stamp_of(tar))

    def _require_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError(
                f"{self._mirror.address} is read by the process that opened it: fetch the images here first, or copy "
                "the folder to this machine (docs/howto/object_store.md)"
            )
