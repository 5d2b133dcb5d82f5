"""What a file is, by its first bytes: a picture that is stored as it is, one that is converted, an archive, or neither.

Names lie: pictures come as `.jfif`, `.jpg_large`, `.jpg:large` or without any ending, and a `.jpg` may be a page of
HTML. So the first bytes decide, and the name only where they say nothing.
"""

import importlib.util
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

from twigma.core.installing import install_command

HEAD = 512  # bytes from which every kind is recognised
STORED = ("jpg", "png", "webp", "gif")  # every stage reads these
ARCHIVES = ("tar", "zip", "gz", "parquet")
_ENDING = re.compile(
    r"\.(jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|dib|ico|cur|jp2|j2k|heic|heif|jxl)"
    r"(?:[:_](?:large|orig|medium|small|thumb))?$",
    re.IGNORECASE,
)
# What systems put beside pictures.
_OF_SYSTEMS = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "thumbs.db", "desktop.ini"}
)
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_MOST_ICONS = 255  # of one file, so that no other file passes for one
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes; they differ by version


class Converted(NamedTuple):
    """A format that is stored as PNG: its name, Pillow's name, and the package that Pillow needs for it, if any."""

    name: str
    pillow: str
    package: str | None = None


CONVERTED = {
    "avif": Converted("AVIF", "AVIF"),
    "tif": Converted("TIFF", "TIFF"),
    "bmp": Converted("BMP", "BMP"),
    "ico": Converted("icon", "ICO"),
    "cur": Converted("cursor", "CUR"),
    "jp2": Converted("JPEG 2000", "JPEG2000"),
    "heic": Converted("HEIC", "HEIF", "pillow_heif"),
    "jxl": Converted("JPEG XL", "JXL", "pillow_jxl"),
}


def kind_of(head: bytes) -> str | None:
    """The kind of a file that begins with these bytes: one of STORED, CONVERTED or ARCHIVES; None for any other.

    >>> kind_of(bytes.fromhex("ffd8ffe0"))
    'jpg'
    """
    for kind, matches in _KINDS.items():
        if matches(head):
            return kind
    return None


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of pictures do.

    >>> is_image_name("EuY5.jpg:large"), is_image_name("notes.txt")
    (True, False)
    """
    return _ENDING.search(name) is not None


def stem_of(name: str) -> str:
    """The name of a file without the ending of a picture.

    >>> stem_of("a.b.jpg_large"), stem_of("no ending, v1.5")
    ('a.b', 'no ending, v1.5')
    """
    return _ENDING.sub("", name)


def is_hidden(path: str) -> bool:
    """Whether a file is hidden, in a hidden folder, or one that systems put beside pictures.

    >>> is_hidden("__MACOSX/a.jpg"), is_hidden("deep/._a.jpg"), is_hidden("a.jpg")
    (True, True, False)
    """
    for part in PurePosixPath(path).parts:
        is_dotted = part.startswith(".") and part not in (".", "..")
        if is_dotted or part.lower() in _OF_SYSTEMS:
            return True
    return False


def missing_package(kind: str) -> str | None:
    """A sentence that says what is missing here to read a format; None where nothing is."""
    converted = CONVERTED.get(kind)
    if converted is None or converted.package is None:
        return None
    if importlib.util.find_spec(converted.package) is not None:
        return None
    return f"{converted.name}, which needs {install_command('formats')}"


# ------------------------------------------------------------------ first bytes


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _is_icon(head: bytes, type_: bytes) -> bool:
    count = int.from_bytes(head[4:6], "little")
    # The reserved byte of the first entry is 0; its data begin behind the entries.
    start = int.from_bytes(head[18:22], "little")
    has_entries = 0 < count <= _MOST_ICONS and head[9:10] == b"\0"
    return head[:4] == b"\0\0" + type_ and has_entries and start >= 6 + 16 * count


def _brands(head: bytes) -> list[bytes]:
    """The brands of an ISO media file: what it is, and what it can be read as."""
    if head[4:8] != b"ftyp":
        return []
    size = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = [head[at : at + 4] for at in range(16, size, 4)]
    return [head[8:12], *compatible]


def _is_avif(head: bytes) -> bool:
    return any(brand in _AVIF for brand in _brands(head))


def _is_heic(head: bytes) -> bool:
    return any(brand in _HEIC for brand in _brands(head))


def _starts(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(starts)


_KINDS: dict[str, Callable[[bytes], bool]] = {
    "jpg": _starts(b"\xff\xd8\xff"),
    "png": _starts(b"\x89PNG\r\n\x1a\n"),
    "webp": _is_webp,
    "gif": _starts(b"GIF87a", b"GIF89a"),
    "avif": _is_avif,
    "tif": _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "bmp": _is_bmp,
    "ico": lambda head: _is_icon(head, b"\1\0"),
    "cur": lambda head: _is_icon(head, b"\2\0"),
    "jp2": _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "heic": _is_heic,
    "jxl": _starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "tar": lambda head: head[257:262] == b"ustar",
    "zip": _starts(b"PK\3\4", b"PK\5\6"),
    "gz": _starts(b"\x1f\x8b"),
    "parquet": _starts(b"PAR1"),
}
