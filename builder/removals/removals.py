"""`twigma removals FILE`: posts and images taken out of a working folder and everything made from it, for good.

Their salted hashes are stored first (`rehydrate/posts/removed_ids.py`), so that nothing brings them back; then pages,
tables, shards and columns are written again without them (`erase.py`, `erase_shards.py`), and derived folders that name
them are deleted. Stopped at any moment, it resumes when run again with the same file. A receipt, written last, says
what was done.
"""

import contextlib
import datetime
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.publish.publications import spaces, update_command
from twigma.builder.removals import erase, erase_shards
from twigma.builder.removals.cached_datasets import drop_caches
from twigma.builder.removals.derived import (
    check,
    delete_made,
    delete_unfinished,
    erase_sheets,
    mentions,
)
from twigma.builder.removals.requests import match_requests
from twigma.builder.removals.sheet_search import naming_sheets
from twigma.core import columns
from twigma.core.files import write_json
from twigma.core.storage import mirrors
from twigma.core.workspace import AnyWorkspace, Workspace, inventory
from twigma.rehydrate.images import shards
from twigma.rehydrate.ledger import ledger
from twigma.rehydrate.posts.removed_ids import add_removed, hash_of

PUBLISHED = (
    "If a version was published, it still holds them. On the Hub `twigma publish hub NAMESPACE/NAME` names every tag "
    "and commit that does, and --erase-history deletes them. The files of a published version on Zenodo cannot be "
    "changed: write to its support (https://zenodo.org/support), name the record and the version, and ask to have it "
    "restricted or deleted."
)


@dataclass
class Receipt:
    """What a removal did: when, how many ids were listed and known, what changed where, and what to run next.

    `unmatched` are the listed ids that name nothing; the file has their number, as a receipt names nobody. `left` names
    what is not ours to change, `failed` what could not be deleted, `published` the pages on the Hub that show an
    earlier version, and what replaces each; these and `next` are empty where nothing was found. `hashes` are those of
    the ids with the salt of `WORK/removed.json`: whoever has an id can check that it is among them. They are fast ones:
    keep it private.
    """

    when: str
    listed: int
    posts: int
    images: int
    unmatched: list[str] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)


def removals(
    work: AnyWorkspace, names: Collection[str], derived: Sequence[Path] = ()
) -> Receipt:
    """Take posts and images (ids of either) out of `work`, and delete those of the `derived` folders that name them.

    With a post go its photos, wherever else they are. `derived` are releases, reports and sets of liked images, which
    can be re-created without what was removed, and sheets that people filled in, which lose its rows alone.
    Everything is checked before anything is erased: FileNotFoundError when `work` does not exist, ValueError when it is
    no working folder, or a derived folder is none of ours, holds other files too, or is not apart from `work`;
    RuntimeError while another run writes in `work`. What cannot be erased, or is not ours and names what was removed,
    is in the receipt's `left`; OSError, after the receipt is written, when a derived folder cannot be deleted.
    """
    work = Workspace(work)
    _require_work(work.path)
    checked = check(derived, work.path)
    with contextlib.ExitStack() as held:
        for lock in _locks(work):
            held.enter_context(lock)
        for shard in shards.manifests(work.path):
            # A damaged shard is reported before anything is erased.
            shards.read_manifest(shard)
        matched = match_requests(work, dict.fromkeys(names))
        receipt, ids = _count(work, matched.names)
        receipt.listed = len(set(names))
        receipt.unmatched = matched.unmatched
        removed = add_removed(work.path, ids)
        # From here on, other machines send nothing that may hold them; what they had sent is erased with the rest.
        mirrors.catch_up()
        receipt.hashes = sorted(hash_of(removed.salt, name) for name in ids)
        erase.unfinished(work)
        receipt.changed = {
            "pages": erase.pages(work, removed),
            "tables": erase.tables(work, removed, ids),
            **erase_shards.shards_and_columns(work, removed, receipt.left),
            "sheets": erase_sheets(checked, removed, ids),
        }
        for deletion in (
            delete_unfinished(checked, ids, work.path),
            delete_made(checked, ids, work),
        ):
            receipt.deleted += deletion.deleted
            receipt.failed += deletion.failed
            receipt.left += deletion.left
        found = _found_any(receipt)
        receipt.deleted += drop_caches(ids)
        unlisted = inventory.unlisted(work.path)
        others = [path for path in unlisted if mentions(path, ids)]
        for path in [*others, *naming_sheets(checked, ids)]:
            receipt.left.append(f"{path}: not ours, names what was removed")
        if found:
            receipt.next = _next(work)
            receipt.published = _published_pages(work)
    with ledger.Ledger(work.path):
        pass  # rebuilt from the pages that are left
    name = f"removal-{receipt.when.replace(':', '')}.json"
    stored = {**asdict(receipt), "unmatched": len(receipt.unmatched)}
    write_json(work.receipts / name, stored)
    if receipt.failed:
        raise OSError(
            f"everything else is done, but {'; '.join(receipt.failed)}: delete it, or run this again"
        )
    return receipt


def _found_any(receipt: Receipt) -> bool:
    """Whether any of the ids was in the working folder, now or before, or in a folder made from it."""
    if receipt.listed > len(receipt.unmatched):
        return True
    # Pages also lose authors of no post, whatever was listed.
    changes = [n for name, n in receipt.changed.items() if name != "pages"]
    return any([*changes, receipt.deleted, receipt.failed, receipt.left])


def _locks(work: Workspace) -> Iterator[AbstractContextManager[None]]:
    """Everything that writes what is erased, or has read it and will write it again.

    A stage at work would write an image's columns after they were erased. A run that waits for an answer, "Buy this?",
    has left out what was removed before it asked: it would note an id that is removed meanwhile, and ask X for it.
    """
    yield work.lock_run()
    yield work.lock_shards()
    yield work.lock_ledger()
    yield work.lock_columns()


def _require_work(work: Path) -> None:
    if not work.is_dir():
        raise FileNotFoundError(f"no working folder at {work}: --work names it")
    if any(work.iterdir()) and not inventory.is_work(work):
        raise ValueError(
            f"{work} is no working folder: it holds none of {', '.join(inventory.MARKS)}; --work names it"
        )


def _count(work: Workspace, names: Collection[str]) -> tuple[Receipt, set[str]]:
    """The receipt so far, and every id to take out: these, and the photos of the posts among them."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ids = set(names)
    if not work.images_file.exists():
        return Receipt(now, len(ids), 0, 0), ids
    table = pq.read_table(work.images_file, columns=list(columns.KEY))
    of_posts = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(ids))))
    ids |= set(of_posts["image_name"].to_pylist())
    stored = pc.unique(table["image_name"])
    images = pc.sum(pc.is_in(stored, value_set=pa.array(sorted(ids)))).as_py() or 0
    return Receipt(now, len(names), len(pc.unique(of_posts["id"])), images), ids


def _published_pages(work: Workspace) -> list[str]:
    """The Spaces that show a version of the dataset, and what brings each to the next one."""
    listed = []
    for entry in spaces(work):
        listed.append(
            f"the Space {entry.record} shows version {entry.version}: once the next version is released, "
            f"`{update_command(entry)}` replaces its page and its history"
        )
    return listed


def _next(work: Workspace) -> list[str]:
    """What to run so that everything derived exists again, without what was removed."""
    stages = [
        name for name in ("dedupe", "cluster") if work.stage_folder(name).exists()
    ]
    if not stages:
        return []
    commands = [f"twigma {name} --work {work}" for name in stages]
    return [*commands, f"twigma release --work {work} --version NEXT"]
