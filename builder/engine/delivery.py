"""The files of a shard or part on their way to a node: as they lie on a file system that it shares, else as bytes.

No shared file system is needed. Where a node opens the very files of the driver, a few bytes travel instead of a tar,
and instead of embeddings the rows at which they lie in their parts.
"""

import functools
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twigma.builder.engine.source import Source
from twigma.builder.engine.vectors import (
    Half,
    Indices,
    VectorPart,
    Vectors,
    vector_part,
)
from twigma.core.parts import read_part
from twigma.core.storage import mirrors

# Bytes compared at either end of a file: those between are hashed when it is read.
ENDS = 1 << 20
MAPPED = 4096  # parts that a process holds open

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


# ------------------------------------------------------------------ rows of embeddings


@dataclass(frozen=True)
class RowOffer:
    """Where embeddings lie: `rows`, int64[m], of those of these parts, one part after the other."""

    parts: list[VectorPart]
    rows: Indices


def offer_rows(vectors: Vectors, rows: Indices) -> RowOffer | None:
    """Where these rows of the embeddings lie, int64[m], in any order; None where they are of no files."""
    if not vectors.parts:
        return None
    starts = np.cumsum([0, *(part.rows for part in vectors.parts)])
    part_of = np.searchsorted(starts, rows, side="right") - 1
    needed = np.unique(part_of)
    lengths = np.diff(starts)[needed]
    # Where the rows of a part begin when only the needed parts follow one another.
    begins = np.cumsum(lengths) - lengths
    moved = rows - starts[part_of] + begins[np.searchsorted(needed, part_of)]
    return RowOffer([vectors.parts[number] for number in needed], moved)


def take_offered(offer: RowOffer) -> Half | None:
    """The embeddings, float16[m, dim]; None where this machine has not the same parts at the same paths."""
    chunks: list[pa.Array] = []
    for part in offer.parts:
        of_part = _embeddings(part)
        if of_part is None:
            return None
        chunks += of_part
    return Vectors(chunks, pa.nulls(0, pa.string())).take(offer.rows)


@functools.lru_cache(MAPPED)
def _embeddings(part: VectorPart) -> list[pa.Array] | None:
    """The embeddings of a part, mapped; None where it is another here, damaged or missing."""
    try:
        table = read_part(part.path)
    except (OSError, ValueError):
        return None
    if vector_part(part.path, table) != part:
        return None
    return list(table["embedding"].chunks)
