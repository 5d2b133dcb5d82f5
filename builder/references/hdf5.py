"""A matrix in an HDF5 file from a user, read block by block, and only from that file.

HDF5 lets a file point into others (external storage and links, virtual datasets) and state any size for numbers that
are not stored. Used by `twigma reference add`.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twigma.core.safety.bounded import ceiling

if TYPE_CHECKING:
    import h5py

WIDEST = 65_536  # numbers in a vector
LARGEST_CHUNK = 256 << 20  # bytes that HDF5 unpacks at once
FILTERS = {"gzip", "shuffle", "fletcher32", "lzf"}
NAMES = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}


def matrix(file: "h5py.File", path: Path, column: str | None) -> "h5py.Dataset":
    """The matrix of floats of a file, or the one of that name; ValueError unless it lies in the file itself."""
    import h5py

    matrices: list[str] = []
    links: list[str] = []
    for name in file:
        # A link may lead to another file: it is named, never followed.
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            links.append(name)
        elif _is_matrix(file[name]):
            matrices.append(name)
    chosen = column
    if column is None and len(matrices) == 1:
        chosen = matrices[0]
    if chosen not in matrices:
        note = ""
        if links:
            note = f"; {links[:5]} are links, which are not followed"
        raise ValueError(
            f"{path}: expected one matrix of floats, found {matrices[:20]}{note}; --column says which"
        )
    _check_storage(file[chosen], path)
    return file[chosen]


def _is_matrix(data: Any) -> bool:
    """Whether this member of a file is a matrix of floats."""
    import h5py

    is_dataset = isinstance(data, h5py.Dataset) and data.ndim == 2
    return is_dataset and data.dtype.kind == "f"


def _check_storage(data: "h5py.Dataset", path: Path) -> None:
    """ValueError where the numbers are not in the file, or far fewer than it states."""
    if data.external or data.is_virtual:
        raise ValueError(
            f"{path}: {data.name} takes its numbers from other files, which are not read: copy them in"
        )
    stored = data.id.get_storage_size()
    stated = data.shape[0] * data.shape[1] * data.dtype.itemsize
    if not 0 < data.shape[1] <= WIDEST:
        raise ValueError(
            f"{path}: expected vectors of 1 to {WIDEST:,} numbers, found {data.shape[1]:,}"
        )
    if stated > ceiling(stored) or (stated and not stored):
        raise ValueError(
            f"{path}: {data.name} states {stated:,} bytes, {stored:,} are stored: write the file again"
        )
    _check_chunks(data, path)


def _check_chunks(data: "h5py.Dataset", path: Path) -> None:
    """ValueError where a chunk would unpack to more than it states: HDF5 itself does not stop there."""
    properties = data.id.get_create_plist()
    numbers = [properties.get_filter(at)[0] for at in range(properties.get_nfilters())]
    filters = [NAMES.get(number, str(number)) for number in numbers]
    others = set(filters) - FILTERS
    if others:
        raise ValueError(
            f"{path}: {data.name} is packed by {sorted(others)}, expected gzip, lzf or none: write it so"
        )
    size = int(np.prod(data.chunks or (1, 1))) * data.dtype.itemsize
    if size > LARGEST_CHUNK:
        raise ValueError(
            f"{path}: {data.name} is in chunks of {size:,} bytes, at most {LARGEST_CHUNK:,} are read"
        )
    if not data.chunks or "gzip" not in filters:
        return
    for at in range(data.id.get_num_chunks()):
        chunk = data.id.get_chunk_info(at)
        if _inflates_beyond(data, chunk.chunk_offset, size):
            raise ValueError(
                f"{path}: {data.name} has a damaged chunk that unpacks to over {size:,} bytes"
            )


def _inflates_beyond(data: "h5py.Dataset", offset: tuple[int, ...], size: int) -> bool:
    """Whether a chunk unpacks to more than `size` bytes, of which no more than that is held at once."""
    _, left = data.id.read_direct_chunk(offset)
    unpacker: Any = zlib.decompressobj()
    total = 0
    try:
        while left and not unpacker.eof and total <= size + 4:  # a checksum may follow
            total += len(unpacker.decompress(left, 1 << 20))
            left = unpacker.unconsumed_tail
    except zlib.error:  # HDF5 itself reports the damage when the chunk is read
        return False
    return total > size + 4


def blocks(data: Any, rows: int, most: int) -> Iterator[np.ndarray]:
    """A matrix float[n, d] as blocks float[m, d] of at most `rows` rows, and of `most` bytes where a row is long."""
    row_bytes = data.shape[1] * data.dtype.itemsize
    step = max(1, min(rows, most // row_bytes))
    for at in range(0, data.shape[0], step):
        yield np.asarray(data[at : at + step])
