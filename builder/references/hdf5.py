"""A matrix in an HDF5 file that somebody gives, read block by block, and only from that file.

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

    names = [
        name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)
    ]
    pointing = [name for name in file if name not in names]
    found = [
        name
        for name in names
        if isinstance(file[name], h5py.Dataset) and file[name].ndim == 2
    ]
    floats = [name for name in found if file[name].dtype.kind == "f"]
    if (column or "") not in floats and (column or len(floats) != 1):
        links = (
            f"; {pointing[:5]} are links, which are not followed" if pointing else ""
        )
        raise ValueError(
            f"{path}: expected one matrix of floats, found {floats[:20]}{links}; --column says which"
        )
    chosen = file[column or floats[0]]
    _check_storage(chosen, path)
    return chosen


def _check_storage(data: "h5py.Dataset", path: Path) -> None:
    """ValueError where the numbers are not in the file, or far fewer than it says."""
    if data.external or data.is_virtual:
        raise ValueError(
            f"{path}: {data.name} takes its numbers from other files, which are not read: copy them in"
        )
    stored, stated = (
        data.id.get_storage_size(),
        data.shape[0] * data.shape[1] * data.dtype.itemsize,
    )
    if not 0 < data.shape[1] <= WIDEST:
        raise ValueError(
            f"{path}: expected vectors of 1 to {WIDEST:,} numbers, found {data.shape[1]:,}"
        )
    if stated > ceiling(stored) or (stated and not stored):
        raise ValueError(
            f"{path}: {data.name} says {stated:,} bytes, {stored:,} are stored: write the file again"
        )
    _check_chunks(data, path)


def _check_chunks(data: "h5py.Dataset", path: Path) -> None:
    """ValueError where a chunk would unpack to more than it says: HDF5 itself does not stop there."""
    properties = data.id.get_create_plist()
    numbers = [properties.get_filter(at)[0] for at in range(properties.get_nfilters())]
    filters = [NAMES.get(number, str(number)) for number in numbers]
    if others := set(filters) - FILTERS:
        raise ValueError(
            f"{path}: {data.name} is packed by {sorted(others)}, expected gzip, lzf or none: write it so"
        )
    size = int(np.prod(data.chunks or (1, 1))) * data.dtype.itemsize
    if size > LARGEST_CHUNK:
        raise ValueError(
            f"{path}: {data.name} is in chunks of {size:,} bytes, at most {LARGEST_CHUNK:,} are read"
        )
    for at in range(data.id.get_num_chunks() if data.chunks else 0):
        chunk = data.id.get_chunk_info(at)
        if "gzip" in filters and _inflates_beyond(data, chunk.chunk_offset, size):
            raise ValueError(
                f"{path}: {data.name} has a damaged chunk that unpacks to over {size:,} bytes"
            )


def _inflates_beyond(data: "h5py.Dataset", offset: tuple[int, ...], size: int) -> bool:
    _, packed = data.id.read_direct_chunk(offset)
    unpacker: Any = zlib.decompressobj()
    left, total = packed, 0
    try:
        while left and not unpacker.eof and total <= size + 4:  # a checksum may follow
            total += len(unpacker.decompress(left, 1 << 20))
            left = unpacker.unconsumed_tail
    except zlib.error:  # HDF5 says what is wrong with it
        return False
    return total > size + 4


def blocks(data: Any, rows: int, most: int) -> Iterator[np.ndarray]:
    """A matrix in blocks of at most so many rows, and so many bytes where a row is long."""
    step = max(1, min(rows, most // (data.shape[1] * data.dtype.itemsize)))
    return (np.asarray(data[at : at + step]) for at in range(0, data.shape[0], step))
