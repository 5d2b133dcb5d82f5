"""Writes the shards and columns of a working folder again without what was removed; see `erase.py`."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.removals.erase import ERASING, filter_parquet, without_removed
from twigma.core.files import file_sha256, write_parquet
from twigma.core.names import embeddings_first
from twigma.core.parts import follow_inputs, read_part
from twigma.core.progress import progress_bar
from twigma.core.storage import mirrors
from twigma.core.workspace import Workspace, inventory
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Manifest, Shard
from twigma.rehydrate.posts.removed_ids import Removed

# How names of tars begin that `twigma reference add` packed or fetched.
OWN_TARS = "from_"


def shards_and_columns(
    work: Workspace, removed: Removed, left: list[str]
) -> dict[str, int]:
    """Take images out of shards and columns; counts of both. A tar that is not ours is named in `left`, not changed."""
    images = 0
    new_hashes: dict[str, str] = {}
    manifests = shards.manifests(work.path)
    for shard in progress_bar(manifests, desc="erase", unit="shard"):
        before = shards.read_manifest(shard)
        images += _erase_shard(shard, before, removed, left)
        after = shards.read_manifest(shard)
        new_hashes[before.sha256] = after.sha256
    work.image_index.unlink(missing_ok=True)
    work.sprite_sheet.unlink(missing_ok=True)
    for path in inventory.files(work.path, "plan"):
        filter_parquet(path, removed)
    _erase_unfinished(work, removed)
    _drop_packed(work)
    return {"images": images, "columns": _erase_columns(work, removed, new_hashes)}


def _erase_shard(
    shard: Shard, manifest: Manifest, removed: Removed, left: list[str]
) -> int:
    """Write one shard again without the images removed; how many those were."""
    sidecar = pq.read_table(shard.sidecar, schema=shards.SIDECAR)
    gone = removed.mask(sidecar["image_name"])
    count = pc.sum(gone).as_py() or 0
    if not count:
        return 0
    tar = manifest.tar_path(shard.manifest.parent)
    attempt = shard.manifest.parent / ERASING / shard.name
    attempt.mkdir(parents=True)
    write_parquet(attempt / shard.sidecar.name, sidecar.filter(pc.invert(gone)))
    if manifest.freed:
        _write_sidecar(shard, attempt, manifest)
    elif _is_own_tar(shard, tar):
        members = sidecar.filter(gone)["member"].to_pylist()
        samples = {PurePosixPath(name).stem for name in members if name}
        with mirrors.reading(tar):
            _copy_tar(tar, attempt / shard.tar.name, samples)
        made_from = dict(manifest.made_from)
        if filter_parquet(list_file(shard), removed):
            made_from["list"] = file_sha256(list_file(shard))
        shards.publish(attempt, shard, made_from)
    else:
        _leave_tar(shard, attempt, tar, manifest)
        left.append(f"{tar}: your own tar, still holds {count:,} of the images")
    shutil.rmtree(attempt)
    return int(count)


def _is_own_tar(shard: Shard, tar: Path) -> bool:
    """Whether a command wrote this tar: any other, wherever it lies, is the user's."""
    inside = tar.parent.absolute() == shard.manifest.parent.absolute()
    return inside and (tar.name == shard.tar.name or tar.name.startswith(OWN_TARS))


def _erase_unfinished(work: Workspace, removed: Removed) -> None:
    """Take rows out of sidecars without a manifest, which tell later where pictures belong, and delete their tars."""
    for sidecar in work.shards.glob("[0-9]*.parquet"):
        shard = shards.shard_at(work.path, sidecar.stem)
        if not shard.manifest.exists() and filter_parquet(sidecar, removed):
            shard.tar.unlink(missing_ok=True)


def _drop_packed(work: Workspace) -> None:
    """Delete tars packed by `twigma reference add` that no shard names any more: theirs was written again."""
    named = set()
    for shard in shards.manifests(work.path):
        named.add(Path(shards.read_manifest(shard).tar).name)
    for path in work.shards.glob(f"{OWN_TARS}*.tar"):
        if path.name not in named:
            path.unlink()


def _leave_tar(shard: Shard, attempt: Path, tar: Path, manifest: Manifest) -> None:
    """Take rows out of a sidecar whose tar stays as it is."""
    sidecar = attempt / shard.sidecar.name
    verified = shards.verify(tar, sidecar, manifest.made_from)
    sidecar.replace(shard.sidecar)
    shards.write_manifest(shard, replace(verified, tar=manifest.tar))


def _write_sidecar(shard: Shard, attempt: Path, manifest: Manifest) -> None:
    """Take rows out of the sidecar of a shard whose tar `twigma free` deleted."""
    sidecar = attempt / shard.sidecar.name
    status = pq.read_table(sidecar, columns=["status"])["status"]
    samples = pc.sum(pc.equal(status, "success")).as_py() or 0
    sha256 = file_sha256(sidecar)
    sidecar.replace(shard.sidecar)
    remaining = replace(
        manifest, sidecar=sha256, rows=len(status), samples=int(samples)
    )
    shards.write_manifest(shard, remaining)


def _copy_tar(source: Path, target: Path, without: set[str]) -> None:
    """The members of a tar as they are, but for those of these samples."""
    with (
        tarfile.open(source, "r:") as old,
        tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in shards.tar_members(source):
            if PurePosixPath(member.name).stem not in without:
                new.addfile(member, old.extractfile(member))


def _erase_columns(work: Workspace, removed: Removed, hashes: dict[str, str]) -> int:
    """Take rows out of every part; provenance that names a rewritten shard or part is updated, so parts stay current.

    `hashes` maps what shards hashed to before to what they hash to now. Also rewritten is what models store of images:
    the map of `twigma cluster` holds embeddings.
    """
    rows = 0
    renamed = {old: new for old, new in hashes.items() if old != new}
    parts = inventory.files(work.path, "parts")
    for path in embeddings_first(parts):
        rows += _erase_part(path, removed, renamed)
    return rows


def _erase_part(path: Path, removed: Removed, renamed: dict[str, str]) -> int:
    table = read_part(path)
    remaining = without_removed(table, removed)
    follow_inputs(path, renamed, None if remaining is table else remaining)
    return len(table) - len(remaining)
