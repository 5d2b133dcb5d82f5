"""What no stage reads becomes a PNG with the pixels that Pillow shows."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from twigma.core.installing import install_command
from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.sources.pictures import kinds
from twigma.rehydrate.sources.pictures.convert import stored_form

from ...images.test_decode import encoded, picture


def stored(data: bytes) -> tuple[Image.Image, str | None]:
    png, header, note = stored_form(data)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (header.width, header.height))
    return image, note


@pytest.mark.parametrize("format", ["TIFF", "BMP", "AVIF", "JPEG2000"])
def test_pixels_are_those_that_pillow_shows(format: str) -> None:
    data = encoded(picture(), format)
    image, note = stored(data)
    with Image.open(io.BytesIO(data)) as expected:
        np.testing.assert_array_equal(image, expected)
    name = "JPEG 2000" if format == "JPEG2000" else format
    assert note == f"converted from {name}"


@pytest.mark.parametrize(
    ("mode", "stored_mode"),
    [
        ("1", "L"),
        ("L", "L"),
        ("LA", "LA"),
        ("P", "P"),
        ("RGBA", "RGBA"),
        ("CMYK", "RGB"),
    ],
)
def test_modes_of_tiff(mode: str, stored_mode: str) -> None:
    source = picture().convert(mode)
    image, _ = stored(encoded(source, "TIFF"))
    assert image.mode == stored_mode
    np.testing.assert_array_equal(image.convert("RGBA"), source.convert("RGBA"))


def test_sixteen_bits_become_eight() -> None:
    deep = np.arange(0, 65536, 32, dtype=np.uint16).reshape(32, 64)
    image, note = stored(encoded(Image.fromarray(deep), "TIFF"))
    np.testing.assert_array_equal(image, deep >> 8)
    assert note == "converted from TIFF; 16 bits a channel made 8"


def test_a_turned_picture_comes_out_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image, note = stored(encoded(picture(), "TIFF", exif=exif))
    np.testing.assert_array_equal(
        image, picture().transpose(Image.Transpose.ROTATE_270)
    )
    assert note == "converted from TIFF; turned as its EXIF says"


def test_of_several_pages_the_first_is_used() -> None:
    pages = [picture(seed=seed) for seed in range(3)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    image, note = stored(data)
    np.testing.assert_array_equal(image, pages[0])
    assert note == "converted from TIFF; first of several frames is used"


def test_a_profile_of_colours_is_kept_and_one_of_inks_is_not() -> None:
    image, _ = stored(encoded(picture(), "TIFF", icc_profile=b"colours"))
    assert image.info["icc_profile"] == b"colours"
    inks = picture().convert("CMYK")
    image, _ = stored(encoded(inks, "TIFF", icc_profile=b"inks"))
    assert "icc_profile" not in image.info


def test_what_cannot_be_converted_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encoded(picture(), "TIFF")
    with pytest.raises(BadImage, match="TIFF cannot be decoded"):
        stored_form(data[: len(data) // 2])
    floats = Image.fromarray(np.ones((8, 8), np.float32))
    with pytest.raises(BadImage, match="32 bits as pixels: they have no known range"):
        stored_form(encoded(floats, "TIFF"))
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", "100")
    with pytest.raises(BadImage, match="96x64 pixels, at most 100") as refused:
        stored_form(data)
    assert refused.value.status == "too_large"


def test_a_format_without_its_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        kinds.CONVERTED, "heic", kinds.Converted("HEIC", "HEIF", "no_such_package")
    )
    with pytest.raises(
        BadImage, match=re.escape(f"HEIC, which needs {install_command('formats')}")
    ):
        stored_form(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def test_what_every_stage_reads_keeps_its_bytes() -> None:
    for format in ("JPEG", "PNG", "WEBP", "GIF"):
        data = encoded(picture(), format)
        assert stored_form(data)[0] == data
