"""The manifest of a shard, `WORK/shards/NUMBER.json`: what a finished shard is, written last. Read and written here.

A manifest that was edited or cut, or that names a tar which is not the shard's to read, is refused by name.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from twigma.core.files import write_json
from twigma.core.safety import untrusted_names
from twigma.core.storage import mirrors


@dataclass(frozen=True)
class Shard:
    """One finished shard: where its tar, its sidecar and its manifest are."""

    name: str
    tar: Path
    sidecar: Path
    manifest: Path


@dataclass(frozen=True)
class Manifest:
    """What a finished shard is.

    Attributes
    ----------
    tar : its name, or the path of one of the user's own.
    sha256, bytes : hash and size in bytes of the tar.
    sidecar : SHA-256 of the sidecar.
    rows : photos asked for, one row each in the sidecar.
    samples : images stored in the tar, at most `rows`.
    made_from : `kind` ("fetch" or "add") and the settings of the command that wrote the shard.
    freed : the day (UTC) on which `twigma free` deleted the tar; empty while it is there.
    """

    tar: str
    sha256: str
    bytes: int
    sidecar: str
    rows: int
    samples: int
    made_from: Mapping[str, Any] = field(default_factory=dict)
    freed: str = ""

    def tar_path(self, folder: Path) -> Path:
        """Where the tar is, for a manifest in `folder`; the path of a tar of the user's own is absolute, and wins."""
        return folder / self.tar


def read_manifest(shard: Shard) -> Manifest:
    """The manifest of a shard; ValueError when it is damaged, or names a tar that is not the shard's to read."""
    try:
        manifest = Manifest(**json.loads(shard.manifest.read_bytes()))
    except (ValueError, TypeError):
        manifest = None
    if manifest is None or not _has_types(manifest):
        raise ValueError(
            f"the manifest {shard.manifest} is damaged: delete it and run again the command that wrote the shard"
        )
    _refuse_place(shard, manifest)
    return manifest


def write_manifest(shard: Shard, manifest: Manifest) -> None:
    """Write the manifest of a shard whose tar and sidecar are in place: from now on the shard is finished."""
    values = asdict(manifest)
    if not manifest.freed:
        del values["freed"]
    write_json(shard.manifest, values)


def require_tar(shard: Shard, manifest: Manifest) -> None:
    """FileNotFoundError with what to do when the tar of a shard is missing, deleted by `twigma free` or otherwise."""
    if shard.tar.exists():
        return
    mirrors.refuse_closed(shard.tar)
    reason, remedy = f"its tar {shard.tar} is missing", "put it back, or delete"
    if manifest.freed:
        reason, remedy = f"its pictures were freed on {manifest.freed}", "delete"
    again = "the command that wrote the shard"
    if manifest.made_from.get("kind") == "fetch":
        again = "`twigma rehydrate`, which fetches them,"
    raise FileNotFoundError(
        f"shard {shard.name}: {reason}: {remedy} {shard.manifest} and run again {again}"
    )


def _has_types(manifest: Manifest) -> bool:
    """Whether every value is of the type that the class declares; JSON may hold anything."""
    texts = (manifest.tar, manifest.sha256, manifest.sidecar, manifest.freed)
    numbers = (manifest.bytes, manifest.rows, manifest.samples)
    are_texts = all(isinstance(text, str) for text in texts)
    # Compared exactly: a bool is an int to Python, and no number of bytes.
    are_numbers = all(type(number) is int for number in numbers)
    return are_texts and are_numbers and isinstance(manifest.made_from, dict)


def _refuse_place(shard: Shard, manifest: Manifest) -> None:
    """ValueError unless the tar is beside the manifest, or one of the user's own that `twigma add` registered."""
    tar = manifest.tar
    is_own = Path(tar).is_absolute() and manifest.made_from.get("kind") == "add"
    if is_own and ".." not in Path(tar).parts:
        return
    untrusted_names.refuse_paths([tar], str(shard.manifest))
    if "/" in tar:
        raise ValueError(
            f"{shard.manifest} names the tar {tar!r}: expected one beside it, or one you added yourself"
        )
