"""Safe reading of images posted by strangers: what is refused, what is checked, how pixels come out.

`check` reads an encoded image to its last byte without keeping its pixels; `open_image` gives the pixels.
Both look at the file's structure before any decoder sees it. Used by `twigma rehydrate` and every stage with pixels.
"""

import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from twigma.rehydrate.depth import bytes_a_pixel

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
MAX_PIXELS = 50_000_000
MAX_DECODED = 3 * MAX_PIXELS  # bytes of the pixels as the file has them: fewer pixels with alpha or 16 bits
MAX_SCANS = 200  # of a progressive JPEG: each one costs a pass over all pixels
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}
_PNG = b"\x89PNG\r\n\x1a\n"
_PADDING = 16  # stray bytes before a marker that encoders really write; more means missing data
_NO_SIZE = frozenset([0x01, *range(0xD0, 0xD9)])  # JPEG markers without a length
_APP1 = 0xE1  # the JPEG marker of EXIF and XMP
_ONE_PASS = frozenset({0xC0, 0xC1})  # baseline frames: their scans together hold each coefficient once
_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that carry the size


class BadImage(ValueError):  # noqa: N818 - it describes the image, which is a row, not a fault of ours
    """An image that is refused; `status` is its class: not_an_image, too_large or decode."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Header:
    """What an encoded image is: its format (a file extension), its size in pixels, and what a reader has to do.

    `turned`: its metadata ask for a turn or a flip. `deep`: 16 bits a channel. `animated`: more frames than one.
    """

    format: str
    width: int
    height: int
    turned: bool = False
    deep: bool = False
    animated: bool = False


def read_header(data: bytes) -> Header:
    """Format and size from the file's structure alone, before any turn; BadImage if it is none, broken or too large."""
    for format, (matches, size) in _READERS.items():
        if matches(data):
            header = Header(format, *_sized(size, data))
            break
    else:
        raise BadImage("not_an_image", f"expected JPEG, PNG, WebP or GIF, found bytes starting {data[:12]!r}")
    pixels = header.width * header.height
    if pixels == 0:
        raise BadImage("decode", f"{header.format} of {header.width}x{header.height} pixels")
    if pixels > MAX_PIXELS:
        raise BadImage("too_large", f"{header.width}x{header.height} pixels, at most {MAX_PIXELS:,} are decoded")
    depth = bytes_a_pixel(format, data)
    if pixels * depth > MAX_DECODED:
        said = f"{header.width}x{header.height} pixels of {depth} bytes"
        raise BadImage("too_large", f"{said}, at most {MAX_DECODED:,} bytes are decoded")
    return header


def check(data: bytes) -> Header:
    """Check an image to its last byte; width and height are those of the pixels `open_image` gives.

    A JPEG is decoded at an eighth of its size, which still reads every coefficient of every scan.
    """
    header = read_header(data)
    with _decoding(header.format):
        if header.format == "jpg":
            _decode_jpeg(data, "GRAY", (1, 1))
            if not _has_metadata(data):
                return header
        with _open(data) as image:
            if header.format != "jpg":
                image.load()
            return _described(header, image, data)


def open_image(data: bytes) -> Image.Image:
    """Decode to an upright 8-bit RGB image (first frame; 16-bit scaled down; CMYK, palette and alpha converted).

    Raises BadImage, a ValueError whose `status` names the class of failure.
    """
    _, found = _decoded(data)
    return found if isinstance(found, Image.Image) else Image.fromarray(found)


def read_pixels(data: bytes, least: tuple[int, int] | None = None) -> tuple[Header, Pixels]:
    """What `check` says and the pixels of `open_image` (height, width, 3), in one pass.

    A JPEG comes out smaller than it is where that is quicker, but not below `least` (width, height).
    """
    header, found = _decoded(data, least)
    return header, np.asarray(found)


def _decoded(data: bytes, least: tuple[int, int] | None = None) -> tuple[Header, Image.Image | Pixels]:
    header = read_header(data)
    with _decoding(header.format):
        pixels = _decode_jpeg(data, "RGB", least) if header.format == "jpg" else None
        if pixels is not None and not _has_metadata(data):
            return header, pixels
        with _open(data) as image:
            if pixels is None:
                image.load()
            header = _described(header, image, data)
            return header, _to_rgb(_upright(image)) if pixels is None or header.turned else pixels


def open_upright(data: bytes) -> Image.Image:
    """Decode an image that `check` has passed: upright, 8 bits a channel, gray, palette and alpha as they are."""
    header = read_header(data)
    with _decoding(header.format), _open(data) as image:
        image.load()
        if header.format == "png" and data[24] == 16:
            image.info.pop("transparency", None)  # in 16 bits
        return _eight_bits(_upright(image))


def _described(header: Header, image: Image.Image, data: bytes) -> Header:
    orientation = _orientation(image)
    size = (header.height, header.width) if orientation >= 5 else (header.width, header.height)
    deep = header.format == "png" and data[24] == 16
    return Header(header.format, *size, turned=orientation != 1, deep=deep, animated=_is_animated(image))


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("P", "PA", "LA", "RGBA"):
        image = image.convert("RGBA")
    image.load()
    return _eight_bits(image).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image).clip(0, 65535)  # Pillow's own conversion clips at 255
    return Image.fromarray((values >> 8).astype(np.uint8))


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=tuple(FORMATS.values()))
    if image.width * image.height > MAX_PIXELS:  # a GIF frame may be larger than its header says
        raise BadImage("too_large", f"{image.width}x{image.height} pixels, at most {MAX_PIXELS:,} are decoded")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # EXIF is free-form input to a parser with many ways to fail; an unreadable one turns nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "is_animated", False)
    except Exception:  # Pillow looks for the second frame; one that cannot be read is still one
        return True


class _decoding:  # noqa: N801 - reads as a statement
    """Turn whatever a decoder raises on hostile input into BadImage."""

    def __init__(self, format: str) -> None:
        self.format = format

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            raise BadImage("too_large", str(error)) from error
        if isinstance(error, Exception) and not isinstance(error, BadImage):
            raise BadImage("decode", f"{self.format} cannot be decoded: {error}") from error


def _decode_jpeg(data: bytes, colour: str, least: tuple[int, int] | None = None) -> Pixels | None:
    """Decode with libjpeg-turbo, whose warnings about missing or corrupt data are errors here. None for CMYK.

    With `least` (width, height) it is scaled down as far as an eighth while it decodes, but not below that size.
    """
    try:
        if simplejpeg.decode_jpeg_header(data, strict=False)[2] in ("CMYK", "YCCK"):
            simplejpeg.decode_jpeg(data, "CMYK", min_width=1, min_height=1, strict=True)
            return None
        width, height = least or (0, 0)
        return np.asarray(simplejpeg.decode_jpeg(data, colour, min_width=width, min_height=height, strict=True))
    except ValueError as error:
        stray = re.search(r"(\d+) extraneous bytes before marker", str(error))
        if stray and int(stray[1]) <= _PADDING:
            return None
        raise BadImage("decode", f"jpg is damaged or cut short: {error}") from error


# ------------------------------------------------------------ structure, before any decoder


def _sized(size: Callable[[bytes], tuple[int, int]], data: bytes) -> tuple[int, int]:
    try:
        return size(data)
    except (struct.error, IndexError) as error:
        raise BadImage("decode", f"file of {len(data)} bytes ends inside its header") from error


def _jpg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker before the coded data, and where it stands."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise BadImage("decode", f"jpg has no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _NO_SIZE:
            at += 2
        elif marker in (0xD9, 0xDA):
            return
        else:
            yield marker, at
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])


def _jpg_size(data: bytes) -> tuple[int, int]:
    for marker, at in _jpg_segments(data):
        if marker in _FRAME:
            if marker not in _ONE_PASS and data.count(b"\xff\xda") > MAX_SCANS:
                raise BadImage("too_large", f"jpg with more than {MAX_SCANS} scans")
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
    raise BadImage("decode", "jpg has no frame header before its data")


def _has_metadata(data: bytes) -> bool:
    """Whether a JPEG may say how it is turned; True where only Pillow can tell."""
    try:
        return any(marker == _APP1 for marker, _ in _jpg_segments(data))
    except (BadImage, struct.error, IndexError):
        return True


def _png_size(data: bytes) -> tuple[int, int]:
    at = len(_PNG)
    kinds: list[bytes] = []
    while not kinds or kinds[-1] != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        if length > len(data) - at - 12:
            raise BadImage("decode", f"png chunk {kind!r} says {length} bytes, {max(0, len(data) - at - 12)} are left")
        kinds.append(kind)
        at += 12 + length
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise BadImage("decode", f"png expected to start with IHDR and to have IDAT, found {kinds[:3]}")
    return struct.unpack_from(">II", data, 16)


def _gif_size(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


def _webp_size(data: bytes) -> tuple[int, int]:
    length, kind = struct.unpack_from("<I", data, 4)[0], data[12:16]
    if length + 8 > len(data):
        raise BadImage("decode", f"webp says {length + 8} bytes, found {len(data)}")
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


_Reader = tuple[Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]]
_READERS: dict[str, _Reader] = {
    "jpg": (lambda data: data[:3] == b"\xff\xd8\xff", _jpg_size),
    "png": (lambda data: data[:8] == _PNG, _png_size),
    "webp": (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp_size),
    "gif": (lambda data: data[:6] in (b"GIF87a", b"GIF89a"), _gif_size),
}
