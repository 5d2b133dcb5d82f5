"""Pictures in formats that no stage reads, such as AVIF, TIFF and BMP, as PNG: upright, 8 bits a channel, without loss.

The rules are those of `rehydrate/images/normalize.py`; a note says what was done. HEIC and JPEG XL need the packages of
`[formats]`.
"""

import contextlib
import importlib
import io
from collections.abc import Iterator

from PIL import Image

from twigma.rehydrate.images import decode_memory
from twigma.rehydrate.images.decode import (
    check,
    eight_bits,
    open_lazily,
    orientation,
    upright,
)
from twigma.rehydrate.images.image_headers import BadImage, Header
from twigma.rehydrate.sources.pictures.kinds import (
    CONVERTED,
    HEAD,
    kind_of,
    missing_package,
)

# Modes of Pillow that a PNG has as they are; others become RGB, and with transparency RGBA.
_AS_THEY_ARE = ("L", "LA", "P", "RGB", "RGBA")
_WITH_ALPHA = ("PA", "RGBa", "La")
_WITHOUT_RANGE = ("F", "I")


def stored_form(data: bytes) -> tuple[bytes, Header, str | None]:
    """The bytes to store of a picture of any format, what they are, and a note; BadImage where it cannot be read."""
    kind = kind_of(data[:HEAD])
    if kind in CONVERTED:
        return _converted(data, kind)
    with decode_memory.room(data):
        header = check(data)
    return data, header, header.warning


def _converted(data: bytes, kind: str) -> tuple[bytes, Header, str | None]:
    format = CONVERTED[kind]
    missing = missing_package(kind)
    if missing is not None:
        raise BadImage("decode", missing)
    if format.package is not None:
        plugin = importlib.import_module(format.package)
        if kind == "heic":
            plugin.register_heif_opener()
    with _refusals(format.name):
        image = open_lazily(data, format.name, format.pillow)
        with decode_memory.room_of(image.width * image.height):
            return _as_png(image, format.name)


def _as_png(image: Image.Image, name: str) -> tuple[bytes, Header, str]:
    notes = [f"converted from {name}"]
    if getattr(image, "n_frames", 1) > 1:
        notes.append("first of several frames is used")
    is_turned = orientation(image) != 1
    image.load()
    mode = image.mode
    if mode in _WITHOUT_RANGE:
        raise BadImage(
            "decode",
            f"{name} with numbers of 32 bits as pixels: they have no known range",
        )
    if is_turned:
        notes.append("turned as its EXIF says")
    if mode.startswith("I;16"):
        notes.append("16 bits a channel made 8")
    image = eight_bits(upright(image))
    if image.mode not in _AS_THEY_ARE:
        target = "L" if image.mode == "1" else "RGB"
        if image.mode in _WITH_ALPHA:
            target = "RGBA"
        image = image.convert(target)
    # A profile of inks says nothing of colours of light.
    has_light = mode.startswith(("RGB", "L", "P", "I;16", "1"))
    profile = image.info.get("icc_profile") if has_light and mode != "LAB" else None
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=profile)
    return buffer.getvalue(), Header("png", *image.size), "; ".join(notes)


@contextlib.contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises on a file into BadImage."""
    try:
        yield
    except (BadImage, MemoryError):
        raise
    except Exception as error:
        raise BadImage("decode", f"{name} cannot be decoded: {error}") from error
