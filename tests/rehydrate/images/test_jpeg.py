"""JPEGs of strangers: what passes `check` has every pixel, and nothing that was cut passes."""

import io
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twigma.rehydrate.images import jpeg
from twigma.rehydrate.images.decode import (
    BadImage,
    check,
    open_image,
    read_header,
    read_pixels,
)
from twigma.rehydrate.images.jpeg import Pixels
from twigma.rehydrate.images.normalize import normalize_image
from twigma.rehydrate.images.shards import read_sidecars
from twigma.rehydrate.sources.own_files.add_images import add_tars

from .test_decode import encoded, picture

EOI = b"\xff\xd9"
VARIANTS = list(itertools.product(["RGB", "L", "CMYK"], [False, True], [False, True]))


def written(
    mode: str = "RGB", progressive: bool = False, exif: bool = False, **options: object
) -> bytes:
    if exif:
        turned = Image.Exif()
        turned[0x0112] = 6
        options["exif"] = turned
    return encoded(
        picture().convert(mode), quality=90, progressive=progressive, **options
    )


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def frame(side: int, marker: int = 0xC0) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")


def off_by(data: bytes, reference: Pixels) -> int:
    """Grey levels between what every way of reading gives and the reference; the header tells their size."""
    header = check(data)
    found = [
        np.asarray(open_image(data)),
        read_pixels(data)[1],
        np.asarray(open_image(normalize_image(data).data)),
    ]
    assert {pixels.shape for pixels in found} == {reference.shape}
    assert (header.height, header.width) == reference.shape[:2]
    return max(int(np.abs(pixels.astype(int) - reference).max()) for pixels in found)


def refused(data: bytes) -> str:
    """The status with which an image is refused, by everything that reads one."""
    statuses = set()
    for read in (check, open_image, read_pixels, normalize_image):
        with pytest.raises(BadImage) as caught:
            read(data)
        statuses.add(caught.value.status)
    assert len(statuses) == 1
    return statuses.pop()


def places(data: bytes) -> list[int]:
    """Where stray bytes may stand: before tables, before the first and the last scan, at the end."""
    sos = data.index(b"\xff\xda")
    return sorted(
        {
            data.index(b"\xff\xdb"),
            data.index(b"\xff\xc4"),
            sos,
            data.rindex(b"\xff\xda"),
            len(data) - 2,
        }
    )


def with_strays(data: bytes) -> Iterator[tuple[int, bytes]]:
    for place, count, value in itertools.product(
        places(data), (1, 2, 7, 16, 17, 64), (b"\0", b"\x55")
    ):
        yield place, data[:place] + value * count + data[place:]


@pytest.mark.parametrize(("mode", "progressive", "exif"), VARIANTS)
def test_stray_bytes_never_hide_that_an_image_is_cut(
    mode: str, progressive: bool, exif: bool
) -> None:
    data = written(mode, progressive, exif)
    for place, stray in with_strays(data):
        for part in (0.2, 1 / 3, 0.6, 0.9, 0.98):
            length = int(len(data) * part)
            if length >= place:
                length += len(stray) - len(data)
            for end in (b"", EOI):
                assert refused(stray[:length] + end) == "decode"


@pytest.mark.parametrize(("mode", "progressive", "exif"), VARIANTS)
def test_whole_images_with_stray_bytes_have_their_pixels_or_are_refused(
    mode: str, progressive: bool, exif: bool
) -> None:
    data = written(mode, progressive, exif)
    reference = np.asarray(open_image(data)).astype(int)
    accepted = 0
    for place, stray in with_strays(data):
        try:
            check(stray)
        except BadImage:
            assert (
                place not in places(data)[:3]
            )  # before the first scan they cannot stand for missing data
        else:
            accepted += 1
            assert off_by(stray, reference) <= 3
    assert accepted >= 40


@pytest.mark.parametrize("progressive", [False, True])
def test_filling_in_place_of_the_rest_is_seen(progressive: bool) -> None:
    data = encoded(picture((320, 240)), quality=95, progressive=progressive)
    for part, count in itertools.product((0.3, 0.6, 0.9), (1, 8, 16, 64, 1000, 20_000)):
        for value in (b"\0", b"\x55", b"\xff"):
            assert (
                refused(data[: int(len(data) * part)] + value * count + EOI) == "decode"
            )


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_image_without_its_last_scans_is_cut(mode: str) -> None:
    """With an end marker behind a whole scan no decoder has anything to complain of."""
    data = written(mode, progressive=True)
    scans = [part.rest for part in jpeg.segments(data) if part.marker == 0xDA]
    assert len(scans) > 3
    for end in scans[:-1]:
        assert refused(data[:end] + EOI) == "decode"


def test_a_component_without_a_scan_is_missing() -> None:
    data = written()
    head = data[: data.index(b"\xff\xda")]
    gray = written("L")
    only_luma = gray[gray.index(b"\xff\xda") :]
    assert refused(head + only_luma) == "decode"


def test_after_the_scan_of_all_components_nothing_more_is_taken() -> None:
    """The structure behind it is not looked at: the decoder refuses it, however much there is."""
    data = written()
    scan = data[data.index(b"\xff\xda") : -2]
    start = data.index(b"\xff\xc0")
    again = data[start : start + 2 + data[start + 3]]
    assert jpeg.read_head(data).one_scan
    for more in (scan, scan * 300, again, again + scan):
        assert refused(data[:-2] + more + EOI) == "decode"


def test_scans_of_single_components_are_counted_and_must_all_be_there() -> None:
    """Of a sequential file as well, where a scan that names one component twice is no scan of both."""
    data = written()
    sos = data.index(b"\xff\xda")
    only_first = segment(0xDA, b"\1\1\0\0\x3f\0")
    repeated = segment(0xDA, b"\3\1\0\1\0\1\0\0\x3f\0")
    for header in (only_first, repeated):
        several = data[:sos] + header
        assert not jpeg.read_head(several).one_scan
        many = several + header * jpeg.MAX_SCANS + data[-2:]
        assert refused(many) == "too_large"
    progressive = jpeg.read_head(written(progressive=True))
    assert progressive.progressive and not progressive.one_scan


# ------------------------------------------------------------------ sizes


@pytest.mark.parametrize("marker", [0xC0, 0xC2])
def test_ff00_before_the_frame_does_not_hide_its_size(marker: int) -> None:
    """A walk that takes FF 00 for a segment with a length steps over the frame that the decoder reads."""
    decoy = frame(16)
    hidden = (
        b"\xff\xd8\xff\x00"
        + struct.pack(">H", 2 + len(frame(65_500, marker)))
        + frame(65_500, marker)
        + decoy
    )
    rest = written("L")
    data = hidden + rest[rest.index(b"\xff\xc4") :]
    assert refused(data) == "too_large"


@pytest.mark.parametrize("sides", [(16, 65_500), (65_500, 16), (64, 96)])
def test_several_frame_headers_are_refused_by_the_largest(
    sides: tuple[int, int],
) -> None:
    rest = written("L")
    data = (
        b"\xff\xd8"
        + frame(sides[0])
        + frame(sides[1])
        + rest[rest.index(b"\xff\xc4") :]
    )
    assert refused(data) == ("too_large" if max(sides) > 10_000 else "decode")


def test_a_preview_in_the_metadata_has_no_say() -> None:
    preview = segment(0xE5, frame(65_500) + b"\xff\xda" * 300)
    data = written()
    assert (
        read_header(data[:2] + preview + data[2:]).width,
        check(data[:2] + preview + data[2:]).height,
    ) == (96, 64)


def test_colours_that_no_jpeg_has_are_refused() -> None:
    data = bytearray(written())
    at = data.index(b"\xff\xc0")
    data[at + 11] = 0x00  # sampling factors of the first component
    assert refused(bytes(data)) == "decode"


# ------------------------------------------------------------------ harmless warnings


def odd(data: bytes) -> dict[str, bytes]:
    """Files with every pixel that libjpeg warns of, as cameras, phones and old programs write them."""
    sos, jfif = data.index(b"\xff\xda"), data.index(b"JFIF\0") + 5
    parameters = sos + 2 + struct.unpack_from(">H", data, sos + 2)[0] - 3
    profile = segment(0xE2, b"ICC_PROFILE\0" + b"\0\1" + bytes(128))
    return {
        "JFIF 0.00": data[:jfif] + b"\0\0" + data[jfif + 2 :],
        "JFIF 2.01": data[:jfif] + b"\2\1" + data[jfif + 2 :],
        "scan parameters of zero": data[:parameters]
        + bytes(3)
        + data[parameters + 3 :],
        "padding before the scan": data[:sos] + bytes(20) + data[sos:],
        "padding before the end": data[:-2] + bytes(65) + data[-2:],
        "profile chunk 0 of 1": data[:20] + profile + data[20:],
        "profile chunk 1 of 2": data[:20]
        + profile.replace(b"E\0\0\1", b"E\0\1\2")
        + data[20:],
    }


@pytest.mark.parametrize("kind", odd(written()))
def test_a_file_with_a_warning_and_every_pixel_is_taken_and_noted(kind: str) -> None:
    data = odd(written())[kind]
    assert off_by(data, np.asarray(open_image(written())).astype(int)) == 0
    kept = normalize_image(data)
    assert kept.data == data
    assert kept.note is not None and kept.note.startswith(
        "every pixel is there, with a warning of the decoder: "
    )
    assert "shrunk" in str(normalize_image(data, 48).note) and "warning" in str(
        normalize_image(data, 48).note
    )


@pytest.mark.parametrize("kind", odd(written()))
def test_the_same_file_cut_is_refused(kind: str) -> None:
    data = odd(written())[kind]
    sos = data.index(b"\xff\xda")
    for length in range(sos + 20, len(written()) - 10, 37):
        for end in (b"", EOI):
            assert refused(data[:length] + end) == "decode"


def test_several_harmless_warnings_in_one_file() -> None:
    data = odd(odd(written())["JFIF 2.01"])["padding before the scan"]
    data = data[:-2] + bytes(65) + data[-2:]
    assert off_by(data, np.asarray(open_image(written())).astype(int)) == 0
    assert refused(data[: len(data) // 2] + EOI) == "decode"


def test_add_notes_the_warning_too(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "odd.jpg").write_bytes(odd(written())["JFIF 2.01"])
    (folder / "plain.jpg").write_bytes(written())
    add_tars(tmp_path / "work", [folder])
    table = read_sidecars(tmp_path / "work")
    notes = dict(
        zip(table["image_name"].to_pylist(), table["note"].to_pylist(), strict=True)
    )
    assert "JFIF" in notes["odd"] and notes["plain"] is None


def test_decoding_is_bounded_in_repairs() -> None:
    """Each end of a scan padded: more than is worth another try."""
    data = written(progressive=True)
    ends = [part.rest for part in jpeg.segments(data) if part.marker == 0xDA]
    for end in reversed(ends):
        data = data[:end] + bytes(40) + data[end:]
    assert refused(data) == "decode"


def test_pillow_reads_what_is_accepted() -> None:
    for data in odd(written()).values():
        with Image.open(io.BytesIO(data)) as image:
            image.load()
