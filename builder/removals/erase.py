"""Writes the files of a working folder again without what was removed; `twigma removals` holds the locks and calls it.

Each file is written beside the old one and renamed, so a stopped run has erased some files whole and left others whole.
"""

import contextlib
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.removals import erase_lists
from twigma.core import columns, inventory
from twigma.core.files import file_sha256, write_json, write_parquet
from twigma.core.parts import fingerprint, read_part, read_provenance, write_part
from twigma.core.progress import progress_bar
from twigma.rehydrate.fetch.shard_plan import list_file
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.image_index import index_file
from twigma.rehydrate.images.shards import Shard
from twigma.rehydrate.posts import page_store as raw
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.removed_ids import Removed, strip_answer

NAMING = (*columns.KEY, "duplicate_of")  # columns that hold ids
OWN_TARS = (
    "from_"  # how the names of tars begin that `twigma reference add` packed or fetched
)


def pages(work: Path, removed: Removed) -> int:
    """Strip the stored pages; the number of pages changed. What was made of them is deleted: it can be made again.

    It is deleted whether or not a page changes: a run that was stopped may have stripped the pages already.
    """
    files = [raw.page_file(work, kind) for kind in raw.KINDS]
    changed = sum(
        raw.rewrite_pages(file, lambda page: _strip(page, removed)) for file in files
    )
    for path in inventory.files(work, "deleted"):
        path.unlink()
    return changed


def unfinished(work: Path) -> int:
    """Delete what killed runs left of files that hold ids or images; how many files.

    The caller holds the locks, so no other run is writing them.
    """
    for folder in (work / "shards" / ".attempts", work / "shards" / ".erasing"):
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
    left = list(inventory.unfinished(work))
    for path in left:
        path.unlink()
    return len(left)


def _strip(page: raw.Page, removed: Removed) -> raw.Page:
    request = dict(page["request"])
    if "ids" in request:
        request["ids"] = [post for post in request["ids"] if not removed.holds(post)]
    return {**page, "request": request, "answer": strip_answer(page["answer"], removed)}


def tables(work: Path, removed: Removed, names: Collection[str]) -> int:
    """Take rows out of the tables, lists and hashtag sheets of the folder; the number of rows."""
    sheets = [
        path
        for path in inventory.files(work, "hashtag sheet")
        if erase_lists.is_hashtag_sheet(path)
    ]
    changed = sum(erase_lists.hashtag_sheet(path, removed, names) for path in sheets)
    changed += sum(
        erase_lists.outcomes(path, removed) for path in inventory.files(work, "cells")
    )
    changed += sum(
        erase_lists.quarantine(path, removed) for path in inventory.files(work, "lines")
    )
    changed += sum(
        _filter_parquet(path, removed) for path in inventory.files(work, "rows")
    )
    if any(raw.page_file(work, kind).exists() for kind in raw.KINDS):
        write_images_table(work)
    return changed


def holds(table: pa.Table, names: Collection[str]) -> bool:
    """Whether a column of ids of this table holds one of these."""
    wanted = pa.array(sorted(names), pa.string())
    there = [name for name in NAMING if name in table.column_names]
    return any(
        pc.any(pc.is_in(table[name], value_set=wanted)).as_py() for name in there
    )


def _without_removed(table: pa.Table, removed: Removed) -> pa.Table:
    """The rows whose ids were not removed; a row that repeated a removed image repeats none."""
    gone = pa.repeat(pa.scalar(False), len(table))
    for name in columns.KEY:
        if name in table.column_names:
            gone = pc.or_(gone, removed.mask(table[name]))
    table = table.filter(pc.invert(gone))
    if "duplicate_of" not in table.column_names:
        return table
    lost = removed.mask(table["duplicate_of"])
    nothing = pa.nulls(len(table), pa.string())
    freed = {
        name: pc.if_else(lost, nothing, table[name])
        for name in ("duplicate_of", "duplicate_reason")
    }
    return columns.add(table, **freed)


def _filter_parquet(path: Path, removed: Removed) -> int:
    if not path.exists():
        return 0
    table = pq.read_table(path)
    kept = _without_removed(table, removed)
    if len(kept) < len(table):
        write_parquet(path, kept)
    return len(table) - len(kept)


# ------------------------------------------------------------------ shards


def shards_and_columns(work: Path, removed: Removed, left: list[str]) -> dict[str, int]:
    """Take images out of shards and columns; counts of both. A tar that is not ours is named in `left`, not changed."""
    images, marks = 0, dict[str, str]()
    for shard in progress_bar(shards.manifests(work), desc="erase", unit="shard"):
        was = shards.read_manifest(shard)
        images += _erase_shard(shard, was, removed, left)
        marks[str(was["sha256"])] = str(shards.read_manifest(shard)["sha256"])
    index_file(work).unlink(missing_ok=True)
    for path in inventory.files(work, "plan"):
        _filter_parquet(path, removed)
    _drop_packed(work)
    return {"images": images, "columns": _erase_columns(work, removed, marks)}


def _erase_shard(
    shard: Shard, manifest: dict[str, Any], removed: Removed, left: list[str]
) -> int:
    """Write one shard again without the images removed; how many those were."""
    sidecar = pq.read_table(shard.sidecar, schema=shards.SIDECAR)
    gone = removed.mask(sidecar["image_name"])
    count = pc.sum(gone).as_py() or 0
    if not count:
        return 0
    members = {
        PurePosixPath(name).stem
        for name in sidecar.filter(gone)["member"].to_pylist()
        if name
    }
    tar = shard.manifest.parent / manifest["tar"]
    attempt = shard.manifest.parent / ".erasing" / shard.name
    attempt.mkdir(parents=True)
    write_parquet(attempt / shard.sidecar.name, sidecar.filter(pc.invert(gone)))
    made_from = dict(manifest["made_from"])
    if not _is_own_tar(shard, tar):
        _leave_tar(shard, attempt, tar, manifest)
        left.append(f"{tar}: your own tar, still holds {count:,} of the images")
    else:
        _copy_tar(tar, attempt / shard.tar.name, members)
        if _filter_parquet(list_file(shard), removed):
            made_from["list"] = file_sha256(list_file(shard))
        shards.publish(attempt, shard, made_from)
    shutil.rmtree(attempt)
    return int(count)


def _is_own_tar(shard: Shard, tar: Path) -> bool:
    """Whether a command wrote this tar: any other, wherever it lies, is the user's."""
    inside = tar.parent.absolute() == shard.manifest.parent.absolute()
    return inside and (tar.name == shard.tar.name or tar.name.startswith(OWN_TARS))


def _drop_packed(work: Path) -> None:
    """Delete tars packed by `twigma reference add` that no shard names any more: theirs was written again."""
    named = {
        Path(str(shards.read_manifest(shard)["tar"])).name
        for shard in shards.manifests(work)
    }
    for path in (work / "shards").glob(f"{OWN_TARS}*.tar"):
        if path.name not in named:
            path.unlink()


def _leave_tar(
    shard: Shard, attempt: Path, tar: Path, manifest: dict[str, Any]
) -> None:
    """Take rows out of a sidecar whose tar stays as it is."""
    facts = shards.verify(tar, attempt / shard.sidecar.name)
    (attempt / shard.sidecar.name).replace(shard.sidecar)
    write_json(shard.manifest, manifest | facts)


def _copy_tar(source: Path, target: Path, without: set[str]) -> None:
    """The members of a tar as they are, but for those of these samples."""
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(tarfile.open(source, "r:"))
        new = stack.enter_context(
            tarfile.open(target, "w", format=tarfile.USTAR_FORMAT)
        )
        for member in shards.tar_members(source):
            if PurePosixPath(member.name).stem not in without:
                new.addfile(member, old.extractfile(member))


# ------------------------------------------------------------------ columns


def _erase_columns(work: Path, removed: Removed, marks: dict[str, str]) -> int:
    """Take rows out of every part, and tell parts that were made from a shard or a part that it is the same still.

    Also out of what models keep of images: the map of `twigma cluster` holds embeddings.
    """
    rows = 0
    marks = {old: new for old, new in marks.items() if old != new}
    parts = inventory.files(work, "parts")
    for path in sorted(parts, key=lambda path: (path.parent.name != "embed", path)):
        rows += _erase_part(path, removed, marks)
    return rows


def _erase_part(path: Path, removed: Removed, marks: dict[str, str]) -> int:
    table, made_from = read_part(path), read_provenance(path)
    kept = _without_removed(table, removed)
    told = {
        key: marks.get(value, value) if isinstance(value, str) else value
        for key, value in made_from.items()
    }
    if len(kept) < len(table) or told != made_from or not kept.equals(table):
        write_part(path, kept.replace_schema_metadata().combine_chunks(), told)
        marks[fingerprint(made_from)] = fingerprint(told)
    return len(table) - len(kept)
