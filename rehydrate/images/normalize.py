"""What is stored of an image: its own bytes where nothing has to change, else upright 8-bit pixels or a smaller copy.

So any reader of the tars sees the right pixels, also one that knows nothing of EXIF. Used by `twigma rehydrate`.
"""

import io
from dataclasses import dataclass, replace

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from twigma.rehydrate.images.decode import (
    check,
    open_image,
    open_upright,
    read_pixels,
)
from twigma.rehydrate.images.image_headers import BadImage, Header, Size, read_header
from twigma.rehydrate.images.jpeg import Pixels

# Of a JPEG that had to be turned: the first quality that comes close enough.
QUALITIES = (95, 98, 100)
MAX_DIFFERENCE = 3  # gray levels that any of its pixels may be off
BAND = 256  # rows compared at once
# Of a shrunk JPEG: the first quality with which the file does not grow.
SHRUNK_QUALITIES = (95, 85, 75)


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored: its bytes, what they are, and a note where they are not simply the original's."""

    data: bytes
    header: Header
    note: str | None = None


def normalize_image(data: bytes, image_size: int | None = None) -> StoredImage:
    """Check an image to its last byte and give what to store; BadImage if it is refused.

    With `image_size` an image whose longer side is larger becomes a JPEG of that size.
    """
    header = read_header(data)
    try:
        if image_size is not None and max(header.width, header.height) > image_size:
            return _shrunk(data, header, image_size)
        header = check(data)
        note = "; ".join(_notes(header)) or None
        if header.turned or header.deep:
            return _rewritten(data, header, note)
        return StoredImage(data, header, note)
    except BadImage:
        raise
    except Exception as error:
        # Encoders too have many ways to fail on what strangers drew.
        raise BadImage(
            "decode", f"{header.format} cannot be stored: {error}"
        ) from error


def _notes(header: Header) -> list[str]:
    notes = []
    if header.warning:
        notes.append(header.warning)
    if header.animated:
        notes.append("first of several frames is used")
    if header.turned:
        notes.append("turned as its EXIF says")
    if header.deep:
        notes.append("16 bits a channel made 8")
    return notes


# ------------------------------------------------------------------ upright, 8 bits


def _rewritten(data: bytes, header: Header, note: str | None) -> StoredImage:
    """The upright 8-bit pixels: a JPEG as good as the eye can tell, anything else without loss."""
    image = open_upright(data)
    plain = replace(header, turned=False, deep=False)
    if header.format == "jpg":
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        for quality in QUALITIES:
            stored = _encoded(image, "JPEG", quality=quality, subsampling=0)
            if _largest_difference(stored, image) <= MAX_DIFFERENCE:
                return StoredImage(stored, plain, note)
    if header.format == "webp":
        return StoredImage(_encoded(image, "WEBP", lossless=True), plain, note)
    return StoredImage(_encoded(image, "PNG"), replace(plain, format="png"), note)


def _encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, icc_profile=image.info.get("icc_profile"), **options)
    return buffer.getvalue()


def _largest_difference(stored: bytes, image: Image.Image) -> int:
    """The most grey levels that a pixel of the encoded image is off, computed band by band to spare memory."""
    if image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    others = np.asarray(open_image(stored))
    largest = 0
    for top in range(0, len(pixels), BAND):
        band = slice(top, top + BAND)
        difference = np.abs(others[band].astype(np.int16) - pixels[band])
        largest = max(largest, int(difference.max()))
    return largest


# ------------------------------------------------------------------ smaller


def _shrunk(data: bytes, header: Header, image_size: int) -> StoredImage:
    """Shrink, from a JPEG decoded at no more than the size needed."""
    header, pixels = read_pixels(data, _fitted(header.width, header.height, image_size))
    # Once more, as the upright image may have its width and height the other way round.
    width, height = _fitted(header.width, header.height, image_size)
    small = _resized(pixels, width, height)
    for quality in SHRUNK_QUALITIES:
        stored = simplejpeg.encode_jpeg(small, quality, colorsubsampling="420")
        if len(stored) <= len(data):
            break
    note = "; ".join([*_notes(header), f"shrunk from {header.width}x{header.height}"])
    return StoredImage(stored, Header("jpg", width, height), note)


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """uint8[height, width, 3]: linear down to a half, where it leaves no pixel out, and by area below."""
    halves_at_most = 2 * width >= pixels.shape[1] and 2 * height >= pixels.shape[0]
    interpolation = cv2.INTER_LINEAR if halves_at_most else cv2.INTER_AREA
    cv2.setNumThreads(1)  # a fetch has as many workers as the machine can use
    return np.asarray(
        cv2.resize(pixels, (width, height), interpolation=interpolation), np.uint8
    )


def _fitted(width: int, height: int, image_size: int) -> Size:
    """Width and height at which the longer side is `image_size`."""
    scale = image_size / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
