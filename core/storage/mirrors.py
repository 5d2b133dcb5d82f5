"""The mirrors that this process has open, and what readers of tars ask; for any other folder nothing changes."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twigma.core import files, locks
from twigma.core.progress import naming, notice
from twigma.core.storage import page_owner
from twigma.core.storage.address import (
    FOLDER_VARIABLE,
    Address,
    address_of,
    mirror_folder,
    parse,
)
from twigma.core.storage.file_kinds import shared
from twigma.core.storage.mirror import Mirror
from twigma.core.storage.pull import Pull
from twigma.core.storage.removed import Removals
from twigma.core.storage.tars import Tars
from twigma.core.storage.uploads import Uploads

LOCK = ".store.lock"


@dataclass
class _Opened:
    mirror: Mirror
    tars: Tars
    uploads: Uploads | None = None  # None of one that is read only


_OPENED: dict[Path, _Opened] = {}  # by the folder of the mirror


@contextlib.contextmanager
def mirrored(address: str, *, pages: bool = False) -> Iterator[Path]:
    """The mirror of a folder in an object store, to work in; what is finished in it is sent there.

    `pages` is of commands that read or write raw pages and the ledger, which are on one machine only. RuntimeError
    where another process of this machine has the mirror, or the pages are on another machine; OSError where the store
    cannot be used. Whatever could not be sent is sent when the mirror is opened the next time.
    """
    where = parse(address)
    folder = mirror_folder(where)
    lock = _lock_file(folder)
    if not folder.exists():
        notice(f"{where} gets a mirror in {folder}")
    with locks.alone(lock, _busy(where)), _open(where) as mirror:
        Pull(mirror).run(to_read=False)
        if pages:
            page_owner.require(where, folder, mirror.catalogue.mirror_id())
            notice(
                f"{where}: raw pages and the ledger stay on this machine, in {folder}; keep a copy of them"
            )
        mirror.push()
        uploads = Uploads(mirror.send_finished)
        _OPENED[folder].uploads = uploads

        def finished(path: Path) -> None:
            is_inside = path.is_relative_to(folder)
            if is_inside and shared(mirror.name_of(path)):
                uploads.add(path)

        files.ON_FINISHED.append(finished)
        try:
            with naming(folder, str(where)):
                yield folder
        finally:
            files.ON_FINISHED.remove(finished)
            uploads.close()
            mirror.push()


@contextlib.contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The mirror of a folder in an object store, to read: tables are there, tars are fetched when they are read.

    While another process of this machine works in the mirror, it is read as it is.
    """
    where = parse(address)
    folder = mirror_folder(where)
    lock = _lock_file(folder)
    with contextlib.ExitStack() as stack:
        try:
            handle = locks.acquire(lock, wait=False)
        except BlockingIOError:
            notice(f"another command is at work in {where}: it is read as it is here")
            stack.enter_context(_open(where))
        else:
            with os.fdopen(handle), _forgotten_if_empty(folder):
                mirror = stack.enter_context(_open(where))
                Pull(mirror).run(to_read=True)
        stack.enter_context(naming(folder, str(where)))
        yield folder


@contextlib.contextmanager
def _forgotten_if_empty(folder: Path) -> Iterator[None]:
    """Leave no mirror of an address at which nothing is: it was mistyped."""
    is_new = not folder.exists()
    try:
        yield
    finally:
        if is_new and folder.exists():
            notice(f"its mirror on this machine is {folder}")
        elif is_new:
            shutil.rmtree(folder.parent)


def _lock_file(folder: Path) -> Path:
    """The lock of a mirror, beside it: a release is replaced as a whole."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{folder.parent}, where the mirror belongs, cannot be made ({error.strerror}): let {FOLDER_VARIABLE} name "
            "a folder that you can write to"
        ) from None
    return folder.parent / LOCK


def fetched(address: str) -> Path:
    """The mirror of a release in an object store, brought up to it."""
    with local_copy(address) as folder:
        return folder


@contextlib.contextmanager
def _open(address: Address) -> Iterator[Mirror]:
    mirror = Mirror(address, _removals)
    tars = Tars(mirror)
    _OPENED[mirror.folder] = _Opened(mirror, tars)
    try:
        yield mirror
    finally:
        _OPENED.pop(mirror.folder, None)
        tars.close()
        mirror.catalogue.close()


def _removals() -> list[Removals]:
    return [opened.mirror.removals for opened in [*_OPENED.values()]]


def catch_up() -> None:
    """Send what is finished in the open mirrors, and take what other machines have sent since they were opened."""
    for opened in [*_OPENED.values()]:
        if opened.uploads is not None:
            opened.uploads.wait()
            Pull(opened.mirror).run(to_read=False)


def _busy(address: Address) -> str:
    return f"another command of this machine is at work in {address}: wait for it, or stop it first"


# ------------------------------------------------------------------ for readers of tars


def is_mirrored(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is an open mirror."""
    return _of(Path(folder)) is not None


def size_of(tar: Path) -> int:
    """Bytes of a tar, here or in the store; FileNotFoundError where it is in neither."""
    opened = _of(tar)
    if opened is not None and not tar.exists():
        size = opened.tars.size(tar)
        if size is not None:
            return size
    return tar.stat().st_size


@contextlib.contextmanager
def reading(tar: Path) -> Iterator[None]:
    """Have a tar here within a block, and the next one that `will_read` named on its way."""
    bring(tar)
    try:
        yield
    finally:
        drop(tar)


def bring(tar: Path) -> None:
    """Fetch a tar of a mirror; for each time, `drop` it."""
    opened = _of(tar)
    if opened is not None:
        opened.tars.bring(tar)


def drop(tar: Path) -> None:
    """Delete a tar that was brought, and that nobody reads any more."""
    opened = _of(tar)
    if opened is not None:
        opened.tars.drop(tar)


def read_at(tar: Path, at: int, size: int) -> bytes:
    """Some bytes of a tar, here or in the store."""
    opened = _of(tar)
    if opened is not None and not tar.exists() and opened.tars.size(tar) is not None:
        return opened.tars.read_at(tar, at, size)
    file = os.open(tar, os.O_RDONLY | os.O_CLOEXEC)  # in a third of the time of `open`
    try:
        return os.pread(file, size, at)
    finally:
        os.close(file)


def refuse_closed(tar: Path) -> None:
    """FileNotFoundError where a tar that is not here is one of a mirror that this process has not opened."""
    address = address_of(tar.parent.parent)
    if address is not None and _of(tar) is None:
        raise FileNotFoundError(
            f"{tar} is in a store: use the folder within "
            f"`with twigma.core.storage.mirrors.mirrored({address!r}) as work:`"
        )


def will_read(tars: Iterable[Path]) -> None:
    """Say in which order tars will be read."""
    tars = list(tars)
    opened = _of(tars[0]) if tars else None
    if opened is not None:
        opened.tars.will_read(tars)


def _of(path: Path) -> _Opened | None:
    """The open mirror that a file is in."""
    for folder, opened in _OPENED.items():
        if path.is_relative_to(folder):
            return opened
    return None
