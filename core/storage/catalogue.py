"""What a mirror and its store had in common last: `.store.sqlite` beside the mirror, a row for each file of the store.

It can be lost at any time: files that are on both sides are compared then.
"""

import contextlib
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from twigma.core.storage.address import CATALOGUE
from twigma.core.storage.object_store import Mark

TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, size INTEGER, changed INTEGER, here_size INTEGER, here_changed INTEGER
);
"""


class Stamp(NamedTuple):
    """What tells one version of a file here from another: its size, and when it was written (nanoseconds)."""

    size: int
    changed: int


class Entry(NamedTuple):
    """A file as it was in the store, and as it was here then; None for one that was not here."""

    mark: Mark
    stamp: Stamp | None


def stamp_of(path: Path) -> Stamp | None:
    """The version of a file that is here now; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(stat.st_size, stat.st_mtime_ns)


class ClosedError(Exception):
    """Another thread has closed the catalogue."""


class Catalogue:
    """The entries of one mirror, for all threads of a process; ClosedError once it is closed."""

    def __init__(self, folder: Path, uri: str) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._db = sqlite3.connect(
            folder / CATALOGUE, check_same_thread=False, timeout=60
        )
        self._db.executescript(TABLES)
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO about VALUES ('address', ?)", [uri]
            )
            new = uuid.uuid4().hex
            self._db.execute("INSERT OR IGNORE INTO about VALUES ('mirror', ?)", [new])

    def close(self) -> None:
        """Close the file."""
        # Python 3.11 crashes where one thread closes a database that another one reads.
        with self._lock:
            self._is_closed = True
            self._db.close()

    def mirror_id(self) -> str:
        """What tells this mirror from those of other machines."""
        with self._database() as db:
            rows = db.execute("SELECT value FROM about WHERE name = 'mirror'")
            return str(rows.fetchone()[0])

    def entries(self) -> dict[str, Entry]:
        """All entries by the name of their file."""
        with self._database() as db:
            rows = db.execute("SELECT * FROM files").fetchall()
        return {row[0]: _entry(row) for row in rows}

    def find(self, name: str) -> Entry | None:
        """The entry of a file; None where the store has not had it."""
        with self._database() as db:
            rows = db.execute("SELECT * FROM files WHERE name = ?", [name])
            row = rows.fetchone()
        return None if row is None else _entry(row)

    def put(self, name: str, mark: Mark, stamp: Stamp | None) -> None:
        """Note that a file is in the store like this, and here like this."""
        self.put_all([(name, Entry(mark, stamp))])

    def put_all(self, entries: Iterable[tuple[str, Entry]]) -> None:
        """`put` many at once."""
        rows = [
            (name, *entry.mark, *(entry.stamp or (None, None)))
            for name, entry in entries
        ]
        with self._database() as db:
            db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)

    def forget(self, name: str) -> None:
        """Note that the store has a file no more."""
        with self._database() as db:
            db.execute("DELETE FROM files WHERE name = ?", [name])

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The database for one thread at a time, and as one transaction."""
        with self._lock:
            if self._is_closed:
                raise ClosedError
            with self._db:
                yield self._db


def _entry(row: tuple[str, int, int, int | None, int | None]) -> Entry:
    _, size, changed, here_size, here_changed = row
    stamp = None
    if here_size is not None and here_changed is not None:
        stamp = Stamp(here_size, here_changed)
    return Entry(Mark(size, changed), stamp)
