"""Files and folders that one process uses at a time, by `flock`: a process that is killed frees them too.

Imports nothing that takes time: a second run is refused before it reads anything.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def acquire(path: Path, *, shared: bool = False, wait: bool = True) -> int:
    """Lock a file (created when it is missing) or a folder; the handle, which frees the lock when it is closed.

    `shared` locks let each other in. Raises BlockingIOError when somebody else holds it and `wait` is false.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    return _lock(os.open(path, flags, 0o600), shared=shared, wait=wait)


def acquire_folder(path: Path, *, shared: bool = False, wait: bool = True) -> int:
    """Like `acquire`, of a folder that others may remove meanwhile: FileNotFoundError when it is missing."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    return _lock(handle, shared=shared, wait=wait)


def _lock(handle: int, *, shared: bool, wait: bool) -> int:
    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, operation if wait else operation | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextlib.contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold a file or folder alone, after whoever holds it now."""
    handle = acquire(path)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone(path: Path, busy: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a file or folder alone; RuntimeError with the sentence `busy` at once when somebody else holds it.

    `shared`: hold it with whoever holds it shared too.
    """
    try:
        handle = acquire(path, shared=shared, wait=False)
    except BlockingIOError as error:
        raise RuntimeError(busy) from error
    try:
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether somebody holds a file or folder alone now."""
    try:
        handle = acquire(path, shared=True, wait=False)
    except BlockingIOError:
        return True
    os.close(handle)
    return False
