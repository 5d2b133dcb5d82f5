import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.images.normalize import normalize_image

from .test_decode import difference, encoded, picture, png

CLOSE = 3  # grey levels that the pixels of a JPEG may be off once it was turned; more would be seen


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def noisy(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """The worst for a JPEG: nothing in it is smooth."""
    return Image.fromarray(
        np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    )


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


@pytest.mark.parametrize("image", [picture(), noisy()], ids=["smooth", "noisy"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_turned_image_is_stored_upright(
    orientation: int, format: str, image: Image.Image
) -> None:
    data = encoded(image, format, exif=exif(orientation))
    kept = normalize_image(data)
    stored, reference = opened(kept.data), ImageOps.exif_transpose(opened(data))
    assert difference(stored.convert("RGB"), reference) <= (
        CLOSE if format == "JPEG" else 0
    )
    assert (stored.format, stored.getexif().get(0x0112)) == (format, None)
    assert (kept.header.width, kept.header.height) == stored.size
    assert kept.note == "turned as its EXIF says"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_turned_jpeg_of_other_colours_too(mode: str) -> None:
    data = encoded(picture().convert(mode), exif=exif(6), quality=95)
    kept = normalize_image(data)
    assert (
        difference(
            opened(kept.data).convert("RGB"), ImageOps.exif_transpose(opened(data))
        )
        <= CLOSE
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_what_needs_no_change_keeps_its_bytes() -> None:
    for format in ("JPEG", "PNG", "WEBP", "GIF"):
        data = encoded(picture(), format)
        assert (normalize_image(data).data, normalize_image(data).note) == (data, None)
    upright = encoded(picture(), exif=exif(1))
    assert normalize_image(upright).data == upright
    for odd in (
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"http://ns.adobe.com/xap/1.0/\0<x",
    ):
        plain = encoded(picture())
        data = (
            plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(odd)) + odd + plain[2:]
        )
        assert normalize_image(data).data == data


def test_a_turn_told_in_xmp_alone_is_applied() -> None:
    told = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:tiff="t" tiff:Orientation="6"></x:xmpmeta>'
    plain = encoded(picture())
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(told)) + told + plain[2:]
    kept = normalize_image(data)
    assert (
        difference(
            opened(kept.data).convert("RGB"), ImageOps.exif_transpose(opened(data))
        )
        <= CLOSE
    )
    assert kept.header.height == 96


@pytest.mark.parametrize(
    ("colour", "channels", "mode"),
    [(0, 1, "L"), (2, 3, "RGB"), (4, 2, "LA"), (6, 4, "RGBA")],
)
def test_sixteen_bits_are_stored_as_eight(
    colour: int, channels: int, mode: str
) -> None:
    width, height = 64, 8
    values = (
        np.linspace(0, 65535, width * height * channels)
        .astype(">u2")
        .reshape(height, width * channels)
    )
    kept = normalize_image(
        png(
            width, height, 16, colour, b"".join(b"\0" + row.tobytes() for row in values)
        )
    )
    stored = opened(kept.data)
    assert (stored.format, kept.data[24]) == ("PNG", 8)
    pixels = np.asarray(stored.convert(mode)).reshape(height, width * channels)
    assert np.abs(pixels - values.astype(float) / 257).max() <= CLOSE
    assert kept.note == "16 bits a channel made 8"


def test_animations_keep_their_bytes_and_it_is_noted() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("#ff0000", "#0000ff")]
    for format in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert normalize_image(data).data == data
        assert normalize_image(data).note == "first of several frames is used"
        assert (
            opened(normalize_image(data, 20).data).convert("RGB").getpixel((5, 5))[0]
            > 200
        )  # type: ignore[index]


@pytest.mark.parametrize(
    "size", [(640, 480), (300, 900), (257, 256), (2000, 310), (513, 512)]
)
def test_larger_images_are_shrunk_to_what_pillow_gives(size: tuple[int, int]) -> None:
    for format, options in (("JPEG", {"quality": 98}), ("PNG", {})):
        image = picture(size)
        kept = normalize_image(encoded(image, format, **options), 256)
        stored = opened(kept.data)
        assert (max(stored.size), stored.format) == (256, "JPEG")
        assert stored.size == (kept.header.width, kept.header.height)
        reference = opened(
            encoded(image.resize(stored.size, Image.Resampling.LANCZOS), quality=95)
        )
        assert np.abs(np.asarray(stored).astype(int) - np.asarray(reference)).mean() < 3
        assert kept.note == f"shrunk from {size[0]}x{size[1]}"


def test_a_turned_image_is_shrunk_upright() -> None:
    kept = normalize_image(encoded(picture((640, 480)), exif=exif(6), quality=95), 128)
    reference = (
        picture((640, 480))
        .rotate(-90, expand=True)
        .resize((96, 128), Image.Resampling.LANCZOS)
    )
    assert (
        np.abs(np.asarray(opened(kept.data)).astype(int) - np.asarray(reference)).mean()
        < 2
    )
    assert kept.note == "turned as its EXIF says; shrunk from 480x640"


def test_a_shrunk_file_does_not_grow() -> None:
    data = encoded(picture((300, 300)), quality=80)
    assert len(normalize_image(data, 256).data) <= len(data)
    assert normalize_image(data, 300).data == data


def test_bad_images_are_refused_at_every_size() -> None:
    whole = encoded(picture((640, 480)))
    for data in (
        whole[: len(whole) // 2] + b"\xff\xd9",
        b"<html>",
        png(30_000, 30_000, 8, 0, b""),
    ):
        for image_size in (None, 64):
            with pytest.raises(BadImage):
                normalize_image(data, image_size)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_damage_gives_an_image_or_a_named_failure() -> None:
    rng = np.random.default_rng(2)
    deep = png(32, 8, 16, 2, b"".join(b"\0" + bytes(192) for _ in range(8)))
    seeds = [
        encoded(picture(), format, exif=exif(6)) for format in ("JPEG", "PNG", "WEBP")
    ]
    for turn in range(300):
        data = bytearray([*seeds, deep][turn % 4])
        for at in rng.integers(
            0, min(len(data), 200 if turn % 3 else len(data)), 1 + turn % 5
        ):
            data[at] = rng.integers(256)
        try:
            kept = normalize_image(bytes(data), 48 if turn % 2 else None)
            assert opened(kept.data).size == (kept.header.width, kept.header.height)
        except BadImage as error:
            assert error.status in ("not_an_image", "too_large", "decode")
