"""Images that a host sends packed by gzip or deflate, though it was not asked to: unpacked up to a limit."""

import zlib

from twigma.rehydrate.fetch.http.response import Outcome

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_OR_ZLIB = 47  # window bits with which zlib recognises either header


def decoded(data: bytes, encoding: str, most: int) -> Outcome:
    """The body of an answer with this Content-Encoding as a success of at most `most` bytes, or why there is none."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return Outcome("success", data=data)
    if encoding in ("gzip", "x-gzip"):
        # Hosts of static files label images that they never packed.
        if not data.startswith(_GZIP_MAGIC):
            return Outcome("success", data=data)
        return _unpacked(data, _GZIP_OR_ZLIB, most)
    if encoding == "deflate":
        # By the standard with the header of zlib, by habit without.
        outcome = _unpacked(data, _GZIP_OR_ZLIB, most)
        if outcome.status != "decode":
            return outcome
        return _unpacked(data, -zlib.MAX_WBITS, most)
    return Outcome(
        "decode",
        f"expected an image as it is or packed by gzip, found Content-Encoding {encoding[:40]!r}",
    )


def _unpacked(data: bytes, window: int, most: int) -> Outcome:
    unpacker = zlib.decompressobj(window)
    try:
        unpacked = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        return Outcome("decode", f"the packed answer is damaged: {error}")
    if len(unpacked) > most:
        return Outcome("too_large", f"unpacks to more than {most:,} bytes")
    if not unpacker.eof:
        return Outcome("connection", "the packed answer is cut short")
    return Outcome("success", data=unpacked)
