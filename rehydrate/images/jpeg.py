"""JPEG files as libjpeg reads them: their markers, and decoding in which every warning counts. Part of `decode.py`.

libjpeg fills missing data with grey and only warns, and its first warning is the only one it reports. So a file with a
harmless warning is decoded once more without its cause, in memory: what then has no warning holds every pixel.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import simplejpeg

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
MAX_SCANS = 200
MAX_REPAIRS = 3  # each repair costs another decoding
MAX_STRAY = 16  # bytes of any kind after a scan; in place of missing data they could pass for it

# Markers of ITU-T T.81, table B.1.
_SOS = 0xDA  # start of scan
_EOI = 0xD9  # end of image
_APP0 = 0xE0  # JFIF
_APP1 = 0xE1  # EXIF, XMP
_APP2 = 0xE2  # colour profile
# Markers of frames, which carry the size: C4, C8 and CC are tables and extensions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xDA)])
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_SCAN = re.compile(rb"\xff\xda")
# Restart markers, D0 to D7, belong to the coded data.
_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)")
_HARMLESS = re.compile(
    f"{_STRAY.pattern}|unknown JFIF revision|Invalid SOS parameters for sequential|bad ICC marker"
)


class Segment(NamedTuple):
    """A marker with its header, `data[start:end]`; of a scan, the coded data follow up to `rest`."""

    marker: int
    start: int
    end: int
    rest: int


class Head(NamedTuple):
    """What a JPEG states before its coded data: (width, height) of every frame, and what kind of file it is.

    `one_scan`: it is sequential, and its first scan holds every component, so that it cannot have a second one.
    `has_metadata`: EXIF or XMP, which may say how the image is turned.
    """

    sizes: list[tuple[int, int]]
    progressive: bool
    has_metadata: bool
    one_scan: bool


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8[height, width, channels] in a colour, the file they are of, and why it had to be repaired.

    `has_metadata`: the file may say how its image is turned, in EXIF or XMP.
    """

    pixels: Pixels
    colour: str
    data: bytes
    has_metadata: bool
    warning: str | None = None


# ------------------------------------------------------------------ structure


def segments(data: bytes) -> Iterator[Segment]:
    """Each marker of the image, where libjpeg finds it: bytes in front of a marker, and FF 00, are passed over.

    Ends after the end marker, or where the file ends.
    """
    headers = _headers(data)
    header = next(headers, None)
    while header is not None:
        following = next(headers, None)
        if header.marker == _SOS:
            rest = len(data) if following is None else following.start
            header = header._replace(rest=rest)
        yield header
        header = following


def _headers(data: bytes) -> Iterator[Segment]:
    """Each marker with its header; the coded data of a scan are not looked at before what follows them is asked for."""
    match = _MARKER.search(data, 2)
    while match is not None:
        start = match.start()
        marker = data[start + 1]
        end = start + 2
        if marker not in _WITHOUT_LENGTH:
            # The length counts its own two bytes; a smaller one is nonsense.
            end += max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        yield Segment(marker, start, end, end)
        if marker == _EOI:
            return
        pattern = _AFTER_SCAN if marker == _SOS else _MARKER
        match = pattern.search(data, end)


def read_head(data: bytes) -> Head:
    """What the markers up to the first scan state; struct.error where the file ends inside a frame header."""
    sizes = []
    sequential = True  # all frames are
    progressive = False  # one is
    has_metadata = False
    components: list[int] = []
    for marker, start, end, _ in _headers(data):
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 5)
            sizes.append((width, height))
            sequential &= marker in _SEQUENTIAL
            progressive |= marker in _PROGRESSIVE
            components = _components(data[start + 4 : end])
        elif marker == _APP1:
            has_metadata = True
        elif marker == _SOS:
            scanned = _scanned(data[start + 4 : end])
            has_all = components != [] and scanned == components
            one_scan = has_all and sequential and len(sizes) == 1
            return Head(sizes, progressive, has_metadata, one_scan)
    return Head(sizes, progressive, has_metadata, one_scan=False)


def _components(frame: bytes) -> list[int]:
    """The numbers of the components, rising, in the body of a frame header; none where it is too short."""
    count = int.from_bytes(frame[5:6])
    return sorted(frame[6 : 6 + 3 * count : 3])


def _scanned(scan: bytes) -> list[int]:
    """The numbers of the components, rising, in the body of a scan header; none where it is empty."""
    count = int.from_bytes(scan[:1])
    return sorted(scan[1 : 1 + 2 * count : 2])


def read_header(data: bytes) -> tuple[int, int, str]:
    """Width, height and colours (Gray, YCbCr, RGB, CMYK, YCCK) as libjpeg reads them; ValueError where it cannot."""
    try:
        header = simplejpeg.decode_jpeg_header(data, strict=False)
    except KeyError:
        raise ValueError("its colours are none that a JPEG can have") from None
    height, width, colours, _ = header
    return width, height, colours


def has_too_many_scans(data: bytes, head: Head) -> bool:
    """Whether decoding could take for ever, as each scan costs a pass over all pixels."""
    # libjpeg ends with an error where another scan follows.
    if head.one_scan or len(_SCAN.findall(data)) <= MAX_SCANS:
        return False
    if head.progressive:
        return True
    # The bytes counted above may be those of previews, which are inside of a segment.
    scans = sum(segment.marker == _SOS for segment in segments(data))
    return scans > MAX_SCANS


def _is_complete(data: bytes, structure: list[Segment]) -> bool:
    """Whether the scans among its segments together hold every coefficient in full precision.

    A file that lost its last scans and got an end marker has no other sign of it: libjpeg does not warn.
    """
    # The coefficients of each component (by its number) of which bits are still to come.
    missing: dict[int, set[int]] = {}
    progressive = False
    for segment in structure:
        body = data[segment.start + 4 : segment.end]
        if segment.marker in _FRAMES:
            progressive = segment.marker in _PROGRESSIVE
            coefficients = range(64) if progressive else range(1)
            missing = {one: set(coefficients) for one in _components(body)}
        elif segment.marker == _SOS:
            count = body[0]
            first, last, bits = body[1 + 2 * count :][:3]
            # The lower half of the byte is the bit position that this scan ends at: 0 is full precision.
            if progressive and bits & 15 != 0:
                continue
            complete = range(first, last + 1) if progressive else range(1)
            for component in _scanned(body):
                if component in missing:
                    missing[component].difference_update(complete)
    return not any(missing.values())


# ------------------------------------------------------------------ decoding


def decode(data: bytes, colour: str, least: tuple[int, int] = (0, 0)) -> Decoded:
    """Decode a JPEG that is complete; ValueError where data are missing or damaged.

    Its pixels are uint8[height, width, channels]: 1 channel for the colour GRAY, 3 for RGB, 4 for RGBA and CMYK.
    They are fewer than the file has, down to an eighth a side, where it is larger than `least` (width, height); (0, 0)
    for all.
    """
    repaired = data
    warning = None
    for repairs in range(MAX_REPAIRS + 1):
        try:
            pixels = _decode_strictly(repaired, colour, least)
            break
        except ValueError as error:
            reason = str(error)
            if repairs == MAX_REPAIRS or not _HARMLESS.search(reason):
                raise
            if repairs == 0:
                warning = reason
                repaired = _normalized(data)
            else:
                repaired = _without_stray(repaired, reason)
    head = read_head(repaired)
    has_metadata = head.has_metadata
    # libjpeg has read the one scan to its end; several may be fewer than they were.
    if not head.one_scan:
        structure = list(segments(repaired))
        if not _is_complete(repaired, structure):
            raise ValueError("its last scans are missing")
        has_metadata = any(segment.marker == _APP1 for segment in structure)
    return Decoded(pixels, colour, repaired, has_metadata, warning)


def _decode_strictly(data: bytes, colour: str, least: tuple[int, int]) -> Pixels:
    width, height = least
    pixels = simplejpeg.decode_jpeg(
        data, colour, min_width=width, min_height=height, strict=True
    )
    return np.asarray(pixels)


def _normalized(data: bytes) -> bytes:
    """The same image without what warnings are about but no pixel depends on: stray bytes before markers, an odd
    version of JFIF, numbers of colour profile chunks, parameters of a scan that a sequential JPEG does not use."""
    parts = [data[:2]]
    sequential = False
    for segment in segments(data):
        head = bytearray(data[segment.start : segment.end])
        if segment.marker in _FRAMES:
            sequential = segment.marker in _SEQUENTIAL
        if segment.marker == _APP0 and head[4:9] == b"JFIF\0":
            head[9:10] = b"\1"
        elif segment.marker == _SOS and sequential:
            head[-3:] = b"\0\x3f\0"
        is_profile = segment.marker == _APP2 and head[4:16] == b"ICC_PROFILE\0"
        if not is_profile:
            parts.append(bytes(head))
            parts.append(data[segment.end : segment.rest])
    return b"".join(parts)


def _without_stray(data: bytes, warning: str) -> bytes:
    """The file without the stray bytes after a scan that libjpeg warns of; ValueError where they may hide a gap.

    Where coded data are missing, bytes put in their place are decoded as if they were data. A run of equal bytes is
    taken out whole, so that a gap it filled shows; of other bytes only a few are accepted.
    """
    match = _STRAY.search(warning)
    if match is None:
        raise ValueError(warning)
    count = int(match[1])
    marker = bytes([int(match[2], 16)])
    ends = []  # of the scans before such a marker
    for segment in segments(data):
        after = data[segment.rest + 1 : segment.rest + 2]
        if segment.marker == _SOS and after == marker:
            ends.append(segment.rest)
    for end in ends:
        run = _run_before(data, end)
        if run >= max(2, count):
            return data[: end - run] + data[end:]
    if len(ends) == 1 and count <= MAX_STRAY:
        return data[: ends[0] - count] + data[ends[0] :]
    raise ValueError(warning)


def _run_before(data: bytes, end: int) -> int:
    """How many bytes before `end` are the same; 00 after FF is no byte of its own."""
    start = len(data[:end].rstrip(data[end - 1 : end]))
    if data[start - 1 : start + 1] == b"\xff\0":
        start += 1
    return end - start
