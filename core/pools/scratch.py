"""Folders on the disk of a node, for as long as a worker there lives. Used by the workers of a Ray cluster."""

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

from twigma.core import locks


class Scratch:
    """Folders on a node's disk: `shared` by the actors of one run, `own` of this one.

    An actor holds a lock on the shared folder for as long as it lives. Folders that nobody holds are removed by
    whoever starts or ends next, so that killed runs leave nothing behind.
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
        self._lock = self._create_locked()
        self.own = Path(tempfile.mkdtemp(dir=self.shared))

    def _create_locked(self) -> int:
        """Create the shared folder and lock it, again where a sweep removed it in between."""
        while True:
            with contextlib.suppress(FileNotFoundError):
                self.shared.mkdir(mode=0o700, exist_ok=True)
                lock = locks.acquire_folder(self.shared, shared=True)
                if os.fstat(lock).st_nlink:
                    return lock
                os.close(lock)  # it was removed while we waited for the lock

    def _sweep(self) -> None:
        """Remove the folders that no process holds."""
        for folder in self._root.iterdir():
            # OSError: somebody holds it, or another sweep removed it first.
            with contextlib.suppress(OSError):
                lock = locks.acquire_folder(folder, wait=False)
                try:
                    shutil.rmtree(folder)
                finally:
                    os.close(lock)

    def close(self) -> None:
        """Remove this actor's folder, and the shared one after the last actor."""
        shutil.rmtree(self.own, ignore_errors=True)
        os.close(self._lock)
        self._sweep()
