"""Every file is told by its first bytes, as Pillow writes them, whatever its name."""

import io

import pytest
from PIL import Image

from twigma.rehydrate.sources.pictures import kinds

IMAGE = Image.new("RGB", (16, 16), "teal")


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("AVIF", "avif"),
        ("TIFF", "tif"),
        ("BMP", "bmp"),
        ("ICO", "ico"),
        ("JPEG2000", "jp2"),
    ],
)
def test_formats_as_pillow_writes_them(format: str, kind: str) -> None:
    buffer = io.BytesIO()
    IMAGE.save(buffer, format)
    assert kinds.kind_of(buffer.getvalue()[: kinds.HEAD]) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", None),  # a video
        (b"\xff\x0a\xfa\x1f", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"PK\3\4", "zip"),
        (b"\x1f\x8b\x08", "gz"),
        (b"PAR1", "parquet"),
        (b"BM is how this text begins, and no picture", None),
        (b"\0\0\1\0 of an MPEG stream", None),
        (b"<!doctype html>", None),
        (b"", None),
    ],
)
def test_other_first_bytes(head: bytes, kind: str | None) -> None:
    assert kinds.kind_of(head) == kind


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        ("a.JFIF", "a"),
        ("a.jpe", "a"),
        ("FfEe.jpg_large", "FfEe"),
        ("FfEe.jpg:large", "FfEe"),
        ("日本語 image (1).jpg", "日本語 image (1)"),
        ("a.b.png", "a.b"),
        ("no ending, v1.5", "no ending, v1.5"),
        ("photo.jpg.json", "photo.jpg.json"),
    ],
)
def test_names_without_their_endings(name: str, stem: str) -> None:
    assert kinds.stem_of(name) == stem
    assert kinds.is_image_name(name) == (stem != name)


@pytest.mark.parametrize(
    "path",
    ["._a.jpg", ".hidden/a.jpg", "__MACOSX/a.jpg", "deep/@eaDir/a.jpg", "Thumbs.db"],
)
def test_what_systems_put_beside_pictures_is_hidden(path: str) -> None:
    assert kinds.is_hidden(path)
    assert not kinds.is_hidden("photos/a.jpg")
    assert not kinds.is_hidden("../photos/a.jpg")
