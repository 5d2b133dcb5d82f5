"""Files that exist only when they are finished: written beside their name, synced, and renamed.

What leaves a working folder is Parquet or JSON and is written here; column parts are in `parts.py`.
"""

import glob
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def atomic(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a name beside `path`; then fsync and rename: `path` existing means finished. What was private stays so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.suffixes[-2][1:]
        if process.isdecimal() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)  # of a process that was killed
    try:
        if private or (path.exists() and not path.stat().st_mode & 0o077):
            partial.touch(0o600)
        yield partial
        fsync(partial)
        partial.replace(path)
        fsync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Have the disk keep what was written to a file, or to the list of names of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write JSON atomically, keys sorted, so that equal content is equal bytes."""
    with atomic(path, private=private) as partial:
        partial.write_text(
            json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8"
        )


def write_parquet(path: Path, table: pa.Table, *, private: bool = False) -> None:
    """Write a Parquet file atomically (zstd)."""
    with atomic(path, private=private) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """Read a Parquet file, its pages checked by their checksums; ValueError naming it when it is damaged."""
    try:
        return pq.read_table(path, page_checksum_verification=True, **options)
    except (FileNotFoundError, MemoryError):
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it and run the command that made it again"
        ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
