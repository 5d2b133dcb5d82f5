"""Rows of the images table for images that are on no post: written from the sidecars of added shards."""

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.files import read_parquet, write_parquet
from twigma.core.tables import sort_table, take_table
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.images.shards import SIDECAR, Shard
from twigma.rehydrate.sources.own_files.known import finished_shards

NEW_TABLE = ("id", "image_name", "created_at", "source", "url", "group", "path")
# What stood beside the images; a column without any value is not added to the table.
_BESIDE = ("created_at", "like_count", "author_id", "text", "url")


def extend_images_table(work: Workspace) -> None:
    """Give every image of the added shards its row in `images.parquet`, in the table's order."""
    path = work.images_file
    new = _added_images(work)
    table = columns.schema(NEW_TABLE).empty_table()
    if path.exists():
        table = read_parquet(path)
        known = table["image_name"].combine_chunks()
        new = new.filter(pc.invert(pc.is_in(new["image_name"], value_set=known)))
    if not len(new):
        return
    merged = pa.concat_tables([table, _rows(new)], promote_options="default")
    write_parquet(path, sorted_rows(merged), private=True)


def sorted_rows(table: pa.Table) -> pa.Table:
    """The rows of an images table in its order."""
    return sort_table(table, columns.sort_keys(table.column_names))


def added_shards(work: Workspace) -> list[Shard]:
    """The finished shards that were added, not fetched."""
    return [shard for shard in finished_shards(work) if _is_added(shard)]


def _rows(new: pa.Table) -> pa.Table:
    # Images on no post are their own post, so that (id, image_name) stays a key.
    values = {
        "id": new["image_name"],
        "image_name": new["image_name"],
        "group": new["group"],
        "path": new["path"],
        "source": ["local"] * len(new),
    }
    for name in _BESIDE:
        if new[name].null_count < len(new):
            values[name] = new[name]
    rows = columns.add(new.select(["image_name"]), **values)
    return rows.replace_schema_metadata()


def _added_images(work: Workspace) -> pa.Table:
    """Every image of the shards that were added, once."""
    names = ["image_name", "group", "path", *_BESIDE]
    tables: list[pa.Table] = [SIDECAR.empty_table().select(names)]
    for shard in added_shards(work):
        tables.append(read_parquet(shard.sidecar, columns=names))
    table = pa.concat_tables(tables).combine_chunks()
    # One that failed, and could be read later, has two rows.
    order = pa.array(range(len(table)), pa.int64())
    numbered = table.select(["image_name"]).append_column("at", order)
    last = numbered.group_by("image_name").aggregate([("at", "max")])
    return take_table(table, last["at_max"].combine_chunks().sort())


def _is_added(shard: Shard) -> bool:
    made_from = shards.read_manifest(shard).made_from
    return bool(made_from.get("kind") == "add")
