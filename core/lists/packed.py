"""The content of a list, whatever it is packed in: gzip, bzip2, xz, zstd or a zip, recognised by its first bytes."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from twigma.core.safety import bounded

ZIP = b"PK\x03\x04"
TAR_MARK = slice(257, 262)  # where a tar says `ustar`
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
LISTS = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".json")
MOST_LAYERS = 3  # a zip of a gzip, and one more
HEAD = 4096  # bytes by which a format is recognised
UNREADABLE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    pa.ArrowException,
    RuntimeError,
)


class Content(NamedTuple):
    """The bytes of a list, a buffered reader; its name without what it was packed by; its name in messages; its size.

    `size` is that of the file on disk, by which `bounded` limits what may be unpacked from it.
    """

    raw: io.BufferedReader
    name: Path
    where: str
    size: int

    @property
    def head(self) -> bytes:
        """The first bytes, which stay to be read."""
        return self.raw.peek(HEAD)[:HEAD]

    def seekable(self, stack: ExitStack) -> "Content":
        """The same content as a file that can be read from its end."""
        if self.raw.seekable():
            return self
        file: Any = stack.enter_context(bounded.spooled(self.raw))
        return self._replace(raw=file)


@contextmanager
def open_content(path: Path) -> Iterator[tuple[Content, ExitStack]]:
    """The unpacked content of a file, and a stack that closes what its reader opens.

    Raises ValueError where the file is cut off or damaged, unpacks to far more than its size, or holds several lists.
    """
    with path.open("rb") as raw:
        size = path.stat().st_size
        with open_stream(raw, path.name, str(path), size) as opened:
            yield opened


@contextmanager
def open_stream(
    raw: io.BufferedReader, name: str, where: str, size: int
) -> Iterator[tuple[Content, ExitStack]]:
    """As `open_content`, of a file of `size` bytes that is open or in memory; messages call it `where`."""
    try:
        with ExitStack() as stack:
            content = Content(raw, Path(name), where, size)
            for _ in range(MOST_LAYERS):
                inner = _unpack(content, stack)
                if inner is content:
                    break
                content = inner
            _refuse_tar(content)
            yield content, stack
    except UNREADABLE as error:
        raise _damaged(where, error) from None
    except OSError as error:
        # Arrow's for damaged data have no number; those of the system do.
        if error.errno is not None:
            raise
        raise _damaged(where, error) from None
    except ValueError as error:
        if where in str(error):
            raise
        raise _damaged(where, error) from None


def _damaged(where: str, error: Exception) -> ValueError:
    kind = Path(where).suffix[1:] or "list"
    found = " ".join(str(error).split())[:200]
    return ValueError(
        f"{where}: expected a complete {kind} file, found {found}; get it again"
    )


def _unpack(content: Content, stack: ExitStack) -> Content:
    """The content without its outer packing; the same where there is none."""
    if content.head.startswith(ZIP):
        return _unpack_zip(content.seekable(stack), stack)
    unpacker = unpacker_of(content.raw)
    if unpacker is None:
        return content
    source = stack.enter_context(unpacker)
    raw = bounded.unpacked(_Unpacker(source), content.size, content.where)
    name = content.name
    if name.suffix.lower() in PACKED_SUFFIXES:
        name = Path(name.stem)
    return content._replace(raw=raw, name=name)


def unpacker_of(raw: io.BufferedReader) -> Any | None:
    """What reads the content of a gzip, bzip2, xz or zstd file, by its first bytes; None where it is none of them."""
    head = raw.peek(HEAD)
    for beginning, opened in UNPACKERS.items():
        if head.startswith(beginning):
            return opened(raw)
    return None


class _Unpacker:
    """A library's unpacker whose errors name no file of the system: OSError there means damaged data."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._source.read(size))
        except OSError as error:
            raise EOFError(str(error)) from None


def _zstd(raw: IO[bytes]) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


UNPACKERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstd,
}


def _unpack_zip(content: Content, stack: ExitStack) -> Content:
    """The only list in a zip; a workbook, which is a zip too, stays as it is."""
    if workbook_kind(content):
        return content
    archive = stack.enter_context(zipfile.ZipFile(content.raw))
    member = _only_member(content.where, archive)
    where = f"{content.where}/{member}"
    info = bounded.safe_member(archive, member, where)
    source = stack.enter_context(archive.open(info))
    raw = bounded.unpacked(source, content.size, where)
    return Content(raw, Path(Path(member).name), where, content.size)


def workbook_kind(content: Content) -> str:
    """`xlsx` or `ods` for a zip that is a workbook of a spreadsheet; empty for another."""
    with zipfile.ZipFile(content.raw) as archive:
        names = set(archive.namelist())
    content.raw.seek(0)
    if "xl/workbook.xml" in names:
        return "xlsx"
    return "ods" if {"mimetype", "content.xml"} <= names else ""


def _only_member(where: str, archive: zipfile.ZipFile) -> str:
    """The name of the list in a zip."""
    names = own_members(archive)
    lists = names
    if len(names) > 1:
        lists = [name for name in names if _is_list(name)] or names
    if len(lists) != 1:
        raise ValueError(
            f"{where}: expected a zip of one list, found {len(lists)}: {lists[:5]}; unpack it first"
        )
    return lists[0]


def own_members(archive: zipfile.ZipFile) -> list[str]:
    """The files in a zip, but for those that macOS adds."""
    names: list[str] = []
    for name in archive.namelist():
        base = name.rpartition("/")[2]
        if base and not base.startswith("._") and not name.startswith("__MACOSX/"):
            names.append(name)
    return names


def _is_list(name: str) -> bool:
    """Whether a member of a zip is a table by its name; a text beside a table describes it."""
    return name.lower().endswith(LISTS) and not name.lower().endswith(".txt")


def _refuse_tar(content: Content) -> None:
    if content.head[TAR_MARK] == b"ustar":
        raise ValueError(
            f"{content.where}: this is a tar archive, expected a list; unpack it, and pass the list in it"
        )
