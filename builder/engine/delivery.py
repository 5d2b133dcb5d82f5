"""The files of a shard or part on their way to a node: as they lie on a file system that it shares, else as bytes.

No shared file system is needed. Where a node opens the very files of the driver, a few bytes travel instead of a tar.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from twigma.builder.engine.source import Source
from twigma.core.storage import mirrors

# Bytes compared at either end of a file: those between are hashed when it is read.
ENDS = 1 << 20

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FileMark:
    """What tells a file from another at the same path: its size, and the hash of its two ends."""

    path: Path
    size: int
    ends: str


@dataclass(frozen=True)
class Delivery:
    """A source, and its files: `marks` where the node may see them, else `contents` by name."""

    source: Source
    marks: list[FileMark] = field(default_factory=list)
    contents: dict[str, Bytes] = field(default_factory=dict)


def offer(source: Source) -> Delivery:
    """What a node compares with the files that it sees; OSError where they are missing here."""
    return Delivery(source, marks=[_mark(path) for path in source.files()])


def with_contents(source: Source) -> Delivery:
    """The files themselves; OSError where they are missing here."""
    files = source.files()
    with mirrors.reading(files[0]):
        # A mapped file can be read after it was deleted.
        contents = {path.name: _mapped(path) for path in files}
    return Delivery(source, contents=contents)


def sees(delivery: Delivery) -> bool:
    """Whether this machine has the same files at the same paths."""
    try:
        return all(_mark(mark.path) == mark for mark in delivery.marks)
    except OSError:
        return False


def unpack(delivery: Delivery, folder: Path) -> Source:
    """Write the files into a folder: the same source there."""
    for name, data in delivery.contents.items():
        (folder / name).write_bytes(data.data)
    return delivery.source.moved(folder)


def named_as(error: ValueError, there: Source, here: Source) -> ValueError:
    """The same error with the paths of the driver: those of a node are gone when it is read."""
    text = str(error)
    for theirs, ours in zip(there.files(), here.files(), strict=True):
        text = text.replace(str(theirs), str(ours))
    return ValueError(text)


def _mark(path: Path) -> FileMark:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(file.read(ENDS))
        file.seek(max(0, size - ENDS))
        digest.update(file.read(ENDS))
    return FileMark(path, size, digest.hexdigest())


def _mapped(path: Path) -> Bytes:
    """The bytes of a file, which Ray copies from the page cache to where the node gets them."""
    if not path.stat().st_size:
        return np.empty(0, np.uint8)
    # As a plain array: a memmap itself would be pickled with a copy of its bytes.
    return np.asarray(np.memmap(path, np.uint8, mode="r"))
