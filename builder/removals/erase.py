"""Writes the files of a working folder again without what was removed; `twigma removals` holds the locks and calls it.

Each file is written beside the old one and renamed, so a stopped run has rewritten some files and not touched others.
"""

import shutil
import tarfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.removals import erase_lists
from twigma.core import columns, inventory
from twigma.core.files import file_sha256, write_parquet
from twigma.core.names import split_name
from twigma.core.parts import fingerprint, read_part, read_provenance, write_part
from twigma.core.progress import progress_bar
from twigma.core.storage import mirrors
from twigma.core.workspace import Workspace
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Manifest, Shard
from twigma.rehydrate.posts import page_store as raw
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.posts.removed_ids import Removed, strip_answer

EQUAL = ("embedding", "pixels")  # reasons by which all images that repeat one are equal
ERASING = ".erasing"  # folder in which shards are written before they replace others
OWN_TARS = (
    "from_"  # how names of tars begin that `twigma reference add` packed or fetched
)


def pages(work: Workspace, removed: Removed) -> int:
    """Strip the stored pages; the number of pages changed. What was parsed from them is deleted: it can be re-created.

    It is deleted whether or not a page changes: a run that was stopped may have stripped the pages already.
    """

    def strip(page: raw.Page) -> raw.Page:
        return _strip(page, removed)

    files = [work.page_file(kind) for kind in raw.KINDS]
    changed = sum(raw.rewrite_pages(file, strip) for file in files)
    changed += _forget_authors(work)
    for path in inventory.files(work.path, "deleted"):
        path.unlink()
    return changed


def _forget_authors(work: Workspace) -> int:
    """Take authors out of the pages of users who have no post on any other page; the number of pages changed."""
    file = work.page_file("users")
    if not file.exists():
        return 0
    authors: set[str] = set()
    for kind in raw.OF_POSTS:
        for _, _, page in raw.read_pages(work.page_file(kind)):
            posts = dicts(page["answer"].get("data")) if page else []
            authors.update(str(post.get("author_id")) for post in posts)

    def strip(page: raw.Page) -> raw.Page:
        answer = dict(page["answer"])
        users = [user for user in page["request"]["users"] if user in authors]
        data = dicts(answer.get("data"))
        answer["data"] = [user for user in data if user.get("id") in authors]
        errors = dicts(answer.get("errors"))
        answer["errors"] = [one for one in errors if one.get("value") in authors]
        return {
            **page,
            "request": {**page["request"], "users": users},
            "answer": answer,
        }

    return raw.rewrite_pages(file, strip)


def unfinished(work: Workspace) -> int:
    """Delete what killed runs left of files that hold ids or images; how many files.

    The caller holds the locks, so no other run is writing them.
    """
    for folder in (work.shard_attempts, work.shards / ERASING):
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
    left = list(inventory.unfinished(work.path))
    for path in left:
        path.unlink()
    return len(left)


def _strip(page: raw.Page, removed: Removed) -> raw.Page:
    request = dict(page["request"])
    if "ids" in request:
        request["ids"] = [post for post in request["ids"] if not removed.holds(post)]
    return {**page, "request": request, "answer": strip_answer(page["answer"], removed)}


def tables(work: Workspace, removed: Removed, names: Collection[str]) -> int:
    """Take rows out of the tables, lists and hashtag sheets of the folder; the number of rows."""
    changed = 0
    for path in inventory.files(work.path, "hashtag sheet"):
        if erase_lists.is_hashtag_sheet(path):
            changed += erase_lists.hashtag_sheet(path, removed, names)
    for path in inventory.files(work.path, "cells"):
        changed += erase_lists.outcomes(path, removed)
    for path in inventory.files(work.path, "lines"):
        changed += erase_lists.quarantine(path, removed)
    for path in inventory.files(work.path, "rows"):
        changed += _filter_parquet(path, removed)
    if any(work.page_file(kind).exists() for kind in raw.KINDS):
        write_images_table(work.path)
    return changed


def _without_removed(table: pa.Table, removed: Removed) -> pa.Table:
    """The rows whose ids were not removed; those that repeated a removed image repeat the first of them, or none.

    It is the same object where that changes nothing: embeddings are not copied.
    """
    gone = pa.repeat(pa.scalar(False), len(table))
    for name in columns.KEY:
        if name in table.column_names:
            gone = pc.or_(gone, removed.mask(table[name]))
    if pc.any(gone).as_py():
        table = table.filter(pc.invert(gone))
    if "duplicate_of" not in table.column_names:
        return table
    first_is_gone = removed.mask(table["duplicate_of"])
    if not pc.any(first_is_gone).as_py():
        return table
    original = _originals(table, first_is_gone)
    changed = {"duplicate_of": original}
    repeats_none = pc.and_(first_is_gone, pc.is_null(original))
    for name in {"duplicate_reason", "duplicate_cosine"} & set(table.column_names):
        nothing = pa.nulls(len(table), table.schema.field(name).type)
        changed[name] = pc.if_else(repeats_none, nothing, table[name])
    return columns.add(table, **changed)


def _originals(table: pa.Table, first_is_gone: pa.ChunkedArray) -> pa.Array:
    """What each row repeats, without what was removed.

    Of images that were equal to one that was removed the first stays, and the others repeat it. Those that were only
    near it may not be near each other: they repeat none until `twigma dedupe` has searched again.
    """
    original = table["duplicate_of"].to_numpy(zero_copy_only=False)
    freed = np.flatnonzero(first_is_gone.fill_null(False))
    names = table["image_name"].to_numpy(zero_copy_only=False)[freed]
    reasons = np.full(len(freed), "near", object)
    if "duplicate_reason" in table.column_names:
        reasons = table["duplicate_reason"].to_numpy(zero_copy_only=False)[freed]
    successors: dict[tuple[str, str], str] = {}
    for row, name, reason in zip(freed, names, reasons, strict=True):
        successor = None
        if reason in EQUAL:
            successor = successors.setdefault((reason, original[row]), name)
        original[row] = None if successor == name else successor
    return pa.array(original, table.schema.field("duplicate_of").type)


def _filter_parquet(path: Path, removed: Removed) -> int:
    if not path.exists():
        return 0
    table = pq.read_table(path)
    remaining = _without_removed(table, removed)
    if len(remaining) < len(table):
        write_parquet(path, remaining)
    return len(table) - len(remaining)


# ------------------------------------------------------------------ shards


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
        _filter_parquet(path, removed)
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
        if _filter_parquet(list_file(shard), removed):
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


# ------------------------------------------------------------------ columns


def _erase_columns(work: Workspace, removed: Removed, hashes: dict[str, str]) -> int:
    """Take rows out of every part; provenance that names a rewritten shard or part is updated, so parts stay current.

    `hashes` maps what shards hashed to before to what they hash to now. Also rewritten is what models store of images:
    the map of `twigma cluster` holds embeddings.
    """
    rows = 0
    renamed = {old: new for old, new in hashes.items() if old != new}
    parts = inventory.files(work.path, "parts")
    # Other parts name those of `embed` in their provenance, so these come first.
    for path in sorted(parts, key=_is_computed_and_path):
        rows += _erase_part(path, removed, renamed)
    return rows


def _is_computed_and_path(path: Path) -> tuple[bool, Path]:
    return split_name(path.parent.name)[0] != "embed", path


def _erase_part(path: Path, removed: Removed, renamed: dict[str, str]) -> int:
    table = read_part(path)
    provenance = read_provenance(path)
    remaining = _without_removed(table, removed)
    updated = {}
    for key, value in provenance.items():
        updated[key] = renamed.get(value, value) if isinstance(value, str) else value
    if updated != provenance or remaining is not table:
        plain = remaining.replace_schema_metadata().combine_chunks()
        write_part(path, plain, updated)
        renamed[fingerprint(provenance)] = fingerprint(updated)
    return len(table) - len(remaining)
