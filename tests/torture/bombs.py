"""Images made to exhaust a decoder: a few bytes that say, or unpack to, gigabytes (row 18)."""

import io
import struct
import zlib

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
Size = tuple[int, int]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
    )


def png(
    size: Size,
    depth: int,
    colour: int,
    packed: bytes,
    *extra: bytes,
    interlace: int = 0,
) -> bytes:
    """A PNG of packed rows; `extra` chunks stand before them."""
    header = chunk(
        b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlace)
    )
    return (
        SIGNATURE
        + header
        + b"".join(extra)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def zeros(count: int) -> bytes:
    """`count` zeros, deflated: one full block again and again, so that it is quick."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    times, rest = divmod(count - (1 << 20), 1 << 20)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = raw.compress(bytes(rest)) + raw.flush()
    return head + block * times + tail + struct.pack(">I", count % 65521 << 16 | 1)


def flat(size: Size, channels: int) -> bytes:
    """A black PNG, whole and valid."""
    return png(
        size, 8, {1: 0, 3: 2, 4: 6}[channels], zeros(size[1] * (1 + size[0] * channels))
    )


def bombs() -> dict[str, bytes]:
    """Each bomb by its name."""
    small = zlib.compress(b"\0\1\2\3\4" * 4)
    tiny = png((4, 4), 8, 0, small)
    at = tiny.index(b"IDAT") - 4
    return {
        "png-86-bytes": (
            tiny[:at] + struct.pack(">I", 0xFFFFFFF0) + tiny[at + 4 :]
        ).ljust(86, b"\0")[:86],
        "png-text-length": SIGNATURE
        + tiny[8:33]
        + struct.pack(">I", 0x7FFFFFFF)
        + b"tEXt"
        + tiny[33:],
        "png-gray-30000": flat((30_000, 30_000), 1),
        "png-rgb-30000": flat((30_000, 30_000), 3),
        "png-rgba-8000": flat((8_000, 8_000), 4),
        "png-rgba16-7000": png((7_000, 7_000), 16, 6, zeros(7_000 * 56_001)),
        "png-interlaced": png(
            (20_000, 20_000), 8, 2, zeros(1_200_100_000), interlace=1
        ),
        "png-1-bit": png((60_000, 60_000), 1, 0, zeros(60_000 * 7_501)),
        "png-wide": png((2**31 - 1, 1), 8, 0, zeros(1 << 24)),
        "png-text": png(
            (4, 4), 8, 0, small, chunk(b"zTXt", b"Comment\0\0" + zeros(1 << 30))
        ),
        "png-profile": png(
            (4, 4), 8, 0, small, chunk(b"iCCP", b"icc\0\0" + zeros(1 << 30))
        ),
        **jpegs(),
        **gifs(),
        **webps(),
    }


def saved(format: str, size: Size = (64, 64), **options: object) -> bytes:
    """A small picture by Pillow."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(
        buffer, format, **options
    )
    return buffer.getvalue()


def jpegs() -> dict[str, bytes]:
    """Sizes in the frame header that no picture has, and scans without end."""
    plain, progressive = saved("JPEG"), saved("JPEG", progressive=True)
    large = saved(
        "JPEG", (7_000, 7_000), progressive=True
    )  # 49 million pixels: allowed, if it were not for its scans
    return {
        "jpeg-65500": _resized(plain, 0xC0, 65_500),
        "jpeg-progressive-65500": _resized(progressive, 0xC2, 65_500),
        "jpeg-second-frame": plain[:2] + _segment(plain, 0xC0, 65_500) + plain[2:],
        "jpeg-scans": _rescanned(progressive, 20_000),
        "jpeg-large-scans": _rescanned(large, 180),
    }


def _rescanned(data: bytes, times: int) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * times + b"\xff\xd9"


def _segment(data: bytes, marker: int, side: int) -> bytes:
    at = data.index(bytes([0xFF, marker]))
    length = struct.unpack_from(">H", data, at + 2)[0]
    return (
        data[at : at + 5]
        + struct.pack(">HH", side, side)
        + data[at + 9 : at + 2 + length]
    )


def _resized(data: bytes, marker: int, side: int) -> bytes:
    at = data.index(bytes([0xFF, marker]))
    return data[: at + 5] + struct.pack(">HH", side, side) + data[at + 9 :]


def gifs() -> dict[str, bytes]:
    """A screen, and a frame on a small screen, of billions of pixels."""
    data = saved("GIF")
    at = data.index(b"\x2c", 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0))
    frame = data[: at + 5] + struct.pack("<HH", 60_000, 60_000) + data[at + 9 :]
    return {
        "gif-screen": data[:6] + struct.pack("<HH", 60_000, 60_000) + data[10:],
        "gif-frame": frame,
    }


def webps() -> dict[str, bytes]:
    """A canvas of 2^48 pixels, the largest lossless and the largest lossy frame there can be."""
    lossless, lossy = saved("WEBP", lossless=True), saved("WEBP")
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6
    bits = struct.unpack_from("<I", lossless, 21)[0] | 0xFFFFFFF
    at = lossy.index(b"\x9d\x01\x2a") + 3
    return {
        "webp-canvas": b"RIFF"
        + struct.pack("<I", 4 + len(canvas) + len(lossy) - 12)
        + b"WEBP"
        + canvas
        + lossy[12:],
        "webp-lossless": lossless[:21] + struct.pack("<I", bits) + lossless[25:],
        "webp-lossy": lossy[:at] + struct.pack("<HH", 0x3FFF, 0x3FFF) + lossy[at + 4 :],
    }
