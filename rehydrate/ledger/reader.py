"""The ledger of a working folder, read while a run may write it: takes no lock of ours and makes no run wait.

`ledger.py` writes it; everything that only reads goes through here: `twigma status` and the survival weights of an
analysis (`view_ledger`), and the price of a look-up before it starts (`read_known_posts`). Ids are read in short steps,
so that not even SQLite's own locks are held for long.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.database import (
    CLASS,
    NOT_SHOWN,
    NOT_STATED,
    is_known,
    read_payments,
)
from twigma.rehydrate.ledger.search_progress import (
    Collection,
    SearchRow,
    read_collections,
    read_searches,
)
from twigma.rehydrate.posts.page_store import KINDS, Purchases

STEP = 50_000  # ids read at a time: some hundredths of a second
BUSY_SECONDS = 30  # how long SQLite waits for a writer; one holds its lock for moments
_REMEDY = (
    "the next `twigma rehydrate --ids FILE` or `twigma collect` re-creates it "
    "from the pages"
)
_IDS = pa.schema(
    [
        ("id", pa.string()),
        ("outcome", pa.string()),
    ]
)


NOTHING = Purchases()


@dataclass(frozen=True)
class LedgerView:
    """A snapshot of a ledger.

    Attributes
    ----------
    path : the database.
    ids : table (id: string, outcome: string), in the order of ids.
    pages : bytes that the ledger has read of the pages of each kind.
    bought : all that was ever bought.
    done, open : searches and archives that are complete, and those that are not.
    open_archives : those of the archives.
    searches : every search that has begun, in order.
    collections : what they were run for, the last first.
    not_looked_up : posts of archives and searches that do not show which photos they have.
    unshown : posts with photos that no answer has shown, and that were not looked up once more for them.
    """

    path: Path
    ids: pa.Table
    pages: Mapping[str, int] = field(default_factory=dict)
    bought: Purchases = NOTHING
    done: int = 0
    open: int = 0
    open_archives: int = 0
    searches: Sequence[SearchRow] = ()
    collections: Sequence[Collection] = ()
    not_looked_up: int = 0
    unshown: int = 0

    def spent(self) -> Purchases:
        """All that was ever bought."""
        return self.bought

    def found_since(self, time: str, kinds: Iterable[str]) -> list[str]:
        """The posts found on pages of these kinds received after a time; of archives, on any page of them."""
        sql = (
            "SELECT id FROM ids WHERE outcome = 'found' AND kind = ?"
            " AND (received_at > ? OR kind = 'import')"
        )
        kinds = list(kinds)
        if not kinds:
            return []
        posts: list[str] = []
        with _open(self.path) as db:
            for kind in kinds:
                posts.extend(post for (post,) in db.execute(sql, (kind, time)))
        return posts

    def lost_pages(self) -> list[str]:
        """A sentence for every file of pages that is shorter than what the ledger has read of it."""
        work = Workspace(self.path.parent)
        sentences: list[str] = []
        for kind, read in self.pages.items():
            file = work.page_file(kind)
            size = file.stat().st_size if file.exists() else 0
            if size < read:
                sentences.append(
                    f"{file} should have at least {read:,} bytes, found {size:,}: "
                    "pages were lost, their posts are asked again"
                )
        return sentences


@dataclass(frozen=True)
class KnownPosts:
    """What a folder has bought: the ids and the users that a look-up would skip, and how much was bought in all."""

    ids: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    bought: Purchases = NOTHING

    def spent(self) -> Purchases:
        """All that was ever bought."""
        return self.bought


def view_ledger(work: AnyWorkspace) -> LedgerView:
    """A snapshot of the ledger, empty where nothing was ever asked; ValueError when it is damaged or missing."""
    work = Workspace(work)
    path = work.ledger_file
    if _is_empty(path):
        if any(work.page_file(kind).exists() for kind in KINDS):
            raise ValueError(f"{path} is missing: {_REMEDY}")
        return LedgerView(path, _IDS.empty_table())
    with _open(path) as db:
        return _read_view(db, path)


def read_known_posts(work: AnyWorkspace, followers: bool = False) -> KnownPosts:
    """What a folder has bought, empty where nothing was ever asked; ValueError when the ledger is damaged.

    Known are the ids of `database.is_known`.
    """
    path = Workspace(work).ledger_file
    if _is_empty(path):
        return KnownPosts()
    sql = f"SELECT id FROM ids WHERE {is_known(followers)}"
    with _open(path) as db:
        ids = frozenset(post for (post,) in db.execute(sql))
        rows = db.execute("SELECT id FROM users")
        users = frozenset(user for (user,) in rows)
        return KnownPosts(ids, users, read_payments(db))


def _is_empty(path: Path) -> bool:
    """Whether nothing was ever asked; a run makes the file before it makes the tables."""
    return not path.exists() or not path.stat().st_size


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, read-only; ValueError with the remedy when it is damaged."""
    # On a disk that cannot be written SQLite cannot lock: it needs to know that nobody else writes.
    immutable = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
    uri = f"{path.absolute().as_uri()}?mode=ro{immutable}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as db:
            yield db
    except (sqlite3.Error, pa.ArrowInvalid) as error:
        raise ValueError(f"{path} is damaged ({error}): {_REMEDY}") from None


def _read_view(db: sqlite3.Connection, path: Path) -> LedgerView:
    pages = dict(db.execute("SELECT kind, seen FROM pages ORDER BY kind"))
    count = "SELECT count(*) FROM ids WHERE outcome = 'found' AND photos = ?"
    (not_looked_up,) = db.execute(count, (NOT_STATED,)).fetchone()
    not_renewed = f"{count} AND id NOT IN (SELECT id FROM renewed)"
    (unshown,) = db.execute(not_renewed, (NOT_SHOWN,)).fetchone()
    sql = "SELECT count(*), total(done) FROM"
    searches, searched = db.execute(f"{sql} searches").fetchone()
    archives, imported = db.execute(f"{sql} imports").fetchone()
    return LedgerView(
        path,
        pa.Table.from_batches(_batches(db), _IDS),
        pages,
        read_payments(db),
        done=int(searched + imported),
        open=int(searches - searched + archives - imported),
        open_archives=int(archives - imported),
        searches=read_searches(db),
        collections=read_collections(db),
        not_looked_up=not_looked_up,
        unshown=unshown,
    )


def _batches(db: sqlite3.Connection) -> Iterator[pa.RecordBatch]:
    """The ids in order. SQLite joins a step to lines and Arrow cuts them: three times as fast as row by row."""
    step = f"SELECT id, {CLASS} AS outcome FROM ids WHERE id > ? ORDER BY id LIMIT ?"
    sql = f"SELECT max(id), group_concat(id || ',' || outcome, char(10)) FROM ({step})"
    names = pa.csv.ReadOptions(column_names=_IDS.names)
    types = pa.csv.ConvertOptions(column_types=_IDS)
    last, lines = db.execute(sql, ("", STEP)).fetchone()
    while last is not None:
        text = pa.py_buffer(lines.encode())
        yield from pa.csv.read_csv(text, names, convert_options=types).to_batches()
        last, lines = db.execute(sql, (last, STEP)).fetchone()
