"""Tars whose hashes a process has compared: each once, and while one is read, the one that follows it."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from twigma.rehydrate.images.shards import Shard, require_unchanged

State = tuple[int, ...]


class _Ahead(NamedTuple):
    """A tar that is being hashed, by a thread of this process."""

    shard: Shard
    process: int
    hashed: "Future[None]"


class CheckedTars:
    """The tars of a dataset, in its order. Sent to another process, it has checked none."""

    def __init__(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._states: dict[str, State] = {}  # by the name of the shard, when hashed
        self._ahead: _Ahead | None = None
        self._in_order = True

    def __reduce__(self) -> tuple[type["CheckedTars"], tuple[list[Shard]]]:
        return CheckedTars, (self._shards,)

    def check(self, shard: Shard) -> None:
        """Wait until a tar is hashed; ValueError where it is damaged, FileNotFoundError where it is missing.

        One that was not written since the last time is not hashed again.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.process == os.getpid():
            if ahead.shard == shard:
                ahead.hashed.result()
            else:  # shuffled, or shared by workers: which one follows is not known
                self._in_order = False
        self._hash(shard)
        if self._in_order:
            self._begin_next(shard)

    def _begin_next(self, shard: Shard) -> None:
        following = self._shards[self._shards.index(shard) + 1 :][:1]
        for one in following:
            thread = ThreadPoolExecutor(1)
            hashed = thread.submit(self._hash, one)
            thread.shutdown(wait=False)
            self._ahead = _Ahead(one, os.getpid(), hashed)

    def _hash(self, shard: Shard) -> None:
        state = _state(shard.tar)
        if state is None or self._states.get(shard.name) != state:
            require_unchanged(shard)
        if state is not None:
            self._states[shard.name] = state


def _state(path: Path) -> State | None:
    """What changes when a file is written; None where there is none to ask."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
