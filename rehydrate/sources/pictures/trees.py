"""Folders, zips and tars alike: the files in them by name, and the bytes of each. Nothing is unpacked onto the disk.

A `.tar.gz` can be read from its start only, so it becomes a tar in a temporary file first.
"""

import contextlib
import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from twigma.core.files import name_in_errors
from twigma.core.safety.bounded import RATIO, ceiling, safe_member, unpacked
from twigma.rehydrate.images.shards import mapped, tar_members
from twigma.rehydrate.sources.pictures.kinds import is_hidden
from twigma.rehydrate.sources.pictures.metadata import TABLES

LINK = "links out of the folder, not followed"
INNER_LINK = "links to a folder inside"
HIDDEN = "hidden, or made by the system"
NO_FILE = "links, devices and the like"
REPEATED = "members that a later one of the same name replaces"
ENDINGS = (".json", ".txt")  # endings of what stands beside a single file
LeftOut = dict[str, list[str]]  # names by reason


class Tree(Protocol):
    """Files by name, with / between folders. `left_out` has those that are not read, by reason.

    `is_whole` says whether all that belongs together is in it.
    """

    label: str
    names: list[str]
    left_out: LeftOut
    is_whole: bool

    def read(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a file; ValueError or OSError where it cannot be read."""
        ...


class FolderTree:
    """A folder on disk. Links that lead out of it are not followed; folders of datasets are not entered."""

    is_whole = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = folder.absolute().name
        self.names: list[str] = []
        self.datasets: list[Path] = []
        self.left_out: LeftOut = {}
        for parent, folders, files in os.walk(folder):
            here = Path(parent)
            if is_dataset(here):
                self.datasets.append(here)
                folders.clear()
                continue
            for name in folders:
                if (here / name).is_symlink():
                    self._leave_out_folder(here / name)
            for name in files:
                self._add(here / name)
        self.names.sort()
        self.datasets.sort()

    def _leave_out_folder(self, link: Path) -> None:
        # `os.walk` does not enter it either.
        reason = LINK if leads_out(link, self.folder) else INNER_LINK
        self._leave_out(reason, link)

    def _add(self, file: Path) -> None:
        name = file.relative_to(self.folder).as_posix()
        if is_hidden(name):
            self._leave_out(HIDDEN, file)
        elif leads_out(file, self.folder):
            self._leave_out(LINK, file)
        elif not file.is_file():
            self._leave_out(NO_FILE, file)
        else:
            self.names.append(name)

    def _leave_out(self, reason: str, file: Path) -> None:
        self.left_out.setdefault(reason, []).append(str(file))

    def read(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a file."""
        with (self.folder / name).open("rb") as file:
            return file.read(most)


class FilesTree:
    """Single files that were named one by one, wherever they are."""

    is_whole = False

    def __init__(self, files: list[Path]) -> None:
        self.label = ""
        self._files: dict[str, Path] = {}
        companions: dict[Path, dict[str, list[Path]]] = {}
        for file in files:
            if file.parent not in companions:
                companions[file.parent] = _companions(file.parent)
            beside = [file, *_beside(file, companions[file.parent])]
            self._files.update({str(each): each for each in beside})
        self.names = list(self._files)
        self.left_out: LeftOut = {}

    def read(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a file."""
        with self._files[name].open("rb") as file:
            return file.read(most)


def _companions(folder: Path) -> dict[str, list[Path]]:
    """What may stand beside pictures in a folder, by its name with an ending in small letters."""
    companions: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        ending = file.suffix.lower()
        called = file.name.removesuffix(file.suffix) + ending
        if file.name.lower() in TABLES:
            called = file.name.lower()
        elif ending not in ENDINGS:
            continue
        companions.setdefault(called, []).append(file)
    return companions


def _beside(image: Path, companions: dict[str, list[Path]]) -> list[Path]:
    """JSON and text beside a file, by its whole name or without its ending, and the tables of an ImageFolder.

    No links out of the folder.
    """
    names = list(TABLES)
    for ending in ENDINGS:
        names += [f"{image.name}{ending}", image.with_suffix(ending).name]
    files: list[Path] = []
    for name in names:
        for file in companions.get(name, []):
            if file.is_file() and not leads_out(file, file.parent):
                files.append(file)
    return files


class ZipTree:
    """A zip. ValueError where it is damaged, or would unpack to far more than its size. A context manager."""

    is_whole = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = path.name
        self.names: list[str] = []
        self.left_out: LeftOut = {}
        with _damage(path):
            self._zip = zipfile.ZipFile(path)
        total = 0
        seen: set[str] = set()
        for info in self._zip.infolist():
            total += info.file_size
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                self.left_out.setdefault(NO_FILE, []).append(info.filename)
            elif is_hidden(info.filename):
                self.left_out.setdefault(HIDDEN, []).append(info.filename)
            elif info.filename in seen:
                self.left_out.setdefault(REPEATED, []).append(info.filename)
            else:
                seen.add(info.filename)
                self.names.append(info.filename)
        most = ceiling(path.stat().st_size)
        if total > most:
            self._zip.close()
            raise ValueError(
                f"{path} would unpack to over {most:,} bytes, {RATIO} times its size"
            )

    def __enter__(self) -> "ZipTree":
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def read(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a member."""
        with _damage(self.path):
            member = safe_member(self._zip, name, f"{self.path}: {name}")
            with self._zip.open(member) as file:
                return file.read(most)


class TarTree:
    """An uncompressed tar; ValueError where it is damaged. A context manager."""

    is_whole = True

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        self.left_out: LeftOut = {}
        self._places: dict[str, tuple[int, int]] = {}
        others: list[tarfile.TarInfo] = []
        for member in tar_members(path, others):
            if is_hidden(member.name):
                self.left_out.setdefault(HIDDEN, []).append(member.name)
                continue
            if member.name in self._places:
                self.left_out.setdefault(REPEATED, []).append(member.name)
            self._places[member.name] = (member.offset_data, member.size)
        if others:
            self.left_out[NO_FILE] = [member.name for member in others]
        self.names = list(self._places)
        self._stack = contextlib.ExitStack()
        self._data = self._stack.enter_context(mapped(path))

    def __enter__(self) -> "TarTree":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read(self, name: str, most: int) -> bytes:
        """The first `most` bytes of a member."""
        start, size = self._places[name]
        return self._data[start : start + min(size, most)]


@contextlib.contextmanager
def unpacked_tar(path: Path, folder: Path) -> Iterator[Path]:
    """A `.tar.gz` as a temporary tar in `folder`; ValueError where it is damaged, or unpacks to far too much."""
    folder.mkdir(parents=True, exist_ok=True)
    tar = folder / "unpacked.tar"
    try:
        with (
            _damage(path),
            gzip.open(path) as packed,
            unpacked(packed, path.stat().st_size, str(path)) as source,
            tar.open("wb") as target,
            name_in_errors(tar),
        ):
            while block := source.read(1 << 20):
                target.write(block)
        yield tar
    finally:
        tar.unlink(missing_ok=True)


def is_dataset(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk` of `datasets`."""
    is_one = (folder / "state.json").is_file() and (
        folder / "dataset_info.json"
    ).is_file()
    return is_one or (folder / "dataset_dict.json").is_file()


def leads_out(file: Path, folder: Path) -> bool:
    """Whether a file below a folder is in truth elsewhere: by a link on the way to it, or as one itself."""
    try:
        return not file.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to nothing, or in a circle
        return True


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what unpackers raise on damaged, foreign or locked archives into a ValueError that names the file."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        gzip.BadGzipFile,
        NotImplementedError,
    ) as error:
        raise ValueError(f"{path} is damaged or cut short: {error}") from error
    except RuntimeError as error:
        # Of zipfile, for a member that is locked by a password.
        raise ValueError(f"{path} cannot be unpacked: {error}") from error
