"""`twigma removals FILE`: posts and images taken out of a working folder and everything made from it, for good.

Their salted hashes are kept first (`rehydrate/posts/removed_ids.py`), so that nothing brings them back; then pages,
tables, shards and columns are written again without them (`erase.py`), and derived folders that name them are deleted.
Stopped at any moment, it goes on when run again with the same file. A receipt, written last, says what was done.
"""

import datetime
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.removals import erase
from twigma.builder.removals.derived import (
    beside_sheets,
    check,
    delete_made,
    drop_caches,
    erase_sheets,
    still_named,
)
from twigma.core import columns, inventory
from twigma.core.files import write_json
from twigma.core.workspace import Workspace
from twigma.rehydrate.images import shards
from twigma.rehydrate.posts import ledger
from twigma.rehydrate.posts.post_fields import photo_id
from twigma.rehydrate.posts.removed_ids import add_removed, hash_of

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(?:\.[A-Za-z0-9_.-]{1,80})?")
MEDIA_KEY = re.compile(r"[0-9]+_([0-9]{15,19})")
POST_URL = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:x|twitter)\.com/\S+/status(?:es)?/([0-9]{1,20})\S*"
)


@dataclass
class Receipt:
    """What a removal did: when, how many ids were listed and known, what changed where, and what to run next.

    `left` names what is not ours to change, `failed` what could not be deleted. `hashes` are those of the ids with the
    salt of `WORK/removed.json`: whoever has an id can check that it is among them. They are fast ones: keep it private.
    """

    when: str
    listed: int
    posts: int
    images: int
    changed: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)


def removals(
    work: Path, names: Collection[str], derived: Sequence[Path] = ()
) -> Receipt:
    """Take posts and images (ids of either) out of `work`, and delete those of the `derived` folders that name them.

    With a post go its photos, wherever else they stand. `derived` are releases, reports and sets of liked images, which
    are made again without what was removed, and sheets that people filled in, which lose its rows alone.
    Everything is checked before anything is erased: FileNotFoundError when `work` is no folder, ValueError when it is
    no working folder, or a derived folder is none of ours, holds other files too, or is not apart from `work`;
    RuntimeError while another run writes in `work`. What cannot be erased, or is not ours and names what was removed,
    is in the receipt's `left`; OSError, after the receipt is written, when a derived folder cannot be deleted.
    """
    work = Path(work)
    _require_work(work)
    found = check(derived, work)
    workspace = Workspace(work)
    with workspace.lock_shards(), workspace.lock_ledger():
        for shard in shards.manifests(work):
            shards.read_manifest(
                shard
            )  # a damaged one is named before anything is erased
        receipt, every = _count(work, names)
        removed = add_removed(work, every)
        receipt.hashes = sorted(hash_of(removed.salt, name) for name in every)
        erase.unfinished(work)
        receipt.changed = {
            "pages": erase.pages(work, removed),
            "tables": erase.tables(work, removed, every),
            **erase.shards_and_columns(work, removed, receipt.left),
            "sheets": erase_sheets(found, removed, every),
        }
        done = delete_made(found, every)
        receipt.deleted, receipt.failed = done.deleted, done.failed
        receipt.left += done.left
        receipt.deleted += drop_caches()
        receipt.left += still_named(
            [*inventory.unlisted(work), *beside_sheets(found)], every
        )
        receipt.next = _next(work)
    with ledger.Ledger(work):
        pass  # made again from the pages that are left
    write_json(
        work / "receipts" / f"removal-{receipt.when.replace(':', '')}.json",
        asdict(receipt),
    )
    if receipt.failed:
        raise OSError(
            f"everything else is done, but {'; '.join(receipt.failed)}: delete it, or run this again"
        )
    return receipt


def _require_work(work: Path) -> None:
    if not work.is_dir():
        raise FileNotFoundError(f"no working folder at {work}: --work names it")
    if any(work.iterdir()) and not inventory.is_work(work):
        raise ValueError(
            f"{work} is no working folder: it holds none of {', '.join(inventory.MARKS)}; --work names it"
        )


def read_names(path: Path) -> list[str]:
    """The ids in a file, one a line: a post, an image, a media key, or the address of a post or of a photo.

    Raises ValueError naming the first line that is none of these: a request must not be passed over.
    """
    found = []
    for number, line in enumerate(Path(path).read_text("utf-8-sig").splitlines(), 1):
        text = (
            line.partition("#")[0].strip()
            if not line.strip().startswith("http")
            else line.strip()
        )
        if text:
            found.append(_name(text, f"{path}, line {number}"))
    if not found:
        raise ValueError(
            f"{path} names nothing: expected ids or addresses of posts or images, one a line"
        )
    return list(dict.fromkeys(found))


def _name(text: str, where: str) -> str:
    if match := MEDIA_KEY.fullmatch(text) or POST_URL.fullmatch(text):
        return match[1]
    if (photo := photo_id(text)) is not None:
        return photo
    if NAME.fullmatch(text):
        return text
    raise ValueError(
        f"{where}: expected the id or address of a post or an image, found {text[:80]!r}"
    )


def _count(work: Path, names: Collection[str]) -> tuple[Receipt, set[str]]:
    """The receipt so far, and every id to take out: those listed, and the photos of the posts among them."""
    now = (
        datetime.datetime.now(datetime.UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
    every = set(names)
    path = work / "images.parquet"
    if not path.exists():
        return Receipt(now, len(every), 0, 0), every
    table = pq.read_table(path, columns=list(columns.KEY))
    of_posts = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(every))))
    every |= set(of_posts["image_name"].to_pylist())
    images = (
        pc.sum(
            pc.is_in(pc.unique(table["image_name"]), value_set=pa.array(sorted(every)))
        ).as_py()
        or 0
    )
    return Receipt(now, len(names), len(pc.unique(of_posts["id"])), images), every


def _next(work: Path) -> list[str]:
    """What to run so that everything derived stands again, without what was removed."""
    stages = [
        name for name in ("dedupe", "cluster") if (work / "columns" / name).exists()
    ]
    commands = [f"twigma {name} --work {work}" for name in stages]
    return (
        [*commands, f"twigma release --work {work} --release-version NEXT"]
        if commands
        else []
    )
