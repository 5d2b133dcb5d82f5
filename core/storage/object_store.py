"""The files of one folder of an object store, through the file systems of Arrow; every error as one sentence."""

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from twigma.core.progress import notice
from twigma.core.storage.address import Address

CHUNK = 8 << 20  # bytes of one request
REQUESTS = 8  # at a time for one large file
PATIENCE = 5  # seconds without an answer before a notice
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
# Where Arrow's own defaults would wait a quarter of an hour, or open every small file twice.
DEFAULTS = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=30"}
REMEDIES = {
    "NO_SUCH_BUCKET": "there is no such bucket: create it, or check the address",
    "ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|UNRECOGNIZED_CLIENT|OAuth2|PERMISSION_DENIED|UNAUTHENTICATED": (
        "access is denied: check the credentials (docs/howto/object_store.md)"
    ),
    "NETWORK_CONNECTION|CURL|UNAVAILABLE": (
        "it cannot be reached: check the network and AWS_ENDPOINT_URL"
    ),
}


class Mark(NamedTuple):
    """What tells one version of an object from another: its size, and when it was written (seconds UTC)."""

    size: int
    changed: int


class GoneError(OSError):
    """A file is not in the store any more: another machine deleted it since it was listed."""


class ObjectStore:
    """A folder of an object store; names are relative to it. OSError with a sentence where it cannot be used."""

    def __init__(self, address: Address) -> None:
        from pyarrow import fs

        self._address = address
        if address.text.startswith("s3:"):
            _require_scheme()
        with self._explained():
            self._fs, self._root = fs.FileSystem.from_uri(_uri(address))

    def list(self) -> dict[str, Mark]:
        """All files below the folder."""
        from pyarrow import fs

        bucket = self._root.partition("/")[0]
        with self._explained(), _waiting(self._address):
            if self._fs.get_file_info(bucket).type == fs.FileType.NotFound:
                raise OSError("NO_SUCH_BUCKET")
            below = fs.FileSelector(self._root, recursive=True, allow_not_found=True)
            found = self._fs.get_file_info(below)
        start = len(self._root) + 1
        return {info.path[start:]: _mark(info) for info in found if info.is_file}

    def mark(self, name: str) -> Mark | None:
        """The version of a file that is there now; None where there is none."""
        with self._explained(name):
            info = self._fs.get_file_info(self._path(name))
        return _mark(info) if info.is_file else None

    def read(self, name: str, size: int, target: Path) -> None:
        """Copy a file of this size from the store, a large one by several requests at a time; GoneError without it.

        An error in writing `target`, as on a full disk, is that of the system.
        """
        path = self._path(name)
        if size <= CHUNK:
            with self._explained(name), self._fs.open_input_stream(path) as source:
                data = source.read()
            target.write_bytes(data)
            return
        with self._explained(name):
            opened = self._fs.open_input_file(path)
        with (
            opened as source,
            target.open("wb") as file,
            ThreadPoolExecutor(REQUESTS) as pool,
        ):

            def copy(at: int) -> None:
                with self._explained(name):
                    data = source.read_at(CHUNK, at)
                os.pwrite(file.fileno(), data, at)

            for _ in pool.map(copy, range(0, size, CHUNK)):
                pass

    def read_at(self, name: str, at: int, size: int) -> bytes:
        """Some bytes of a file."""
        path = self._path(name)
        with self._explained(name), self._fs.open_input_file(path) as source:
            data: bytes = source.read_at(size, at)
            return data

    def write(self, source: Path, name: str) -> Mark:
        """Copy a file to the store, where it appears when all of it is there; the version that it is now."""
        path = self._path(name)
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            with self._explained(name), self._fs.open_output_stream(path) as sink:
                shutil.copyfileobj(file, sink, CHUNK)
        mark = self.mark(name)
        if mark is None or mark.size != size:
            # Closing the stream after a failed read would have finished a part of the file.
            self.delete(name)
            raise OSError(f"{self._address}/{name} did not arrive whole: run again")
        return mark

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            self._fs.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        """Any error of the store as an OSError that names the address, the reason and what to do."""
        place = f"{self._address}/{name}" if name else str(self._address)
        try:
            yield
        except OSError as error:
            is_gone = name and isinstance(error, FileNotFoundError)
            kind = GoneError if is_gone else OSError
            raise kind(f"{place}: {_reason(str(error))}") from None


def _require_scheme() -> None:
    """ValueError where the variable that names another store names it without its scheme."""
    for variable in ENDPOINTS:
        endpoint = os.environ.get(variable)
        if endpoint and not re.match(r"https?://", endpoint):
            raise ValueError(
                f"expected {variable} to begin with http:// or https://, found {endpoint}"
            )


@contextlib.contextmanager
def _waiting(address: Address) -> Iterator[None]:
    """Say that a store has not answered yet: Arrow asks three times and waits half a minute for each answer."""
    timer = threading.Timer(PATIENCE, notice, [f"waiting for {address} to answer"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _uri(address: Address) -> str:
    """The address with our defaults for options that it does not name."""
    default = DEFAULTS[address.text.partition("://")[0]]
    if default.partition("=")[0] in address.options:
        return address.uri
    separator = "&" if address.options else "?"
    return f"{address.uri}{separator}{default}"


def _mark(info: Any) -> Mark:
    # Whole seconds: some stores tell more of them in a listing than of one file.
    return Mark(info.size, int(info.mtime.timestamp()))


def _reason(message: str) -> str:
    for pattern, remedy in REMEDIES.items():
        if re.search(pattern, message, re.IGNORECASE):
            return remedy
    return re.sub(r" \(Request ID: .*?\)", "", message).partition("\n")[0]
