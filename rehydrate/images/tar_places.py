"""Where the files of an uncompressed tar are, read from its headers, so that images are read without unpacking.

Damage that would make tarfile stop in silence raises. Used by `shards.py`, and through it by whatever reads tars.
"""

import contextlib
import io
import mmap
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

Span = tuple[int, int]  # first byte and size

_OCTAL = re.compile(rb"[0-7]+")
_BLOCK = tarfile.BLOCKSIZE
_EMPTY = bytes(_BLOCK)
_NOT_ZERO = re.compile(rb"[^\0]")
_END_OF_ARCHIVE = 2 * _EMPTY
# Fields of a header of POSIX 1003.1 (ustar).
_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_PREFIX = 345  # the first byte of what comes before a long name


def tar_members(
    path: Path, others: list[tarfile.TarInfo] | None = None
) -> Iterator[tarfile.TarInfo]:
    """The regular files of an uncompressed tar; ValueError where damage would make tarfile stop in silence.

    Links, devices and sparse files are appended to `others`; folders are not.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            size = path.stat().st_size
            for member in tar:
                if member.offset_data + member.size > size:
                    raise ValueError(f"{path} is cut short inside {member.name!r}")
                if member.isreg() and not member.issparse():
                    yield member
                elif others is not None and not member.isdir():
                    others.append(member)
            end = tar.offset
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path} is not a readable tar: {error}") from error
    with path.open("rb") as file:
        file.seek(end)
        if file.read(len(_END_OF_ARCHIVE)) != _END_OF_ARCHIVE:
            raise ValueError(
                f"{path} is damaged or cut short: no end-of-archive mark at byte {end:,}"
            )


def append_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Write a file into an open tar, without time or owner: equal files make equal tars."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o444
    tar.addfile(member, io.BytesIO(data))


def names_after_end(path: Path, members: list[tarfile.TarInfo]) -> list[str]:
    """Names of members behind the end mark of a sound tar, which has these `members` before it: nobody reads them.

    As `cat a.tar b.tar` leaves them. Bytes that are no member have one name that says how many they are.
    """
    end = 0
    for member in members:
        size = member.size if member.isreg() else 0
        end = max(end, member.offset_data + size)
    with mapped(path) as data:
        rest = _NOT_ZERO.search(data, end + -end % _BLOCK)
        if rest is None:
            return []
        start = rest.start() // _BLOCK * _BLOCK
        with tarfile.open(path, "r:", ignore_zeros=True) as tar:
            names = [member.name for member in tar if member.offset >= start]
        return names or [f"{len(data) - start:,} bytes"]


def tar_places(path: Path) -> dict[str, Span]:
    """First byte and size of every regular file of an uncompressed tar, by name; ValueError as `tar_members`.

    Plain headers, as our own shards have, are read here in a fifth of tarfile's time, others by tarfile.
    """
    with mapped(path) as data:
        return places_in(path, data, sound=False)


def places_in(path: Path, data: mmap.mmap | bytes, *, sound: bool) -> dict[str, Span]:
    """`tar_places` of a tar that is mapped; of one known to be `sound` the checksums of headers are not verified."""
    places: dict[str, Span] = {}
    at = 0
    header = data[:_BLOCK]
    while header != _EMPTY:
        plain = _plain_file(header)
        if plain is None or not (sound or _checksum_is_right(header)):
            break
        name, size = plain
        places[name] = (at + _BLOCK, size)
        padding = -size % _BLOCK
        at += _BLOCK + size + padding
        header = data[at : at + _BLOCK]
    if data[at : at + len(_END_OF_ARCHIVE)] == _END_OF_ARCHIVE:
        return places
    # Something that is not plain, or damaged: tarfile reads the one, and `tar_members` refuses the other.
    members = tar_members(path)
    return {member.name: (member.offset_data, member.size) for member in members}


def _plain_file(header: bytes) -> tuple[str, int] | None:
    """Name and size in the header of a regular file; None where it takes more to read it."""
    if header[_TYPE] != tarfile.REGTYPE or header[_PREFIX]:
        return None
    name = header[_NAME].rstrip(b"\0")
    size = header[_SIZE].strip(b"\0 ")
    if not name.isascii() or _OCTAL.fullmatch(size) is None:
        return None
    return name.decode("ascii"), int(size, 8)


def _checksum_is_right(header: bytes) -> bool:
    stated = header[_CHECKSUM].strip(b"\0 ")
    if _OCTAL.fullmatch(stated) is None:
        return False
    # The sum of all bytes, those of the checksum itself counted as spaces.
    spaces = 8 * ord(" ")
    return int(stated, 8) == sum(header) - sum(header[_CHECKSUM]) + spaces


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A file as memory, read-only."""
    if not path.stat().st_size:  # which cannot be mapped
        yield b""
        return
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        yield data
