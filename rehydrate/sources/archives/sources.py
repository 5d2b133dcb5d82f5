"""Where archives are: a file, the files of a folder, or the members of a zip; packed or not, as their first bytes say.

`import_archives` reads each of them alone, so that one that is damaged does not stop the others.
"""

import hashlib
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import pyarrow as pa

from twigma.core.files import file_sha256
from twigma.core.lists.packed import ZIP, own_members, unpacker_of
from twigma.core.progress import notice
from twigma.core.safety import bounded, owned_folders

# Names of archives in a folder or a zip; a file that is named itself is read whatever its name.
NAMES = re.compile(
    r".+\.((json|jsonl|ndjson|csv|tsv)(\.(gz|bz2|xz|zst))?|zip)", re.IGNORECASE
)
ACCOUNT_POSTS = re.compile(r"tweets?(-part[0-9]+)?\.js")  # in the archive of an account
PAGE = re.compile(
    r"data_([0-9]+)\.json"
)  # of academictwitteR, with users_ID.json beside it
COMPANION = re.compile(r"users_([0-9]+)\.json")
WORK_FILES = ("images.parquet", "ledger.sqlite")  # one is in every working folder
ENDINGS = ".jsonl, .ndjson, .json, .csv or .tsv, each also packed"
UNREADABLE = (
    EOFError,
    OSError,
    RuntimeError,
    lzma.LZMAError,
    pa.ArrowException,
    zipfile.BadZipFile,
    zlib.error,
)

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class Source(NamedTuple):
    """One archive.

    `sha256` tells it from others by its content. `includes` opens what academictwitteR stores beside a page.
    """

    path: Path
    sha256: str
    size: int
    open: Opener
    includes: Opener | None = None


class DamagedFile(ValueError):  # noqa: N818 - it describes the file
    """A packed file that ends early, or is not what its first bytes say."""

    def __init__(self) -> None:
        super().__init__("the compressed file is cut off or damaged here: get it again")


def is_archive_name(name: str) -> bool:
    """Whether a file of this name in a folder or zip is read as an archive."""
    if COMPANION.fullmatch(name) or name.startswith("."):
        return False
    return bool(NAMES.fullmatch(name) or ACCOUNT_POSTS.fullmatch(name))


def find_files(path: Path) -> list[Path]:
    """A file, or the archives below a folder in order; ValueError where it has none, FileNotFoundError for no path.

    Working folders below it are left out, and so are releases, sets and reports: what is in them came from archives.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no archive at {path}")
    files = sorted(_foreign_files(path))
    chosen = [one for one in files if is_archive_name(one.name)]
    if not chosen:
        raise ValueError(
            f"{path}: expected archives ({ENDINGS}), found {len(files):,} other files"
        )
    return chosen


def _foreign_files(folder: Path) -> Iterator[Path]:
    """The files below a folder, but for those in folders that commands of ours wrote, each of which is named."""
    for place, folders, names in os.walk(folder):
        for name in sorted(folders):
            inner = Path(place, name)
            if _is_ours(inner):
                notice(f"{inner} was written by twigma: no archive in it is imported")
                folders.remove(name)
        for name in names:
            file = Path(place, name)
            if file.is_file():
                yield file


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a working folder, or a release, set of liked images or report of ours."""
    if any((folder / name).is_file() for name in WORK_FILES):
        return True
    try:
        return owned_folders.recognize(folder) is not None
    except ValueError:  # its mark is damaged, and ours
        return True


def find_sources(path: Path) -> Iterator[Source]:
    """The archives in a file: itself, or the members of a zip in order; ValueError where a zip cannot be read."""
    if _first_bytes(path) == ZIP:
        yield from _zip_sources(path)
    else:
        yield _file_source(path)


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(ZIP))


def _file_source(path: Path) -> Source:
    sha256 = file_sha256(path)
    includes = None
    page = PAGE.fullmatch(path.name)
    if page:
        companion = path.with_name(f"users_{page[1]}.json")
        if companion.is_file():
            sha256 = _hash(sha256, file_sha256(companion))
            includes = partial(_open_file, companion)
    return Source(
        path, sha256, path.stat().st_size, partial(_open_file, path), includes
    )


def _zip_sources(path: Path) -> Iterator[Source]:
    whole = file_sha256(path)
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(
            f"{path}: expected a complete zip, found one that is cut off or damaged; get it again"
        ) from None
    with archive:
        names = [name for name in own_members(archive) if _is_member(name)]
        if not names:
            raise ValueError(
                f"{path}: expected a zip of archives ({ENDINGS}), "
                f"found {len(archive.namelist()):,} other members"
            )
        for name in sorted(names):
            includes = None
            member = PurePosixPath(name)
            page = PAGE.fullmatch(member.name)
            companion = str(member.with_name(f"users_{page[1]}.json")) if page else ""
            if companion in archive.namelist():
                includes = partial(_open_member, archive, companion, path)
            size = archive.getinfo(name).compress_size
            opener = partial(_open_member, archive, name, path)
            yield Source(path / name, _hash(whole, name), size, opener, includes)


def _is_member(name: str) -> bool:
    """Whether a member of a zip is an archive, and no zip in a zip."""
    member = PurePosixPath(name)
    is_nested = member.suffix.lower() == ".zip"
    return is_archive_name(member.name) and not is_nested


@contextmanager
def _open_member(
    archive: zipfile.ZipFile, name: str, path: Path
) -> Iterator[IO[bytes]]:
    where = f"{path}/{name}"
    info = bounded.safe_member(archive, name, where)
    if info.flag_bits & 1:
        raise ValueError(
            f"{where}: expected a zip without a password: unpack it, and pass the folder"
        )
    try:
        member = archive.open(info)
    except UNREADABLE:
        raise DamagedFile from None
    with member:
        yield bounded.unpacked(_Checked(member), info.compress_size, where)


def _hash(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


# ------------------------------------------------------------------ packing


@contextmanager
def unpacked(raw: IO[bytes], size: int, where: str) -> Iterator[IO[bytes]]:
    """The content of a file of `size` bytes: gzip, bzip2, xz and Zstandard are recognised by their first bytes.

    Raises ValueError for a tar, which holds other files. Reading raises DamagedFile where the packing is damaged.
    """
    buffered: Any = raw
    if not isinstance(raw, io.BufferedReader):
        buffered = io.BufferedReader(buffered)
    unpacker = unpacker_of(buffered)
    handle = buffered
    if unpacker is not None:
        handle = bounded.unpacked(_Checked(unpacker), size, where)
    try:
        head = handle.peek(512)
    except DamagedFile:
        head = b""  # whoever reads it hears of it
    if head[257:262] == b"ustar":
        raise ValueError(
            f"{where}: expected an archive of posts, found a tar: unpack it, and pass the folder"
        )
    yield handle


class _Checked:
    """An unpacker whose complaints are DamagedFile."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, count: int) -> bytes:
        """Up to so many bytes."""
        try:
            return bytes(self._source.read(count))
        except UNREADABLE:
            raise DamagedFile from None
