"""Folders on the disk of a node, for as long as a worker there lives. Used by the workers of a Ray cluster."""

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path


class Scratch:
    """Folders on a node's disk: `shared` by the slots of one run, `own` of this one.

    A slot holds a lock on the shared folder for as long as it lives; folders that nobody holds are removed, by
    whoever comes or goes next, so that killed runs leave nothing behind.
    """

    def __init__(self, run: str) -> None:
        self._root = Path(tempfile.gettempdir(), f"twigma-{os.getuid()}")
        self._root.mkdir(mode=0o700, exist_ok=True)
        if self._root.lstat().st_uid != os.getuid():
            raise PermissionError(
                f"{self._root} on {socket.gethostname()} belongs to someone else: set TMPDIR there"
            )
        self._sweep()
        self.shared = self._root / run
        self._lock = self._hold()
        self.own = Path(tempfile.mkdtemp(dir=self.shared))

    def _hold(self) -> int:
        while True:
            with contextlib.suppress(FileNotFoundError):
                self.shared.mkdir(mode=0o700, exist_ok=True)
                lock = os.open(self.shared, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_SH)
                if os.fstat(lock).st_nlink:
                    return lock
                os.close(lock)  # it was removed before we held it

    def _sweep(self) -> None:
        for folder in self._root.iterdir():
            with contextlib.suppress(OSError), _held_alone(folder):
                shutil.rmtree(folder)

    def close(self) -> None:
        """Remove this slot's folder, and the shared one after the last slot."""
        shutil.rmtree(self.own, ignore_errors=True)
        os.close(self._lock)
        self._sweep()


@contextlib.contextmanager
def _held_alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
