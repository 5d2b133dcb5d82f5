"""The manifest of a shard, `WORK/shards/NUMBER.json`: what a finished shard is, written last. Read and written here.

It is written when tar and sidecar, read again from the disk, agree. A manifest that was edited or cut, or that names a
tar which is not the shard's to read, is refused by name.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core.files import file_sha256, fsync, write_json
from twigma.core.safety import untrusted_names
from twigma.core.storage import mirrors
from twigma.rehydrate.images.tar_places import mapped, tar_places


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
    reason = f"its tar {shard.tar} is missing"
    remedy = "put it back, or "
    if manifest.freed:
        reason = f"its pictures were freed on {manifest.freed}"
        remedy = ""
    raise FileNotFoundError(
        f"shard {shard.name}: {reason}: {remedy}{_again(shard, manifest)}"
    )


def _again(shard: Shard, manifest: Manifest) -> str:
    """What brings the pictures of a shard back."""
    kind = manifest.made_from.get("kind")
    if kind == "add" and "/" in manifest.tar:
        return "give `twigma add` the tar where it is now"
    if kind == "add":
        return "give `twigma add` the files again that they came from: they keep their names"
    again = "the command that wrote the shard"
    if kind == "fetch":
        again = "`twigma rehydrate`, which fetches them,"
    return f"delete {shard.manifest} and run again {again}"


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


def verify(tar: Path, sidecar: Path, made_from: Mapping[str, Any]) -> Manifest:
    """Compare a tar with its sidecar sample by sample: the manifest of the two, or ValueError saying what differs."""
    table = pq.read_table(sidecar, columns=["member", "sha256", "status"])
    stored = table.filter(pc.equal(table["status"], "success"))
    samples = len(stored)
    members = stored["member"].to_pylist()
    _refuse_repeated(members, sidecar)
    expected = dict(zip(members, stored["sha256"].to_pylist(), strict=True))
    actual = {}
    with mapped(tar) as data, memoryview(data) as view:
        for name, (start, size) in tar_places(tar).items():
            if name in expected:
                digest = hashlib.sha256(view[start : start + size])
                actual[name] = digest.hexdigest()
        sha256 = hashlib.sha256(view).hexdigest()
    if actual != expected:
        differing = sorted(n for n in expected if actual.get(n) != expected[n])
        raise ValueError(
            f"{tar}: {samples} samples expected, {len(actual)} found, differing: {differing[:3]}"
        )
    return Manifest(
        tar=tar.name,
        sha256=sha256,
        bytes=tar.stat().st_size,
        sidecar=file_sha256(sidecar),
        rows=len(table),
        samples=samples,
        made_from=made_from,
    )


def _refuse_repeated(members: Sequence[str], sidecar: Path) -> None:
    """ValueError where two images of a sidecar are the same member of its tar."""
    counts = Counter(members)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(
            f"{sidecar}: expected a member of the tar for each image, found {len(repeated):,} named more than once, "
            f"such as {repeated[0]!r}: give each image of the tar a name of its own"
        )


def publish(attempt: Path, shard: Shard, made_from: Mapping[str, Any]) -> Manifest:
    """Verify a shard in its private folder, move it into place and write its manifest last.

    `made_from` says how it was made (kind and settings). ValueError where tar and sidecar differ or are damaged.
    """
    tar = attempt / shard.tar.name
    sidecar = attempt / shard.sidecar.name
    try:
        manifest = verify(tar, sidecar, made_from)
    except ValueError as error:
        # The private folder is gone when this is read: its files are named without it.
        what = str(error).replace(f"{attempt}/", "")
        raise ValueError(
            f"shard {shard.name}: what was written cannot be read back ({what}), and was discarded: check the disk, "
            "then run the same command again"
        ) from error
    # Without a manifest the shard is not finished, whatever happens between the two moves.
    shard.manifest.unlink(missing_ok=True)
    for source, target in ((tar, shard.tar), (sidecar, shard.sidecar)):
        fsync(source)
        source.replace(target)
    write_manifest(shard, manifest)
    return manifest
