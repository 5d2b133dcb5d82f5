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
    hashed: "Future[bool]"


class CheckedTars:
    """The tars of a dataset, in its order. Sent to another process, it has checked none."""

    def __init__(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._states: dict[str, State] = {}  # by the name of the shard, when hashed
        self._ahead: _Ahead | None = None
        self._in_order = True

    def __reduce__(self) -> tuple[type["CheckedTars"], tuple[list[Shard]]]:
        return CheckedTars, (self._shards,)

    def check(self, shard: Shard) -> bool:
        """Wait until a tar is hashed; ValueError where it is damaged, False where it is not here, as in a store.

        One that was not written since the last time is not hashed again.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.process == os.getpid():
            if ahead.shard == shard:
                ahead.hashed.result()
            else:  # shuffled, or shared by workers: which one follows is not known
                self._in_order = False
        is_hashed = self._hash(shard)
        if self._in_order and is_hashed:
            self._begin_next(shard)
        return is_hashed

    def _begin_next(self, shard: Shard) -> None:
        at = self._shards.index(shard) + 1
        if at == len(self._shards):
            return
        following = self._shards[at]
        thread = ThreadPoolExecutor(1)
        hashed = thread.submit(self._hash, following)
        thread.shutdown(wait=False)
        self._ahead = _Ahead(following, os.getpid(), hashed)

    def _hash(self, shard: Shard) -> bool:
        state = _state(shard.tar)
        if state is None:
            return False
        if self._states.get(shard.name) != state:
            require_unchanged(shard)
            self._states[shard.name] = state
        return True


def _state(path: Path) -> State | None:
    """What changes when a file is written; None where there is none to ask."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
