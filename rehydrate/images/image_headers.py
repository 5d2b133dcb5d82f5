"""What an encoded image says of itself: format, size and depth, read from the file's structure before any decoder.

A decoder trusts these numbers with its memory, so files that are broken or too large are refused here. Used by
`decode.py` and `decode_memory.py`.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from twigma.rehydrate.images import jpeg, png

MAX_PIXELS = 50_000_000  # unless the environment says otherwise
MAX_PIXELS_VARIABLE = "TWIGMA_MAX_PIXELS"
# Bytes a pixel of an image that has as many pixels as allowed: fewer pixels with alpha or 16 bits.
BYTES_A_PIXEL = 3
# Of a PNG, by colour type; a palette's pixels become three bytes.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
# Of a WebP: in the flags of its canvas (VP8X), and in the fourth byte of its size (VP8L).
_WEBP_ALPHA = 0x10

Size = tuple[int, int]  # width, height


class BadImage(ValueError):  # noqa: N818 - it describes the image, which is a row, not an internal error
    """An image that is refused; `status` is its class: not_an_image, too_large or decode."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Header:
    """What an encoded image is: its format (a file extension), its size in pixels, and what a reader has to do.

    `turned`: its metadata ask for a turn or a flip. `deep`: 16 bits a channel. `animated`: more frames than one.
    `warning`: a sentence where the decoder complained, though every pixel is there.
    """

    format: str
    width: int
    height: int
    turned: bool = False
    deep: bool = False
    animated: bool = False
    warning: str | None = None


def max_pixels() -> int:
    """Most pixels of an image that is decoded: $TWIGMA_MAX_PIXELS, by default 50 million.

    RuntimeError for a value that is no such number: a ValueError would read as a damaged image.
    """
    text = os.environ.get(MAX_PIXELS_VARIABLE, "")
    if not text:
        return MAX_PIXELS
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise RuntimeError(
            f"{MAX_PIXELS_VARIABLE}: expected a number of pixels such as {MAX_PIXELS}, found {text!r}"
        )
    return int(text)


def read_header(data: bytes) -> Header:
    """Format and size from the file's structure alone, before any turn; BadImage if it is none, broken or too large."""
    format = _format_of(data)
    try:
        width, height = _FORMATS[format].read_size(data)
    except (struct.error, IndexError) as error:
        raise BadImage(
            "decode", f"file of {len(data)} bytes ends inside its header"
        ) from error
    refuse_size(format, width, height)
    depth = _bytes_a_pixel(format, data)
    most = BYTES_A_PIXEL * max_pixels()
    if width * height * depth > most:
        raise BadImage(
            "too_large",
            f"{width}x{height} pixels of {depth} bytes, at most {most:,} bytes are decoded ({MAX_PIXELS_VARIABLE} "
            "allows larger ones)",
        )
    return Header(format, width, height)


def refuse_size(format: str, width: int, height: int) -> None:
    """BadImage where an image has no pixels, or too many to be decoded."""
    if width * height == 0:
        raise BadImage("decode", f"{format} of {width}x{height} pixels")
    most = max_pixels()
    if width * height > most:
        raise BadImage(
            "too_large",
            f"{width}x{height} pixels, at most {most:,} are decoded ({MAX_PIXELS_VARIABLE} allows larger ones)",
        )


def refuse_other_size(format: str, stated: Size, decoded: Size) -> None:
    """BadImage where a decoder sees another size than the file's structure states."""
    if decoded != stated:
        raise BadImage(
            "decode",
            f"{format} states {stated[0]}x{stated[1]} pixels, its decoder {decoded[0]}x{decoded[1]}",
        )


def is_deep(format: str, data: bytes) -> bool:
    """Whether an image whose header was read has 16 bits a channel; only a PNG can."""
    return format == "png" and data[24] == 16


def _format_of(data: bytes) -> str:
    for format, reader in _FORMATS.items():
        if reader.matches(data):
            return format
    raise BadImage(
        "not_an_image",
        f"expected JPEG, PNG, WebP or GIF, found bytes starting {data[:12]!r}",
    )


def _bytes_a_pixel(format: str, data: bytes) -> int:
    """Channels times bytes of each."""
    if format == "png":
        channels = _PNG_CHANNELS.get(data[25], 4)
        return 2 * channels if is_deep(format, data) else channels
    if format == "webp":
        flags = {b"VP8L": data[24], b"VP8X": data[20]}
        alpha = flags.get(data[12:16], 0) & _WEBP_ALPHA
        return 4 if alpha else 3
    return 3


# ------------------------------------------------------------------ the formats


def _is_jpg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")


def _jpg_size(data: bytes) -> Size:
    """The size that libjpeg reads, where no frame header says another one."""
    head = jpeg.read_head(data)
    for width, height in head.sizes:
        refuse_size("jpg", width, height)
    if jpeg.has_too_many_scans(data, head):
        raise BadImage("too_large", f"jpg with more than {jpeg.MAX_SCANS} scans")
    try:
        width, height, _ = jpeg.read_header(data)
    except ValueError as error:
        raise BadImage(
            "decode", f"jpg has no header that can be read: {error}"
        ) from error
    for size in head.sizes or [(0, 0)]:
        refuse_other_size("jpg", size, (width, height))
    return width, height


def _is_png(data: bytes) -> bool:
    return data.startswith(png.SIGNATURE)


def _png_size(data: bytes) -> Size:
    """The size in the first chunk, after a walk over all chunks: a length beyond the file is an attack or a cut."""
    try:
        kinds = [chunk.kind for chunk in png.chunks(data)]
    except ValueError as error:
        raise BadImage("decode", str(error)) from error
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise BadImage(
            "decode",
            f"png expected to start with IHDR and to have IDAT, found {kinds[:3]}",
        )
    return struct.unpack_from(">II", data, 16)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp_size(data: bytes) -> Size:
    """The size of the canvas (VP8X), of a lossless (VP8L) or of a lossy image (VP8)."""
    length = struct.unpack_from("<I", data, 4)[0]
    if length + 8 > len(data):
        raise BadImage("decode", f"webp says {length + 8} bytes, found {len(data)}")
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return width, height
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF  # the upper two bits are a scale


def _is_gif(data: bytes) -> bool:
    return data.startswith((b"GIF87a", b"GIF89a"))


def _gif_size(data: bytes) -> Size:
    return struct.unpack_from("<HH", data, 6)


class _Format(NamedTuple):
    matches: Callable[[bytes], bool]
    read_size: Callable[[bytes], Size]


_FORMATS = {
    "jpg": _Format(_is_jpg, _jpg_size),
    "png": _Format(_is_png, _png_size),
    "webp": _Format(_is_webp, _webp_size),
    "gif": _Format(_is_gif, _gif_size),
}
