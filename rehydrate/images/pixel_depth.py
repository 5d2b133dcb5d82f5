"""How many bytes a pixel of an encoded image takes, by the file's own account. Used by `decode.py`."""

_PNG_CHANNELS = {
    0: 1,
    2: 3,
    3: 3,
    4: 2,
    6: 4,
}  # by colour type; a palette's pixels become three bytes
_ALPHA = (
    0x10  # of a WebP, in the flags of its canvas and in the fourth byte of its size
)


def bytes_a_pixel(format: str, data: bytes) -> int:
    """Channels times bytes of each, of an image whose header was read."""
    if format == "png":
        channels = _PNG_CHANNELS.get(data[25], 4)
        return channels * (2 if data[24] == 16 else 1)
    if format == "webp":
        flags = {b"VP8L": data[24], b"VP8X": data[20]}.get(data[12:16], 0)
        return 4 if flags & _ALPHA else 3
    return 3
