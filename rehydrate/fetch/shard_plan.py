"""Which photo goes to which shard: assigned once, in the order of the images table, kept in `WORK/shards/plan/`.

A list is written before its shard is fetched and never changed, so a stopped `twigma rehydrate` goes on where it was
and posts added later only make new shards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.files import file_sha256, read_parquet, write_parquet
from twigma.rehydrate.fetch.http_client import RETRYABLE
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import Shard, is_finished, shard_at

GONE = pa.array(["http_404", "http_410"])  # final for a URL


@dataclass(frozen=True)
class ShardPlan:
    """The shards to fetch in order, rows of each, and how many rows are done."""

    shards: list[Shard]
    rows: dict[str, int]
    done: int


def plan_shards(
    work: Path,
    settings: dict[str, Any],
    rows_per_shard: int,
    *,
    retry_failed: bool = False,
) -> ShardPlan:
    """Assign photos without a shard to new shards, in the order of the images table; list unfinished shards.

    Raises ValueError when finished shards were fetched with other settings or from other lists.
    """
    wanted = photos_to_fetch(work)
    planned = sorted((work / "shards" / "plan").glob("*.parquet"))
    finished = [
        shard
        for shard in shards.manifests(work)
        if is_finished(shard) or not list_file(shard).exists()
    ]
    for shard in finished:
        _same_settings(shard, settings)
    done = {shard.name for shard in finished}
    unfinished = [path for path in planned if path.stem not in done]
    sidecars = [
        read_parquet(shard.sidecar, columns=["image_name"]) for shard in finished
    ]
    waiting = [read_parquet(path, columns=["image_name"]) for path in unfinished]
    new = _without(wanted, [*sidecars, *waiting])
    if retry_failed and sidecars:
        new = pa.concat_tables([new, _without(_failed(work, wanted), waiting)])
    unfinished += _write_lists(
        work, new, rows_per_shard, first=shards.next_number(work)
    )
    rows = {path.stem: pq.read_metadata(path).num_rows for path in unfinished}
    return ShardPlan(
        [shard_at(work, path.stem) for path in unfinished],
        rows,
        sum(map(len, sidecars)),
    )


def _write_lists(
    work: Path, new: pa.Table, rows_per_shard: int, first: int
) -> list[Path]:
    """Cut photos into lists of new shards; names that could not name a member of a tar are refused."""
    good = pc.fill_null(
        pc.match_substring_regex(new["image_name"], r"\A[A-Za-z0-9_-]{1,80}\z"),
        fill_value=False,
    )
    if not pc.all(good).as_py() and len(new):
        bad = new.filter(pc.invert(good))["image_name"][0].as_py()
        raise ValueError(
            f"image_name {bad!r} in {work / 'images.parquet'} is no media id: correct that row"
        )
    paths = []
    for number, start in enumerate(range(0, len(new), rows_per_shard), first):
        path = work / "shards" / "plan" / f"{number:05}.parquet"
        write_parquet(path, new.slice(start, rows_per_shard), private=True)
        paths.append(path)
    return paths


def photos_to_fetch(work: Path) -> pa.Table:
    """Each photo once, as (image_name, url), in the order of the images table."""
    path = work / "images.parquet"
    if not path.exists():
        raise FileNotFoundError(
            f"no images table at {path}: give post ids with --ids, or find posts with `twigma collect` first"
        )
    table = read_parquet(path, columns=["image_name", "url"])
    columns.require(table, ("image_name", "url"), str(path))
    at = pa.array(range(len(table)), pa.int64())
    first = (
        table.append_column("at", at).group_by("image_name").aggregate([("at", "min")])
    )
    return table.take(first["at_min"].combine_chunks().sort())


def _failed(work: Path, wanted: pa.Table) -> pa.Table:
    """The photos that failed for a passing reason, or that were gone and have another URL now."""
    sidecars = shards.read_sidecars(work)
    at = pc.index_in(
        wanted["image_name"], value_set=sidecars["image_name"].combine_chunks()
    )
    status = sidecars["status"].take(at)
    moved = pc.not_equal(sidecars["url"].take(at), wanted["url"])
    gone = pc.and_(pc.is_in(status, value_set=GONE), moved)
    return wanted.filter(
        pc.or_(pc.is_in(status, value_set=pa.array(sorted(RETRYABLE))), gone)
    )


def _without(wanted: pa.Table, others: list[pa.Table]) -> pa.Table:
    """The photos that stand in none of the other tables."""
    if not others:
        return wanted
    names = pa.concat_tables(others)["image_name"].combine_chunks()
    return wanted.filter(pc.invert(pc.is_in(wanted["image_name"], value_set=names)))


def _same_settings(shard: Shard, settings: dict[str, Any]) -> None:
    made_from = shards.read_manifest(shard).get("made_from", {})
    if made_from.get("kind") != "fetch":
        return
    found = {name: made_from.get(name) for name in settings}
    if found != settings:
        raise ValueError(
            f"shard {shard.name} was fetched with {found}, not {settings}: use another working folder"
        )
    path = list_file(shard)
    if path.exists() and file_sha256(path) != made_from.get("list"):
        raise ValueError(
            f"{path} is not the list shard {shard.name} was fetched from: delete {shard.manifest} to redo it"
        )


def list_file(shard: Shard) -> Path:
    """Where the list of photos of a shard is: Parquet of image_name and url."""
    return shard.manifest.parent / "plan" / f"{shard.name}.parquet"
