"""The ledger of a working folder, read while a run may write it: no lock of ours is taken, and no run is kept waiting.

The ids are read in short steps, so that not even SQLite's own locks are held for long. `twigma status` reads it.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from twigma.rehydrate.posts.page_store import KINDS, page_file

STEP = 50_000  # ids read at a time: some hundredths of a second
_REMEDY = "the next `twigma rehydrate --ids FILE` or `twigma collect` makes it again from the pages"
_IDS = pa.schema([("id", pa.string()), ("outcome", pa.string())])


@dataclass(frozen=True)
class LedgerView:
    """What a ledger says: (id, outcome); bytes read of every kind of pages; posts and users that were bought; searches
    and archives that are done, and open ones."""

    path: Path
    ids: pa.Table
    pages: Mapping[str, int] = field(default_factory=dict)
    posts: int = 0
    users: int = 0
    done: int = 0
    open: int = 0

    def spent(self) -> tuple[int, int]:
        """(posts, users) that were bought."""
        return self.posts, self.users

    def found_since(self, time: str, kinds: Iterable[str]) -> list[str]:
        """The posts found on pages of these kinds received after a time; of archives, on any page of them."""
        sql = "SELECT id FROM ids WHERE outcome = 'found' AND kind = ? AND (received_at > ? OR kind = 'import')"
        if not (kinds := list(kinds)):
            return []
        with closing(_connect(self.path)) as db:
            return [post for kind in kinds for (post,) in db.execute(sql, (kind, time))]

    def lost_pages(self) -> list[str]:
        """A sentence for every file of pages that is shorter than what the ledger has read of it."""
        sizes = {
            page_file(self.path.parent, kind): seen for kind, seen in self.pages.items()
        }
        return [
            f"{path} should have at least {seen:,} bytes, found {found:,}: pages were lost, their posts are asked again"
            for path, seen in sizes.items()
            if (found := path.stat().st_size if path.exists() else 0) < seen
        ]


def view_ledger(work: Path) -> LedgerView:
    """The ledger as it stands, empty where nothing was ever asked; ValueError when it is damaged or gone."""
    path = work / "ledger.sqlite"
    if not path.exists() or not path.stat().st_size:
        if any(page_file(work, kind).exists() for kind in KINDS):
            raise ValueError(f"{path} is gone: {_REMEDY}")
        return LedgerView(path, _IDS.empty_table())
    try:
        with closing(_connect(path)) as db:
            return _read(db, path)
    except (sqlite3.Error, pa.ArrowInvalid) as error:
        raise ValueError(
            f"{path} is damaged or was left half-written ({error}): {_REMEDY}"
        ) from None


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only; on a disk that cannot be written SQLite must be told that nobody else writes."""
    alone = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{alone}", uri=True, timeout=2
    )


def _read(db: sqlite3.Connection, path: Path) -> LedgerView:
    pages = dict(db.execute("SELECT kind, seen FROM pages ORDER BY kind"))
    posts, users = db.execute("SELECT total(posts), total(users) FROM pages").fetchone()
    tables = {
        name
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    runs: list[tuple[int, int]] = [
        db.execute(f"SELECT count(*), total(done) FROM {name}").fetchone()
        for name in ("searches", "imports")
        if name in tables
    ]
    begun, done = (int(sum(numbers)) for numbers in zip(*runs, strict=True))
    ids = pa.Table.from_batches(_batches(db), _IDS)
    return LedgerView(path, ids, pages, int(posts), int(users), done, begun - done)


def _batches(db: sqlite3.Connection) -> Iterator[pa.RecordBatch]:
    """The ids in order. SQLite joins a step to lines and Arrow cuts them: three times as fast as row by row."""
    step = "SELECT id, outcome FROM ids WHERE id > ? ORDER BY id LIMIT ?"
    sql = f"SELECT max(id), group_concat(id || ',' || outcome, char(10)) FROM ({step})"
    names = pa.csv.ReadOptions(column_names=_IDS.names)
    text = pa.csv.ConvertOptions(column_types=_IDS)
    last, lines = db.execute(sql, ("", STEP)).fetchone()
    while last is not None:
        yield from pa.csv.read_csv(
            pa.py_buffer(lines.encode()), names, convert_options=text
        ).to_batches()
        last, lines = db.execute(sql, (last, STEP)).fetchone()
