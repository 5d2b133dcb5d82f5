"""Loose images packed into one tar of the working folder, so that they go the way of all other images."""

import io
import tarfile
from pathlib import Path

from twigma.core.files import atomic, file_sha256
from twigma.core.safety.failures import Failures
from twigma.rehydrate.sources.own_files.image_paths import leads_out
from twigma.rehydrate.sources.own_files.tar_samples import (
    MAX_IMAGE,
    MAX_JSON,
    unique_name,
)


def pack_images(
    packed: Path, images: list[Path], known: set[str], failures: Failures
) -> bool:
    """Pack loose images, each with the NAME.json beside it if there is one, into the tar `packed`.

    False, and no tar, when its SHA-256 is among the `known` ones, or when no file could be read. One that cannot goes
    to `failures`. The tar depends on names and contents only.
    """
    used: set[str] = set()
    packed_images = 0
    with (
        atomic(packed) as partial,
        tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for image in images:
            folder = image.absolute().parent.name
            name = unique_name(image.stem, folder, used).replace(".", "_")
            content = None
            with failures.collect(), image.open("rb") as file:
                # One byte more shows that it is too large.
                content = file.read(MAX_IMAGE + 1)
            if content is None:
                continue
            packed_images += 1
            _append(tar, f"{name}{image.suffix.lower()}", content)
            text = image.with_suffix(".json")
            if _may_pack(text):
                _append(tar, f"{name}.json", text.read_bytes())
    if not packed_images or file_sha256(packed) in known:
        packed.unlink()
        return False
    return True


def _may_pack(text: Path) -> bool:
    """Whether the JSON beside an image is a file of its folder, and small enough."""
    if not text.is_file() or leads_out(text, text.parent):
        return False
    return text.stat().st_size <= MAX_JSON


def _append(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o444  # no time, no owner: equal images make equal tars
    tar.addfile(member, io.BytesIO(data))
