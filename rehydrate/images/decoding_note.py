"""A note of the image that is being decoded, for whoever finds the process dead: a crash of the decoder has a culprit.

The note is a small file that is mapped into memory: what was written to it is there after a kill, and writing costs
no system call. Used by the workers of `twigma rehydrate`.
"""

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

NOTE = "decoding"  # the name of the file in the private folder of a shard
NOTE_BYTES = 64


class DecodingNote:
    """The note in a folder, while it is open. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NOTE

    def __enter__(self) -> "DecodingNote":
        # Writing the file shows a full disk here, and not at the first use of the memory.
        self._path.write_bytes(bytes(NOTE_BYTES))
        with self._path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), NOTE_BYTES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._memory.close()

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Name the image that is decoded inside of this."""
        text = name.encode("ascii", "replace")[:NOTE_BYTES]
        self._memory[:] = text.ljust(NOTE_BYTES, b"\0")
        try:
            yield
        finally:
            self._memory[:] = bytes(NOTE_BYTES)


def read_note(folder: Path) -> str | None:
    """The image whose decoding had begun and not ended in this folder; None where there is none."""
    try:
        data = (folder / NOTE).read_bytes()
    except OSError:
        return None
    return data.rstrip(b"\0").decode("ascii") or None
