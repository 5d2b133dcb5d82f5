"""Places on a map as far as they are computed, so that a run that was killed goes on with the next image.

`twigma cluster` and `assign` place ten million images in half an hour. A file has the fingerprint of what the places
are computed from, and then the places themselves, in the order of the images; it is deleted when all are placed.
"""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
BYTES = 8  # of a place: two float32


class KeptPlaces:
    """Keeps the places of some images in a file, one block after the other; `places` are those of an earlier run.

    Attributes
    ----------
    places : float32[m, 2], of the first m images.

    Parameters
    ----------
    path : the file; its folder is made when the first place is kept.
    made_from : a fingerprint of all that the places depend on. What was computed from anything else is not used.
    """

    def __init__(self, path: Path, made_from: str) -> None:
        self._path = path
        self._head = f"{made_from}\n".encode()
        self.places = self._read()
        self._count = len(self.places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> Floats:
        """What an earlier run kept; a place that was cut off is none."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        if not data.startswith(self._head):
            return np.empty((0, 2), np.float32)
        count = (len(data) - len(self._head)) // BYTES
        places = np.frombuffer(data, np.float32, 2 * count, len(self._head))
        return places.reshape(count, 2)

    def add(self, places: Floats) -> None:
        """Keep the places of the next images, float32[m, 2]."""
        if not self._count:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(self._head)
        with self._path.open("r+b") as file:
            file.seek(len(self._head) + BYTES * self._count)
            file.write(places.astype(np.float32).tobytes())
            file.truncate()
        self._count += len(places)
