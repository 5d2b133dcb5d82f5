"""PNG files as their chunks: what a picture needs of them, without comments that a decoder could stumble over.

Programs that draw pictures store their whole workflow as text, of any size. Pillow refuses a file for such text, though
no pixel depends on it. Part of `decode.py` and `image_headers.py`.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_INFLATED = 1_000_000  # bytes of compressed metadata; Pillow refuses 1 MiB
# Of the chunks that no decoder has to know: transparency, EXIF, and the frames of an animation.
_NEEDED = frozenset({b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Texts that may say how the image is turned.
_ORIENTATION = frozenset({b"exif", b"Raw profile type exif", b"XML:com.adobe.xmp"})


class Chunk(NamedTuple):
    """One chunk, `data[start:end]` with its length, kind and checksum."""

    kind: bytes
    start: int
    end: int


def chunks(data: bytes) -> Iterator[Chunk]:
    """Each chunk up to the end mark; ValueError for a length beyond the file, struct.error where the file ends."""
    start = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, start)
        left = len(data) - start - 12
        if length > left:
            raise ValueError(
                f"png chunk {kind!r} says {length} bytes, {max(0, left)} are left"
            )
        end = start + 12 + length
        yield Chunk(kind, start, end)
        start = end


def without_comments(data: bytes) -> bytes:
    """The same picture without chunks that neither its pixels nor its orientation, colours or frames depend on."""
    parts = [data[: len(SIGNATURE)]]
    for chunk in chunks(data):
        if _is_needed(chunk, data):
            parts.append(data[chunk.start : chunk.end])
    return b"".join(parts)


def _is_needed(chunk: Chunk, data: bytes) -> bool:
    # A capital letter first: every decoder has to know the chunk.
    if chunk.kind[:1].isupper() or chunk.kind in _NEEDED:
        return True
    body = data[chunk.start + 8 : chunk.end - 4]
    keyword, _, rest = body.partition(b"\0")
    if chunk.kind == b"iCCP":
        return _is_small(rest)
    if chunk.kind not in _TEXTS or keyword not in _ORIENTATION:
        return False
    is_compressed = chunk.kind == b"zTXt"
    if chunk.kind == b"iTXt":
        is_compressed = rest[:1] != b"\0"
        # Behind flag and method, two texts end in zero bytes: the language, and the keyword in it.
        rest = rest[1:2] + rest[2:].split(b"\0", 2)[-1]
    return not is_compressed or _is_small(rest)


def _is_small(stored: bytes) -> bool:
    """Whether metadata, with the method of their compression in front, inflate to what a decoder accepts."""
    if stored[:1] != b"\0":  # an unknown method
        return False
    try:
        inflated = zlib.decompressobj().decompress(stored[1:], MAX_INFLATED + 1)
    except zlib.error:
        return False
    return len(inflated) <= MAX_INFLATED
