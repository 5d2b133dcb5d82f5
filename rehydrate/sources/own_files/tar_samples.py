"""The samples of a WebDataset tar that anyone may have made: image members, and the JSON beside each.

Nothing in a tar is unpacked, unpickled or run; an image is decoded once, to know that it can be.
"""

import hashlib
import json
import mmap
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from twigma.rehydrate.images import decode_memory, shards
from twigma.rehydrate.images.decode import BadImage, check
from twigma.rehydrate.sources.own_files.image_paths import IMAGES

# Members that belong to an image; any other is skipped and counted.
BESIDE = {".json", ".txt", ".cls"}
MAX_JSON = 1_000_000  # bytes of a JSON member that is read
MAX_IMAGE = 200_000_000  # bytes of an image, encoded

Data = mmap.mmap | bytes  # the bytes of a whole tar


@dataclass
class Sample:
    """An image member of a tar and the JSON member beside it."""

    key: str
    image: tarfile.TarInfo
    json: tarfile.TarInfo | None = None


def scan(tar: Path) -> tuple[list[Sample], int]:
    """The samples of a tar in its order, and how many members were skipped."""
    samples: list[Sample] = []
    texts: dict[str, tarfile.TarInfo] = {}
    beside: list[str] = []
    skipped = 0
    for member in shards.tar_members(tar):
        path = PurePosixPath(member.name)
        kind = path.suffix.lower()
        # A key is the path up to the first dot, as WebDataset has it.
        is_safe = not path.is_absolute() and ".." not in path.parts
        key = str(path.parent / path.name.partition(".")[0])
        if not is_safe or kind not in IMAGES | BESIDE:
            skipped += 1
        elif kind in IMAGES:
            samples.append(Sample(key, member))
        else:
            beside.append(key)
            if kind == ".json":
                texts[key] = member
    for sample in samples:
        sample.json = texts.get(sample.key)
    keys = {sample.key for sample in samples}
    skipped += sum(key not in keys for key in beside)
    return sorted(samples, key=lambda sample: sample.image.offset), skipped


def unique_name(key: str, stem: str, used: set[str]) -> str:
    """A name for an image that no other has; it is added to `used`.

    Its key, else its key after the stem of its tar, else that with a number.
    """
    key = re.sub(r"[^A-Za-z0-9_-]+", "_", key).strip("_") or "image"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", stem)
    name = key
    if name in used:
        name = f"{stem}.{key}"
    number = 2
    while name in used:
        name = f"{stem}.{number}.{key}"
        number += 1
    used.add(name)
    return name


def sidecar_row(
    data: Data, sample: Sample, name: str, group_key: str | None
) -> dict[str, Any]:
    """The sidecar row of one image, which is decoded to its last byte; `group` is the field `group_key` of its JSON."""
    row: dict[str, Any] = {
        "image_name": name,
        "member": sample.image.name,
        "group": _group(data, sample, group_key),
    }
    if sample.image.size > MAX_IMAGE:
        row["status"] = "too_large"
        row["error"] = f"{sample.image.size:,} bytes, at most {MAX_IMAGE:,} are read"
        return row
    image = _content(data, sample.image)
    try:
        with decode_memory.room(image):
            header = check(image)
    except BadImage as error:
        row["status"] = error.status
        row["error"] = str(error)
        return row
    row["width"] = header.width
    row["height"] = header.height
    row["status"] = "success"
    row["sha256"] = hashlib.sha256(image).hexdigest()
    row["note"] = header.warning
    return row


def _group(data: Data, sample: Sample, group_key: str | None) -> str | None:
    if group_key is None or sample.json is None or sample.json.size > MAX_JSON:
        return None
    try:
        value = json.loads(_content(data, sample.json)).get(group_key)
        str(value).encode()  # half an emoji cannot be stored
    except (ValueError, AttributeError, RecursionError):
        return None
    return None if value is None else str(value)


def _content(data: Data, member: tarfile.TarInfo) -> bytes:
    start = member.offset_data
    return data[start : start + member.size]
