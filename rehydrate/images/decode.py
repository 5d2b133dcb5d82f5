"""Safe reading of images posted by strangers: what is checked, how pixels come out.

`check` reads an encoded image to its last byte without holding its pixels; `open_image` returns the pixels. Both look
at the file's structure (`image_headers.py`) before any decoder sees it. Used by `twigma rehydrate` and every stage with
pixels.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from twigma.rehydrate.images import jpeg, png
from twigma.rehydrate.images.image_headers import (
    BadImage,
    Header,
    Size,
    is_deep,
    max_pixels,
    read_header,
    refuse_other_size,
    refuse_size,
)
from twigma.rehydrate.images.jpeg import Decoded, Pixels

__all__ = [
    "BadImage",
    "Header",
    "check",
    "eight_bits",
    "open_image",
    "open_lazily",
    "open_upright",
    "orientation",
    "read_header",
    "read_pixels",
    "upright",
]

PILLOW_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}
EXIF_ORIENTATION = 0x0112
UPRIGHT = (
    1  # of the eight orientations; from SIDEWAYS on, width and height change places
)
SIDEWAYS = 5


def check(data: bytes) -> Header:
    """Check an image to its last byte; width and height are those of the pixels that `open_image` returns.

    A JPEG is decoded at an eighth of its size, which still reads every coefficient of every scan. Raises BadImage.
    """
    header = read_header(data)
    with _refusals(header.format):
        decoded = _decode_jpeg(header, data, "GRAY", (1, 1))
        if decoded is not None:
            header = _with_warning(header, decoded)
            data = decoded.data
            if not decoded.has_metadata:
                return header
        with _open(data, header) as image:
            if decoded is None or decoded.colour == "CMYK":
                image.load()
            return _described(header, image, data)


def open_image(data: bytes) -> Image.Image:
    """Decode to an upright 8-bit RGB image (first frame; 16-bit scaled down; CMYK, palette and alpha converted).

    It shares the decoder's memory: `readonly`, as Pillow calls it, so that whatever draws on it copies it first.
    Raises BadImage, a ValueError whose `status` names the class of failure.
    """
    _, decoded = _decode(data, colour="RGBA")
    if isinstance(decoded, Image.Image):
        return decoded
    # Pillow's own RGB has a fourth byte as well: so nothing is copied.
    height, width, _ = decoded.shape
    return Image.fromarrow(pa.array(decoded.reshape(-1)), "RGB", (width, height))


def read_pixels(data: bytes, least: Size | None = None) -> tuple[Header, Pixels]:
    """What `check` returns, and the pixels of `open_image` as uint8[height, width, 3], in one pass.

    A JPEG comes out smaller than it is where that is quicker, but not below `least` (width, height). Raises BadImage.
    """
    header, decoded = _decode(data, least)
    # A copy of Pillow's own, which cannot be written to.
    return header, np.array(decoded) if isinstance(decoded, Image.Image) else decoded


def _decode(
    data: bytes, least: Size | None = None, colour: str = "RGB"
) -> tuple[Header, Image.Image | Pixels]:
    """The header, and an RGB image by Pillow or the pixels of a JPEG in this colour, RGB or RGBA."""
    header = read_header(data)
    with _refusals(header.format):
        decoded = _decode_jpeg(header, data, colour, least or (0, 0))
        # Pillow converts CMYK, and decodes what is no JPEG.
        by_pillow = decoded is None or decoded.colour == "CMYK"
        if decoded is not None:
            header = _with_warning(header, decoded)
            data = decoded.data
            if not by_pillow and not decoded.has_metadata:
                return header, decoded.pixels
        with _open(data, header) as image:
            if by_pillow:
                image.load()
            header = _described(header, image, data)
            if decoded is not None and not by_pillow and not header.turned:
                return header, decoded.pixels
            return header, _to_rgb(upright(image))


def open_upright(data: bytes) -> Image.Image:
    """Decode an image that `check` has passed: upright, 8 bits a channel, gray, palette and alpha as they are."""
    header = read_header(data)
    with _refusals(header.format), _open(data, header) as image:
        image.load()
        if is_deep(header.format, data):
            # The transparent colour is stated in 16 bits, and these pixels will have 8.
            image.info.pop("transparency", None)
        return eight_bits(upright(image))


# ------------------------------------------------------------------ JPEG


def _decode_jpeg(
    header: Header, data: bytes, colour: str, least: Size
) -> Decoded | None:
    """Decode a JPEG to its last scan, as CMYK where it is; None for other formats."""
    if header.format != "jpg":
        return None
    try:
        _, _, colours = jpeg.read_header(data)
        if colours in ("CMYK", "YCCK"):
            # Its colours are Pillow's to convert; this only says whether it is complete.
            return jpeg.decode(data, "CMYK", (1, 1))
        return jpeg.decode(data, colour, least)
    except ValueError as error:
        raise BadImage("decode", f"jpg is damaged or cut short: {error}") from error


def _with_warning(header: Header, decoded: Decoded) -> Header:
    """The header with a sentence about what the decoder complained of, if it did."""
    if decoded.warning is None:
        return header
    sentence = f"every pixel is there, with a warning of the decoder: {decoded.warning}"
    return replace(header, warning=sentence)


# ------------------------------------------------------------------ Pillow


def _open(data: bytes, header: Header) -> Image.Image:
    if header.format == "png":
        data = png.without_comments(data)
    image = open_lazily(data, header.format, PILLOW_FORMATS[header.format])
    # The frame of a GIF may be larger than its screen.
    if header.format != "gif":
        refuse_other_size(header.format, (header.width, header.height), image.size)
    return image


def open_lazily(data: bytes, name: str, pillow_format: str) -> Image.Image:
    """An image of which Pillow has read the header only; BadImage where its size is refused."""
    # Pillow's own limit is for the whole process; the one of this software is checked instead.
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels())
    image = Image.open(io.BytesIO(data), formats=(pillow_format,))
    refuse_size(name, *image.size)
    return image


def _described(header: Header, image: Image.Image, data: bytes) -> Header:
    """The header with what only the decoder knows: orientation and frames; the size is that of the upright image."""
    turn = orientation(image)
    width, height = image.size
    if turn >= SIDEWAYS:
        width, height = height, width
    return replace(
        header,
        width=width,
        height=height,
        turned=turn != UPRIGHT,
        deep=is_deep(header.format, data),
        animated=_is_animated(image),
    )


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened image, 1 to 8; 1 is upright."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, UPRIGHT)
    except Exception:
        # EXIF is free-form input to a parser with many ways to fail; an unreadable one turns nothing.
        return UPRIGHT
    if isinstance(value, int) and UPRIGHT <= value <= 8:
        return value
    return UPRIGHT


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "is_animated", False)
    except Exception:
        # Pillow reads the second frame to know; one that cannot be read is still one.
        return True


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says."""
    if orientation(image) == UPRIGHT:
        return image
    return ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("P", "PA", "LA", "RGBA"):
        image = image.convert("RGBA")
    image.load()
    return eight_bits(image).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel, scaled down from 16; any other as it is."""
    if not image.mode.startswith("I"):
        return image
    # Pillow's own conversion to 8 bits clips at 255 instead of scaling down.
    values = np.asarray(image).clip(0, 65535)
    return Image.fromarray((values >> 8).astype(np.uint8))


@contextlib.contextmanager
def _refusals(format: str) -> Iterator[None]:
    """Turn whatever a decoder raises on hostile input into BadImage."""
    try:
        yield
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("too_large", str(error)) from error
    except Exception as error:
        raise BadImage("decode", f"{format} cannot be decoded: {error}") from error
