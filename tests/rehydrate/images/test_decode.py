import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from twigma.rehydrate.images.decode import check, open_image, read_pixels
from twigma.rehydrate.images.image_headers import BadImage
from twigma.rehydrate.images.normalize import normalize_image


def picture(size: tuple[int, int] = (96, 64), seed: int = 0) -> Image.Image:
    """A smooth coloured image with some detail, so that JPEG has something to lose."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
    )


def png(width: int, height: int, depth: int, colour: int, raw: bytes) -> bytes:
    header = chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def huge_chunk_png() -> bytes:
    """86 bytes that ask a trusting decoder for 4 GB."""
    good = png(4, 4, 8, 0, b"\0\1\2\3\4" * 4)
    at = good.index(b"IDAT") - 4
    return (good[:at] + struct.pack(">I", 0xFFFFFFF0) + good[at + 4 :]).ljust(
        86, b"\0"
    )[:86]


def difference(image: Image.Image, reference: Image.Image) -> int:
    assert image.mode == "RGB"
    assert image.size == reference.size
    return int(
        np.abs(
            np.asarray(image).astype(int)
            - np.asarray(reference.convert("RGB")).astype(int)
        ).max()
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), format, exif=exif)
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert difference(open_image(data), reference) <= 3
    header = check(data)
    assert (header.width, header.height) == reference.size


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_equals_pillow(mode: str, progressive: bool) -> None:
    data = encoded(picture().convert(mode), progressive=progressive, quality=92)
    assert difference(open_image(data), Image.open(io.BytesIO(data))) <= 3
    assert check(data).format == "jpg"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_modes_equal_pillow(mode: str) -> None:
    image = picture().convert(mode)
    data = encoded(image, "PNG")
    assert difference(open_image(data), image.convert("RGBA")) <= 3


def test_palette_with_transparency_in_bytes_is_read_without_a_warning() -> None:
    data = encoded(picture().convert("P"), "PNG", transparency=bytes(range(256)))
    assert open_image(data).mode == "RGB"


def test_a_jpeg_as_an_image_can_be_drawn_on_and_has_the_pixels_of_the_array() -> None:
    data = encoded(picture(), quality=90)
    image = open_image(data)
    pixels = read_pixels(data)[1]
    assert np.array_equal(np.asarray(image), pixels)
    assert image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    same = open_image(data)
    same.paste((0, 0, 0), (0, 0, *same.size))
    assert same.getextrema() == ((0, 0),) * 3
    assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_pixels_can_be_written_to(format: str, mode: str) -> None:
    if format in ("PNG", "WEBP", "GIF") and mode == "CMYK":
        mode = "RGB"
    _, pixels = read_pixels(encoded(picture().convert(mode), format))
    pixels[...] = 0
    assert pixels.flags.writeable and pixels.flags.c_contiguous


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_scaled_not_clipped(colour: int, channels: int) -> None:
    width, height = 64, 8
    values = (
        np.linspace(0, 65535, width * height * channels)
        .astype(">u2")
        .reshape(height, width * channels)
    )
    raw = b"".join(b"\0" + row.tobytes() for row in values)
    image = np.asarray(open_image(png(width, height, 16, colour, raw))).astype(float)
    wanted = values.reshape(height, width, channels).astype(float) / 257
    wanted = wanted[..., :3] if channels >= 3 else wanted[..., :1].repeat(3, axis=2)
    assert np.abs(image - wanted).max() <= 3


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("#ff0000", "#0000ff")]
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True})):
        data = encoded(
            frames[0], format, save_all=True, append_images=frames[1:], **options
        )
        assert open_image(data).getpixel((5, 5)) == (255, 0, 0)
        assert check(data).width == 40


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        b"<svg xmlns='x'/>",
        b"BM" + bytes(60),
        b"\x80\x04.",
    ],
)
def test_other_content_is_not_an_image(data: bytes) -> None:
    for read in (check, open_image):
        with pytest.raises(BadImage) as caught:
            read(data)
        assert caught.value.status == "not_an_image"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (huge_chunk_png(), "decode"),
        (png(30_000, 30_000, 8, 0, b"\0" * 100), "too_large"),
        (png(8_000, 8_000, 8, 6, b"\0" * 100), "too_large"),
        (png(0, 5, 8, 0, b""), "decode"),
        (b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20), "too_large"),
        (
            b"\xff\xd8\xff\xc0\0\x11\x08"
            + struct.pack(">HH", 60_000, 60_000)
            + bytes(20),
            "too_large",
        ),
        (
            encoded(picture(), progressive=True)[:-2] + b"\xff\xda" * 500 + b"\xff\xd9",
            "too_large",
        ),
    ],
)
def test_bombs_are_refused_before_decoding(data: bytes, status: str) -> None:
    for read in (check, open_image):
        with pytest.raises(BadImage) as caught:
            read(data)
        assert caught.value.status == status


def test_the_86_byte_png_is_86_bytes() -> None:
    assert len(huge_chunk_png()) == 86


def test_a_gif_frame_larger_than_its_screen_is_refused() -> None:
    data = bytearray(encoded(Image.new("P", (4, 4)), "GIF"))
    at = data.index(
        b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 13
    )
    data[at + 5 : at + 9] = struct.pack("<HH", 9_000, 9_000)
    with pytest.raises(BadImage) as caught:
        check(bytes(data))
    assert caught.value.status == "too_large"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.9, 0.99])
def test_cut_jpegs_are_flagged(progressive: bool, part: float) -> None:
    data = encoded(picture((320, 240)), quality=95, progressive=progressive)
    head = data[: int(len(data) * part)]
    for cut in (
        head,
        head + b"\xff\xd9",
        head + bytes(len(data) - len(head) - 2) + b"\xff\xd9",
    ):
        for read in (check, open_image):
            with pytest.raises(BadImage) as caught:
                read(cut)
            assert caught.value.status == "decode"


def test_a_jpeg_cut_anywhere_is_flagged() -> None:
    """Down to its header, where the decoder does not know how many colours there are."""
    data = encoded(picture((40, 30)))
    for length in range(2, len(data) - 2):
        with pytest.raises(BadImage):
            check(data[:length])


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF"])
def test_other_cut_files_are_flagged(format: str) -> None:
    data = encoded(picture((320, 240)), format)
    for part in (0.1, 0.5, 0.98):
        for read in (check, open_image):
            with pytest.raises(BadImage):
                read(data[: int(len(data) * part)])


def test_a_few_stray_bytes_that_encoders_write_are_accepted() -> None:
    data = encoded(picture())
    padded = data[:-2] + b"\1\2\3" + data[-2:]
    assert difference(open_image(padded), Image.open(io.BytesIO(data))) <= 3
    assert check(padded).width == 96
    assert check(data + b"trailing bytes").width == 96


def test_random_damage_gives_an_image_or_a_named_failure() -> None:
    rng = np.random.default_rng(1)
    seeds = [encoded(picture(), format) for format in ("JPEG", "PNG", "WEBP", "GIF")]
    for turn in range(2_000):
        data = bytearray(seeds[turn % 4])
        for at in rng.integers(0, len(data), 1 + turn % 5):
            data[at] = rng.integers(256)
        for read in (check, open_image):
            try:
                read(bytes(data))
            except BadImage as error:
                assert error.status in ("not_an_image", "too_large", "decode")


# ------------------------------------------------------------------ comments of a PNG


WORKFLOW = b'{"nodes": "' + b"KSampler " * 300_000 + b'"}'  # 2.7 MB


def commented(kind: bytes, body: bytes) -> bytes:
    data = encoded(picture(), "PNG")
    at = data.index(b"IDAT") - 4
    return data[:at] + chunk(kind, body) + data[at:]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"workflow\0" + WORKFLOW * 30),
        (b"zTXt", b"workflow\0\0" + zlib.compress(WORKFLOW)),
        (b"zTXt", b"workflow\0\7of no known method"),
        (b"iTXt", b"prompt\0\1\0en\0prompt\0" + zlib.compress(WORKFLOW)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(WORKFLOW)),
        (b"iCCP", b"large\0\0" + zlib.compress(bytes(3_000_000))),
        (b"iCCP", b"odd\0\7of no known method"),
    ],
)
def test_no_comment_of_a_png_is_a_reason_to_refuse_it(kind: bytes, body: bytes) -> None:
    data = commented(kind, body)
    assert check(data).format == "png"
    assert difference(open_image(data), picture()) == 0
    assert normalize_image(data).data == data


def test_what_a_png_is_shown_by_survives_its_comments() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(picture(), "PNG", exif=exif, icc_profile=b"profile")
    at = turned.index(b"IDAT") - 4
    text = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(WORKFLOW))
    data = turned[:at] + text + turned[at:]
    assert check(data).turned
    upright = Image.open(io.BytesIO(normalize_image(data).data))
    assert upright.size == (64, 96)
    assert upright.info["icc_profile"] == b"profile"
    assert (
        difference(open_image(data), picture().transpose(Image.Transpose.ROTATE_270))
        == 0
    )


# ------------------------------------------------------------------ the limit of size


def test_the_limit_of_pixels_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture((96, 64)), "PNG")
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", str(96 * 64))
    assert check(data).width == 96
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", str(96 * 64 - 1))
    with pytest.raises(
        BadImage, match=r"96x64 pixels, at most 6,143.*TWIGMA_MAX_PIXELS"
    ):
        check(data)


def test_images_over_pillows_own_limit_are_decoded_where_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow refuses twice that
    data = encoded(picture((96, 64)), "PNG")
    assert check(data).width == 96


@pytest.mark.parametrize("text", ["many", "-5", "0", "5e7", "\u0665"])
def test_a_limit_that_is_no_number_stops_the_run(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIGMA_MAX_PIXELS", text)
    for read in (check, open_image, normalize_image):
        with pytest.raises(RuntimeError, match="TWIGMA_MAX_PIXELS: expected a number"):
            read(encoded(picture(), "PNG"))
