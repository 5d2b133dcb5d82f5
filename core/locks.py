"""Files and folders that one process uses at a time, by `flock`: a process that is killed frees them too.

It works between machines and containers that share a disk, where the number of a process says nothing.

Imports nothing that takes time: a second run is refused before it reads anything.
"""

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

# The name of an unfinished file; its first group is that of the finished one.
PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]+\.partial")
GLANCE = 0.05  # seconds within which `is_held` of another process is over


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
        if wait:
            fcntl.flock(handle, operation)
        else:
            _lock_soon(handle, operation | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _lock_soon(handle: int, operation: int) -> None:
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        time.sleep(GLANCE)
        fcntl.flock(handle, operation)


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
    """Whether somebody, on this machine or another, holds a file alone now; one that is missing is held by nobody."""
    try:
        handle = _lock(os.open(path, os.O_RDONLY), shared=True, wait=False)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    os.close(handle)
    return False


# ------------------------------------------------------------------ unfinished files


@contextlib.contextmanager
def partial_of(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield an empty file beside `path`, under a name that is in no other use; it is deleted unless it was renamed.

    It is locked meanwhile, so that `delete_abandoned` of another process, machine or container leaves it.
    """
    partial, handle = _create_locked(path, 0o600 if private else 0o666)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        os.close(handle)


def _create_locked(path: Path, mode: int) -> tuple[Path, int]:
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        # On a disk without locks none is deleted either.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink > 0:
            return partial, handle
        os.close(handle)  # taken for abandoned before it was locked


def delete_abandoned(partials: Iterable[Path]) -> int:
    """Delete the unfinished files among these that no process holds; how many."""
    return sum(_delete_unheld(path) for path in partials if _is_partial(path))


def _is_partial(path: Path) -> bool:
    is_named_so = PARTIAL.fullmatch(path.name) is not None
    return is_named_so and path.is_file() and not path.is_symlink()


def _delete_unheld(path: Path) -> bool:
    """Delete a file unless somebody holds it; whether it was deleted."""
    try:
        handle = _lock(os.open(path, os.O_RDWR), shared=False, wait=False)
    except (BlockingIOError, FileNotFoundError):
        return False
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)
    return True
