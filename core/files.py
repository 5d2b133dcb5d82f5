"""Files that exist only when they are finished: written beside their name, synced, and renamed.

What leaves a working folder is Parquet or JSON and is written here; column parts are in `parts.py`.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.locks import delete_abandoned, partial_of

# How every Parquet file of a working folder is written.
PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
# Called with every file that is finished: the mirror of an object store sends it there (`core/storage`).
ON_FINISHED: list[Callable[[Path], None]] = []


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """A block that writes this file: an OSError that names none, as that of a full disk, is raised with its name."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        reason = os.strerror(error.errno)
        raise type(error)(error.errno, reason, str(path)) from error


@contextmanager
def atomic(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a name beside `path` to write to; then fsync and rename it, so that `path` existing means finished.

    `private` files can be read by their owner only (0600); a file that replaces a private one is private too. Nothing
    is left behind where the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # somebody else's, or a disk without locks
        delete_abandoned(path.parent.glob(f".{glob.escape(path.name)}.*.partial"))
    with partial_of(path, private=private or _is_private(path)) as partial:
        with name_in_errors(path):
            yield partial
        fsync(partial)
        partial.replace(path)
        fsync(path.parent)
    for finished in ON_FINISHED:
        finished(path)


def _is_private(path: Path) -> bool:
    """Whether a file exists that only its owner can read."""
    return path.exists() and not path.stat().st_mode & 0o077


def fsync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_text(value: Any) -> str:
    """A value as the text of a JSON file, keys sorted, so that equal content is equal bytes."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write JSON atomically, as `json_text` has it."""
    text = json_text(value)
    with atomic(path, private=private) as partial:
        partial.write_text(text, "utf-8")


def write_parquet(path: Path, table: pa.Table, *, private: bool = False) -> None:
    """Write a table, one row per image, post or text, as a Parquet file atomically (zstd)."""
    with atomic(path, private=private) as partial:
        pq.write_table(table, partial, **PARQUET)


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """The table of a Parquet file, one row per image, post or text.

    Pages are checked by their checksums; ValueError naming the file when it is damaged.
    `options` are those of `pyarrow.parquet.read_table`.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True, **options)
    except (FileNotFoundError, MemoryError):
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        # Arrow's for damaged data have no number; those of the system, as for a file that may not be read, do.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"{path} is damaged ({error}): delete it and run again the command that made it"
        ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
