"""The lines of a text in the encoding its tool wrote: UTF-8, UTF-16 or UTF-32, with a mark or without, or cp1252."""

import codecs
import io
from collections.abc import Iterator
from typing import Any

from twigma.core.lists.packed import Content
from twigma.core.safety import bounded

MARKS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
FALLBACK = "twigma-cp1252"  # what codecs call `_as_cp1252` by


def text_lines(content: Content, longest: int) -> Iterator[str]:
    """The lines of `text_blocks`, one by one."""
    for block in text_blocks(content, longest):
        yield from block


def text_blocks(content: Content, longest: int) -> Iterator[list[str]]:
    """The lines of a text, as `bounded.text_blocks`; bytes that are not UTF-8 are read as cp1252.

    Where NUL bytes take the place of line ends, as `find -print0` writes them, they end lines.
    """
    head = content.head
    encoding = encoding_of(head)
    raw: Any = content.raw
    errors = "replace"
    if encoding == "utf-8-sig":
        codecs.register_error(FALLBACK, _as_cp1252)
        errors = FALLBACK
        if b"\0" in head and b"\n" not in head:
            raw = io.BufferedReader(_NulLines(raw))
    return bounded.text_blocks(raw, longest, encoding, errors)


def encoding_of(head: bytes) -> str:
    """The encoding of a text that begins so, as codecs call it.

    >>> encoding_of("id".encode("utf-16-be")), encoding_of(b"id")
    ('utf-16-be', 'utf-8-sig')
    """
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    # ASCII in UTF-16 has a NUL in every second byte, and none in the others.
    even, odd = head[0::2], head[1::2]
    if odd and odd.count(0) > 0.5 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even and even.count(0) > 0.5 * len(even) and not odd.count(0):
        return "utf-16-be"
    return "utf-8-sig"


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are not UTF-8, as Western spreadsheets write text: an error handler of codecs."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


class _NulLines(io.RawIOBase):
    """A reader in which NUL bytes are line ends."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer)).replace(b"\0", b"\n")
        buffer[: len(data)] = data
        return len(data)
