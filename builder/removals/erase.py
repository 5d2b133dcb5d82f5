"""Writes pages, tables and lists of a working folder again without what was removed; `erase_shards.py` does the rest.

`twigma removals` holds the locks and calls it. Each file is written beside the old one and renamed, so a stopped run
has rewritten some files and not touched others.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.removals import erase_lists
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.locks import delete_abandoned
from twigma.core.workspace import Workspace, inventory
from twigma.rehydrate.posts import page_store as raw
from twigma.rehydrate.posts.images_table import write_images_table
from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.posts.removed_ids import Removed, strip_answer

EQUAL = ("embedding", "pixels")  # reasons by which all images that repeat one are equal
ERASING = ".erasing"  # folder in which shards are written before they replace others


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
    return delete_abandoned(inventory.unfinished(work.path))


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
        changed += filter_parquet(path, removed)
    if any(work.page_file(kind).exists() for kind in raw.KINDS):
        write_images_table(work.path)
    return changed


def without_removed(table: pa.Table, removed: Removed) -> pa.Table:
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


def _originals(table: pa.Table, first_is_gone: pa.Array) -> pa.ChunkedArray:
    """What each row repeats, without what was removed.

    Of images that were equal to one that was removed the first stays, and the others repeat it. Those that were only
    near it may not be near each other: they repeat none until `twigma dedupe` has searched again.
    """
    freed = table.filter(first_is_gone)
    reasons = ["near"] * len(freed)
    if "duplicate_reason" in table.column_names:
        reasons = freed["duplicate_reason"].to_pylist()
    firsts = freed["duplicate_of"].to_pylist()
    names = freed["image_name"].to_pylist()
    successors: dict[tuple[str, str], str] = {}
    originals: list[str | None] = []
    for name, first, reason in zip(names, firsts, reasons, strict=True):
        successor = None
        if reason in EQUAL:
            successor = successors.setdefault((reason, first), name)
        originals.append(None if successor == name else successor)
    column = table["duplicate_of"]
    return pc.replace_with_mask(column, first_is_gone, pa.array(originals, column.type))


def filter_parquet(path: Path, removed: Removed) -> int:
    """Take rows out of a Parquet file, if there is one; how many."""
    if not path.exists():
        return 0
    table = pq.read_table(path)
    remaining = without_removed(table, removed)
    if len(remaining) < len(table):
        write_parquet(path, remaining)
    return len(table) - len(remaining)
