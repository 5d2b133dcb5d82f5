"""Which photo goes to which shard: assigned once, in the order of the images table, saved in `WORK/shards/plan/`.

A list is written before its shard is fetched and never changed, so a stopped `twigma rehydrate` resumes, and posts
added later only make new shards.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import file_sha256, read_parquet, write_parquet
from twigma.core.tables import take_rows, take_table
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.fetch.http.failure_classes import DEPENDENT, FINAL, RETRYABLE
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard, is_finished, shard_at

GONE = pa.array(["http_404", "http_410"])  # final for a URL
FAILED = "failed"  # in `retry`: every class that says nothing final of a photo
RETRY_MARK = {b"retry": b"1"}  # metadata of a list of photos that failed before
_HOST = r"^[a-z]+://(?:[^/?#]*@)?(?P<host>[^/?#]+)"
MEDIA_ID = r"\A[A-Za-z0-9_-]{1,80}\z"  # what may name a member of a tar


@dataclass(frozen=True)
class ShardPlan:
    """The shards to fetch in order, rows of each, how many rows are done, and how many hosts are to be asked."""

    shards: list[Shard]
    rows: dict[str, int]
    done: int
    hosts: int


def plan_shards(
    work: AnyWorkspace,
    settings: dict[str, Any],
    rows_per_shard: int,
    *,
    retry: Collection[str] = (),
) -> ShardPlan:
    """Assign photos without a shard to new shards, in the order of the images table; list unfinished shards.

    `retry` names classes of failure whose photos are assigned once more, `failed` for those that are not final.
    Raises ValueError when finished shards were fetched with other settings or from other lists, and for a class that
    is none.
    """
    work = Workspace(work)
    classes = retried_classes(retry)
    photos = photos_to_fetch(work)
    lists = sorted(work.shard_lists.glob("*.parquet"))
    finished = _finished(work)
    for shard in finished:
        _require_same_settings(shard, settings)
    done = {shard.name for shard in finished}
    unfinished = [path for path in lists if path.stem not in done]
    fetched = [
        read_parquet(shard.sidecar, columns=["image_name"]) for shard in finished
    ]
    waiting = [read_parquet(path, columns=["image_name"]) for path in unfinished]
    new = _without(photos, [*fetched, *waiting])
    unfinished += _write_lists(work, new, rows_per_shard)
    if classes and fetched:
        failed = _without(_failed(work, photos, classes), waiting)
        failed = failed.replace_schema_metadata(RETRY_MARK)
        unfinished += _write_lists(work, failed, rows_per_shard)
    return ShardPlan(
        shards=[shard_at(work, path.stem) for path in unfinished],
        rows={path.stem: pq.read_metadata(path).num_rows for path in unfinished},
        done=sum(len(table) for table in fetched),
        hosts=_count_hosts(unfinished),
    )


def retried_classes(names: Collection[str]) -> frozenset[str]:
    """The classes of failure that `retry` names; ValueError for one that is none."""
    by_default = RETRYABLE | DEPENDENT
    known = by_default | FINAL
    unknown = sorted(set(names) - known - {FAILED})
    if unknown:
        raise ValueError(
            f"retry: expected `{FAILED}` or classes of failure, as `twigma status` prints them "
            f"({', '.join(sorted(known))}), found {', '.join(unknown)}"
        )
    if FAILED in names:
        return by_default.union(names) - {FAILED}
    return frozenset(names)


def _count_hosts(lists: list[Path]) -> int:
    """Distinct hosts in the addresses of these lists; one at least."""
    hosts: set[str] = set()
    for path in lists:
        urls = read_parquet(path, columns=["url"])["url"]
        found = pc.extract_regex(urls, _HOST).combine_chunks()
        hosts.update(pc.unique(pc.struct_field(found, "host")).to_pylist())
    hosts.discard(None)
    return max(1, len(hosts))


def is_retry(path: Path) -> bool:
    """Whether a list is of photos that failed before."""
    metadata = pq.read_schema(path).metadata or {}
    return RETRY_MARK.items() <= metadata.items()


def used_settings(work: AnyWorkspace) -> dict[str, Any]:
    """The settings with which the photos of this folder were fetched, but for their kind; none before the first."""
    for shard in shards.manifests(work):
        if is_finished(shard):
            made_from = shards.read_manifest(shard).made_from
            if made_from.get("kind") == "fetch":
                return {name: made_from.get(name) for name in ("size", "image_size")}
    return {}


def _finished(work: Workspace) -> list[Shard]:
    """The shards that need no fetch: finished ones, and those with a manifest that were never planned."""
    finished = []
    for shard in shards.manifests(work):
        if is_finished(shard) or not list_file(shard).exists():
            finished.append(shard)
    return finished


def _write_lists(work: Workspace, new: pa.Table, rows_per_shard: int) -> list[Path]:
    """Cut photos into lists of new shards; names that could not name a member of a tar are refused."""
    matches = pc.match_substring_regex(new["image_name"], MEDIA_ID)
    is_bad = pc.invert(pc.fill_null(matches, fill_value=False))
    bad = new.filter(is_bad)["image_name"]
    if len(bad):
        raise ValueError(
            f"image_name {bad[0].as_py()!r} in {work.images_file} is no media id: correct that row"
        )
    first = shards.next_number(work)
    paths = []
    for number, start in enumerate(range(0, len(new), rows_per_shard), first):
        path = work.shard_list(f"{number:05}")
        write_parquet(path, new.slice(start, rows_per_shard), private=True)
        paths.append(path)
    return paths


def photos_to_fetch(work: AnyWorkspace) -> pa.Table:
    """Each photo once, as (image_name, url), in the order of the images table; FileNotFoundError without one."""
    path = Workspace(work).images_file
    if not path.exists():
        raise FileNotFoundError(
            f"no images table at {path}: give post ids with --ids, or find posts with `twigma collect` first"
        )
    table = read_parquet(path, columns=["image_name", "url"])
    columns.require(table, ("image_name", "url"), str(path))
    numbered = table.append_column("at", pa.array(range(len(table)), pa.int64()))
    first = numbered.group_by("image_name").aggregate([("at", "min")])
    return take_table(table, first["at_min"].combine_chunks().sort())


def _failed(work: Workspace, photos: pa.Table, classes: Collection[str]) -> pa.Table:
    """The photos that failed as one of these classes, or that were gone and have another URL now."""
    sidecars = shards.read_sidecars(work, ["image_name", "status", "url"])
    names = sidecars["image_name"].combine_chunks()
    at = pc.index_in(photos["image_name"], value_set=names)
    status = sidecars["status"].take(at)
    has_moved = pc.not_equal(take_rows(sidecars["url"], at), photos["url"])
    is_gone = pc.is_in(status, value_set=GONE)
    is_retried = pc.is_in(status, value_set=pa.array(sorted(classes), pa.string()))
    chosen = pc.or_(is_retried, pc.and_(is_gone, has_moved))
    # Images that were added from files have no address.
    return photos.filter(pc.and_(chosen, pc.is_valid(photos["url"])))


def _without(photos: pa.Table, others: list[pa.Table]) -> pa.Table:
    """The photos that are in none of the other tables."""
    if not others:
        return photos
    names = pa.concat_tables(others)["image_name"].combine_chunks()
    is_other = pc.is_in(photos["image_name"], value_set=names)
    return photos.filter(pc.invert(is_other))


def _require_same_settings(shard: Shard, settings: dict[str, Any]) -> None:
    made_from = shards.read_manifest(shard).made_from
    if made_from.get("kind") != "fetch":
        return
    used = {name: made_from.get(name) for name in settings}
    if used != settings:
        raise ValueError(
            f"shard {shard.name} was fetched with {used}, not {settings}: use another working folder"
        )
    path = list_file(shard)
    if path.exists() and file_sha256(path) != made_from.get("list"):
        raise ValueError(
            f"{path} is not the list shard {shard.name} was fetched from: delete {shard.manifest} to redo it"
        )


def list_file(shard: Shard) -> Path:
    """Where the list of photos of a shard is: Parquet of image_name and url."""
    work = Workspace(shard.manifest.parent.parent)
    return work.shard_list(shard.name)
