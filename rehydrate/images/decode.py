"""Safe reading of images posted by strangers: what is refused, what is checked, how pixels come out.

`check` reads an encoded image to its last byte without keeping its pixels; `open_image` gives the pixels.
Both look at the file's structure before any decoder sees it. Used by `twigma rehydrate` and every stage with pixels.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from twigma.rehydrate.images import jpeg
from twigma.rehydrate.images.jpeg import Decoded, Pixels
from twigma.rehydrate.images.pixel_depth import bytes_a_pixel

MAX_PIXELS = 50_000_000
MAX_DECODED = (
    3 * MAX_PIXELS
)  # bytes of the pixels as the file has them: fewer pixels with alpha or 16 bits
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}
_PNG = b"\x89PNG\r\n\x1a\n"


class BadImage(ValueError):  # noqa: N818 - it describes the image, which is a row, not a fault of ours
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


def read_header(data: bytes) -> Header:
    """Format and size from the file's structure alone, before any turn; BadImage if it is none, broken or too large."""
    for format, (matches, size) in _READERS.items():
        if matches(data):
            header = Header(format, *_sized(size, data))
            break
    else:
        raise BadImage(
            "not_an_image",
            f"expected JPEG, PNG, WebP or GIF, found bytes starting {data[:12]!r}",
        )
    _refuse_size(header.format, header.width, header.height)
    pixels, depth = header.width * header.height, bytes_a_pixel(format, data)
    if pixels * depth > MAX_DECODED:
        said = f"{header.width}x{header.height} pixels of {depth} bytes"
        raise BadImage(
            "too_large", f"{said}, at most {MAX_DECODED:,} bytes are decoded"
        )
    return header


def _refuse_size(format: str, width: int, height: int) -> None:
    if width * height == 0:
        raise BadImage("decode", f"{format} of {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise BadImage(
            "too_large", f"{width}x{height} pixels, at most {MAX_PIXELS:,} are decoded"
        )


def check(data: bytes) -> Header:
    """Check an image to its last byte; width and height are those of the pixels `open_image` gives.

    A JPEG is decoded at an eighth of its size, which still reads every coefficient of every scan.
    """
    header = read_header(data)
    with _decoding(header.format):
        decoded = _decode_jpeg(header, data, "GRAY", (1, 1))
        if decoded is not None:
            header, data = replace(header, warning=_sentence(decoded)), decoded.data
            if not jpeg.has_metadata(data):
                return header
        with _open(data, header) as image:
            if decoded is None or _is_cmyk(decoded):
                image.load()
            return _described(header, image, data)


def open_image(data: bytes) -> Image.Image:
    """Decode to an upright 8-bit RGB image (first frame; 16-bit scaled down; CMYK, palette and alpha converted).

    Raises BadImage, a ValueError whose `status` names the class of failure.
    """
    _, found = _decoded(data)
    return found if isinstance(found, Image.Image) else Image.fromarray(found)


def read_pixels(
    data: bytes, least: tuple[int, int] | None = None
) -> tuple[Header, Pixels]:
    """What `check` says and the pixels of `open_image` (height, width, 3), in one pass.

    A JPEG comes out smaller than it is where that is quicker, but not below `least` (width, height).
    """
    header, found = _decoded(data, least)
    return header, np.asarray(found)


def _decoded(
    data: bytes, least: tuple[int, int] | None = None
) -> tuple[Header, Image.Image | Pixels]:
    header = read_header(data)
    with _decoding(header.format):
        decoded = _decode_jpeg(header, data, "RGB", least or (0, 0))
        by_pillow = decoded is None or _is_cmyk(decoded)
        if decoded is not None:
            header, data = replace(header, warning=_sentence(decoded)), decoded.data
            if not by_pillow and not jpeg.has_metadata(data):
                return header, decoded.pixels
        with _open(data, header) as image:
            if by_pillow:
                image.load()
            header = _described(header, image, data)
            if decoded is not None and not by_pillow and not header.turned:
                return header, decoded.pixels
            return header, _to_rgb(_upright(image))


def open_upright(data: bytes) -> Image.Image:
    """Decode an image that `check` has passed: upright, 8 bits a channel, gray, palette and alpha as they are."""
    header = read_header(data)
    with _decoding(header.format), _open(data, header) as image:
        image.load()
        if header.format == "png" and data[24] == 16:
            image.info.pop("transparency", None)  # in 16 bits
        return _eight_bits(_upright(image))


def _described(header: Header, image: Image.Image, data: bytes) -> Header:
    orientation = _orientation(image)
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    deep = header.format == "png" and data[24] == 16
    turned, animated = orientation != 1, _is_animated(image)
    return replace(
        header, width=width, height=height, turned=turned, deep=deep, animated=animated
    )


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


def _open(data: bytes, header: Header) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=(FORMATS[header.format],))
    _refuse_size(header.format, *image.size)
    if header.format != "gif":  # whose frame may be larger than its screen
        _refuse_other_size(header.format, (header.width, header.height), image.size)
    return image


def _refuse_other_size(
    format: str, stated: tuple[int, int], found: tuple[int, int]
) -> None:
    if found != stated:
        raise BadImage(
            "decode",
            f"{format} states {stated[0]}x{stated[1]} pixels, its decoder {found[0]}x{found[1]}",
        )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # EXIF is free-form input to a parser with many ways to fail; an unreadable one turns nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "is_animated", False)
    except (
        Exception
    ):  # Pillow looks for the second frame; one that cannot be read is still one
        return True


class _decoding:  # noqa: N801 - reads as a statement
    """Turn whatever a decoder raises on hostile input into BadImage."""

    def __init__(self, format: str) -> None:
        self.format = format

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(
            error, Image.DecompressionBombError | Image.DecompressionBombWarning
        ):
            raise BadImage("too_large", str(error)) from error
        if isinstance(error, Exception) and not isinstance(error, BadImage):
            raise BadImage(
                "decode", f"{self.format} cannot be decoded: {error}"
            ) from error


def _decode_jpeg(
    header: Header, data: bytes, colour: str, least: tuple[int, int]
) -> Decoded | None:
    """Decode a JPEG to its last scan, as CMYK where it is; None for other formats."""
    if header.format != "jpg":
        return None
    try:
        if jpeg.read_header(data)[2] in ("CMYK", "YCCK"):
            colour, least = (
                "CMYK",
                (1, 1),
            )  # its colours are Pillow's, and this says whether it is whole
        return jpeg.decode(data, colour, least)
    except ValueError as error:
        raise BadImage("decode", f"jpg is damaged or cut short: {error}") from error


def _sentence(decoded: Decoded) -> str | None:
    return (
        decoded.warning
        and f"every pixel is there, with a warning of the decoder: {decoded.warning}"
    )


def _is_cmyk(decoded: Decoded) -> bool:
    return bool(decoded.pixels.shape[2] == 4)


# ------------------------------------------------------------ structure, before any decoder


def _sized(size: Callable[[bytes], tuple[int, int]], data: bytes) -> tuple[int, int]:
    try:
        return size(data)
    except (struct.error, IndexError) as error:
        raise BadImage(
            "decode", f"file of {len(data)} bytes ends inside its header"
        ) from error


def _jpg_size(data: bytes) -> tuple[int, int]:
    """The size that libjpeg reads, where no frame header says another one."""
    sizes = jpeg.read_sizes(data)
    for width, height in sizes:
        _refuse_size("jpg", width, height)
    if jpeg.has_too_many_scans(data):
        raise BadImage("too_large", f"jpg with more than {jpeg.MAX_SCANS} scans")
    try:
        width, height, _ = jpeg.read_header(data)
    except ValueError as error:
        raise BadImage(
            "decode", f"jpg has no header that can be read: {error}"
        ) from error
    for size in sizes or [(0, 0)]:
        _refuse_other_size("jpg", size, (width, height))
    return width, height


def _png_size(data: bytes) -> tuple[int, int]:
    at = len(_PNG)
    kinds: list[bytes] = []
    while not kinds or kinds[-1] != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        if length > len(data) - at - 12:
            raise BadImage(
                "decode",
                f"png chunk {kind!r} says {length} bytes, {max(0, len(data) - at - 12)} are left",
            )
        kinds.append(kind)
        at += 12 + length
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise BadImage(
            "decode",
            f"png expected to start with IHDR and to have IDAT, found {kinds[:3]}",
        )
    return struct.unpack_from(">II", data, 16)


def _gif_size(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


def _webp_size(data: bytes) -> tuple[int, int]:
    length, kind = struct.unpack_from("<I", data, 4)[0], data[12:16]
    if length + 8 > len(data):
        raise BadImage("decode", f"webp says {length + 8} bytes, found {len(data)}")
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(
            data[27:30], "little"
        )
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
