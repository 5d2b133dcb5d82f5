"""The SQLite database of a ledger: its tables, and what happens when it is damaged or the disk is full."""

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twigma.rehydrate.posts.page_content import OUTCOMES, PHOTOS_UNKNOWN
from twigma.rehydrate.posts.page_store import Purchases

# Raise it when another version would find other tables, or other outcomes on the same pages: a ledger of another
# revision is re-created from them.
REVISION = 4
# What all pages together say of the photos of a post that is there: no page says which it has, a look-up has not shown
# them either, or a page shows them.
NOT_STATED, NOT_SHOWN, SHOWN = range(3)
# ids: the last outcome of every id asked for (`found` with or without its photos), and the page it is on; whether any
# page has the followers of its author, and what all of them say of its photos. pages: bytes read of each file of pages.
# payments: what was ever bought with them, which no loss of pages lowers. users: authors that X has answered about.
# searches: how far each search has come, in the order in which they began. collections: what they were run for.
# renewed: ids asked once more for photos that are gone or were not shown. imports: how far each archive has come.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS ids (
    id TEXT PRIMARY KEY, outcome TEXT NOT NULL CHECK (outcome IN {OUTCOMES}), followers INTEGER NOT NULL,
    photos INTEGER NOT NULL, received_at TEXT NOT NULL, kind TEXT NOT NULL, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pages (kind TEXT PRIMARY KEY, seen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS payments (kind TEXT PRIMARY KEY, posts INTEGER, users INTEGER, counts INTEGER);
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS searches (
    key TEXT PRIMARY KEY, query TEXT NOT NULL, tags TEXT NOT NULL, "excluded" TEXT NOT NULL, start TEXT NOT NULL,
    finish TEXT NOT NULL, pages INTEGER NOT NULL, next_token TEXT, oldest TEXT, done INTEGER NOT NULL, until TEXT);
CREATE TABLE IF NOT EXISTS collections (
    hashtags TEXT, start TEXT, finish TEXT, followers INTEGER, budget REAL, PRIMARY KEY (hashtags, start, finish));
CREATE TABLE IF NOT EXISTS renewed (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imports (file TEXT PRIMARY KEY, pages INTEGER NOT NULL, done INTEGER NOT NULL);
"""
# Their names.
TABLES = tuple(re.findall(r"EXISTS (\w+)", _SCHEMA))
# The class of an id, for a SELECT on `ids`.
CLASS = f"iif(outcome = 'found' AND photos < {SHOWN}, '{PHOTOS_UNKNOWN}', outcome)"


def is_known(followers: bool) -> str:
    """Whether an id needs no look-up, for a SELECT on `ids`.

    X has answered about it, and a post that is there has shown its photos, or was looked up for them already. With
    `followers` it has those of its author too.
    """
    known = f"outcome <> 'absent' AND (outcome <> 'found' OR photos > {NOT_STATED})"
    if followers:
        known += " AND (outcome <> 'found' OR followers)"
    return known


def open_database(path: Path) -> sqlite3.Connection:
    """The database; a damaged one, or one of another revision, is re-created from the pages."""
    path.touch(0o600)  # what SQLite writes beside it has the same permissions
    db = sqlite3.connect(path)
    try:
        # Write-ahead, and synced now and then: what a crash takes from the ledger is read from the pages again.
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            db.executescript(f"{_SCHEMA} PRAGMA user_version = {REVISION};")
        (revision,) = db.execute("PRAGMA user_version").fetchone()
        is_sound = db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if is_sound and revision == REVISION:
            return db
    except sqlite3.OperationalError:
        db.close()  # locked, or no space: nothing is wrong with its contents
        raise
    except sqlite3.DatabaseError:
        pass
    db.close()
    logging.getLogger(__name__).warning(
        "%s is damaged or of another version: re-created from the pages", path
    )
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return open_database(path)


def read_payments(db: sqlite3.Connection, kind: str = "%") -> Purchases:
    """All that was ever bought, or only with the pages of one kind."""
    sql = "SELECT total(posts), total(users), total(counts) FROM payments WHERE kind LIKE ?"
    row = db.execute(sql, (kind,)).fetchone()
    return Purchases(*map(int, row))


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Database trouble as OSError in a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(
            f"{path}: {error}; the pages are safe: check the disk, then run again"
        ) from error
