"""Pictures of a working folder for the explorer: decoded within this software's limits, small, without metadata.

What may be sensitive leaves as a few blurred squares until it is asked for by itself. The sheet of pictures on the map
is stored in the working folder, beside the index of its images; a removal deletes it.
"""

import functools
import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.core.parts import part_is_current, read_fingerprint, read_part, write_part
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.removed_ids import read_removed

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 1024  # pixels of the longer side of a picture that is looked at
SMALL = 96  # and of one in a list
SPRITE = 64  # side of a square on the map
COLUMNS = 16  # squares in a row of the sheet
SQUARES = 6  # along the longer side of a picture that may be sensitive
QUALITY = 85
REMEMBERED = 2_000  # small pictures, of about 4 kB
REVISION = 1  # of the sheet: raised when it is drawn in another way


@dataclass(frozen=True)
class Sheet:
    """Pictures of images in rows of `COLUMNS` squares, as one JPEG."""

    names: list[str]
    jpeg: bytes


class Pictures:
    """The stored pictures of a working folder, by `image_name`."""

    def __init__(self, work: AnyWorkspace) -> None:
        from twigma.rehydrate.images.image_index import Images

        self.work = Workspace(work)
        self.absent = ""  # why there is none at all
        self.images: Images | None = None
        try:
            self.images = Images(self.work)
        except OSError as error:
            self.absent = str(error)
        self._removed = read_removed(self.work)
        # One at a time: a picture of a stranger may take much memory.
        self._decoding = threading.Lock()
        self.small = functools.lru_cache(REMEMBERED)(self._small)

    def stored(self, names: pa.ChunkedArray) -> NDArray[np.bool_]:
        """Whether the picture of each of these images, string[n], is stored, bool[n]."""
        if self.images is None:
            return np.zeros(len(names), bool)
        return np.asarray(pc.is_in(names, value_set=self.images.names()))

    def why_missing(self, name: str) -> str:
        """Why an image has no picture here; empty where it has one."""
        if self._removed.holds(name):
            return "it was removed on request."
        if self.images is None:
            return f"{self.work} has none. {self.absent}"
        if name in self.images:
            return ""
        status = self.images.failure(name)
        if status is None:
            return "it was not downloaded (`twigma rehydrate`)."
        return f"it could not be stored: {status.replace('_', ' ')}."

    def shown(self, name: str) -> bytes:
        """A picture to look at, as a JPEG; ValueError where there is none."""
        return _jpeg(_within(self._read(name, SHOWN), SHOWN))

    def _small(self, name: str, coarse: bool) -> bytes:
        """A picture for a list, as a JPEG: of few squares where it is `coarse`; ValueError where there is none."""
        return _jpeg(_within(self._read(name, SMALL), SQUARES if coarse else SMALL))

    def sheet(self, names: list[str], coarse: list[bool], made_from: str) -> Sheet:
        """The squares of these images; stored, and made again when images or `made_from` change.

        An image whose picture cannot be decoded is left out.
        """
        if self.images is None:
            return Sheet([], b"")
        path = self.work.sprite_sheet
        provenance = {
            "revision": REVISION,
            "made_from": made_from,
            "index": self._index(),
        }
        if part_is_current(path, provenance):
            part = read_part(path)
            jpeg = b"".join(part["jpeg"].drop_null().to_pylist())
            return Sheet(part["image_name"].to_pylist(), jpeg)
        sheet = self._draw(names, coarse)
        # The one JPEG is in the row of the first name.
        jpegs: list[bytes | None] = [None] * len(sheet.names)
        if sheet.names:
            jpegs[0] = sheet.jpeg
        table = pa.table(
            {
                "image_name": pa.array(sheet.names, pa.string()),
                "jpeg": pa.array(jpegs, pa.binary()),
            }
        )
        if provenance["index"]:
            self._store(table, provenance)
        return sheet

    def _index(self) -> str:
        """What tells this state of the stored images from another; empty where the folder is not ours to write in."""
        try:
            return read_fingerprint(self.work.image_index)
        except (OSError, ValueError):
            return ""

    def _store(self, table: pa.Table, provenance: dict[str, object]) -> None:
        path = self.work.sprite_sheet
        try:
            write_part(path, table, provenance)
        except OSError:
            return  # the folder is not ours to write in, so the sheet is made each time
        # A removal may have run meanwhile: what it took out must not stay here.
        if self._index() != provenance["index"]:
            path.unlink(missing_ok=True)

    def _draw(self, names: list[str], coarse: list[bool]) -> Sheet:
        from PIL import Image

        from twigma.core.progress import progress_bar

        drawn: list[tuple[str, Image.Image]] = []
        pairs = zip(names, coarse, strict=True)
        for name, is_coarse in progress_bar(
            pairs, desc="pictures on the map", unit="image", total=len(names)
        ):
            try:
                drawn.append((name, _square(self._read(name, SPRITE), is_coarse)))
            except ValueError:
                continue
        if not drawn:
            return Sheet([], b"")
        height = -(-len(drawn) // COLUMNS) * SPRITE
        whole = Image.new("RGB", (COLUMNS * SPRITE, height))
        for place, (_, square) in enumerate(drawn):
            row, column = divmod(place, COLUMNS)
            whole.paste(square, (column * SPRITE, row * SPRITE))
        return Sheet([name for name, _ in drawn], _jpeg(whole))

    def _read(self, name: str, side: int) -> "Image":
        """A picture, decoded at no more than it takes for `side` pixels; ValueError where there is none."""
        from PIL import Image

        from twigma.rehydrate.images.decode import read_pixels
        from twigma.rehydrate.images.decode_memory import room

        why = self.why_missing(name)
        if why or self.images is None:
            raise ValueError(f"No picture: {why}")
        try:
            data = self.images.read(name)
        except (KeyError, OSError) as error:
            raise ValueError(f"No picture: {error}") from None
        with self._decoding, room(data):
            _, pixels = read_pixels(data, (side, side))
        return Image.fromarray(pixels)


def _within(image: "Image", side: int) -> "Image":
    """The picture, at most `side` pixels wide and high."""
    from PIL.Image import Resampling

    # Plain means for a few squares: LANCZOS would ring across them.
    filter_ = Resampling.BOX if side <= SQUARES else Resampling.LANCZOS
    scale = min(1.0, side / max(image.size))
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), filter_)


def _square(image: "Image", coarse: bool) -> "Image":
    """The middle of a picture as a square for the map."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    size = (SPRITE, SPRITE)
    if coarse:
        # Squares that are blurred into one another.
        return ImageOps.fit(_within(image, SQUARES), size, Resampling.BILINEAR)
    return ImageOps.fit(image, size, Resampling.LANCZOS)


def _jpeg(image: "Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
