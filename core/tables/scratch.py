"""What is decoded once and read again and again, in files without a name: mapped, it takes no memory of its own.

The disk gets the space back when the last reader is gone, however the process ends.
"""

import mmap
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ROWS = 1 << 17  # of a table that are written at a time


class Scratch:
    """Makes such files on the disk that a folder is on; without a folder where the system has temporary files."""

    def __init__(self, folder: Path | None = None) -> None:
        """A folder that does not exist yet stands for the nearest above it that does."""
        self._folder = None if folder is None else nearest_folder(folder)

    def table(self, pieces: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
        """The rows of all pieces, tables of one schema, one after the other, as one mapped table.

        >>> one = pa.table({"a": [1, 2]})
        >>> Scratch().table([one, one], one.schema)["a"].to_pylist()
        [1, 2, 1, 2]
        """
        with self._file() as file:
            with pa.ipc.new_file(file, schema) as writer:
                for piece in pieces:
                    writer.write_table(piece, max_chunksize=ROWS)
            return pa.ipc.open_file(pa.py_buffer(_mapped(file))).read_all()

    def matrix(
        self, blocks: Iterable[npt.NDArray[np.floating]]
    ) -> npt.NDArray[np.floating]:
        """The rows of all blocks, [m, d] each of one width and type, one after the other, as one mapped matrix [n, d].

        ValueError for a block of another width or type than the first.

        >>> Scratch().matrix([np.ones((2, 3), np.float16), np.zeros((1, 3), np.float16)]).shape
        (3, 3)
        """
        kind: tuple[int, Any] | None = None
        with self._file() as file:
            for block in blocks:
                found = block.shape[1], block.dtype
                kind = kind or found
                if found != kind:
                    raise ValueError(
                        f"expected rows of {kind[0]} numbers ({kind[1]}) as the first, found {found[0]} ({found[1]})"
                    )
                file.write(np.ascontiguousarray(block).data)
            if kind is None:
                return np.empty((0, 1), np.float16)
            return np.frombuffer(_mapped(file), kind[1]).reshape(-1, kind[0])

    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)


def nearest_folder(folder: Path) -> Path:
    """A folder, or the nearest above it that exists: the disk that it will be on."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _mapped(file: IO[bytes]) -> mmap.mmap:
    """All that was written to a file; it outlives the file's being closed."""
    file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
