"""The ledger of a working folder: every id asked for and its outcome, and how far every search has come.

`WORK/ledger.sqlite` holds nothing that the pages do not: a page is on disk before the ledger hears of it, and opening
the ledger reads whatever it missed. So a crash between any two steps loses nothing and buys nothing twice.
`twigma rehydrate`, `collect` and `import` keep it.
"""

import hashlib
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from twigma.core.workspace import Workspace
from twigma.rehydrate.posts.page_content import OUTCOMES, dicts, outcomes
from twigma.rehydrate.posts.page_store import (
    KINDS,
    Page,
    append_page,
    check,
    page_file,
    read_pages,
)
from twigma.rehydrate.posts.removed_ids import read_removed, strip_answer

NOT_ASKED = "not_asked"
_CHUNK = 500
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS ids (
    id TEXT PRIMARY KEY, outcome TEXT NOT NULL CHECK (outcome IN {OUTCOMES}), followers INTEGER NOT NULL,
    received_at TEXT NOT NULL, kind TEXT NOT NULL, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pages (kind TEXT PRIMARY KEY, seen INTEGER NOT NULL, posts INTEGER, users INTEGER);
CREATE TABLE IF NOT EXISTS searches (
    key TEXT PRIMARY KEY, pages INTEGER NOT NULL, next_token TEXT, oldest TEXT, done INTEGER NOT NULL, until TEXT);
CREATE TABLE IF NOT EXISTS renewed (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imports (file TEXT PRIMARY KEY, pages INTEGER NOT NULL, done INTEGER NOT NULL);
"""
_UPSERT = """
INSERT INTO ids VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    outcome = excluded.outcome, received_at = excluded.received_at, kind = excluded.kind, offset = excluded.offset,
    followers = max(followers, excluded.followers)
WHERE excluded.received_at >= received_at
"""


class Cursor(NamedTuple):
    """Where a search stands: pages stored, token of the next one, time of its oldest post, whether it is done.

    `end` is the end its token belongs to, where the search was begun again below its oldest post.
    """

    pages: int = 0
    next_token: str | None = None
    oldest: str | None = None
    done: bool = False
    end: str | None = None


class Ledger:
    """The ledger of `work`, open for one run at a time; use as a context manager."""

    def __init__(self, work: Path) -> None:
        self.work = Path(work)
        workspace = Workspace(work)
        workspace.create()
        workspace.pages.mkdir(exist_ok=True)
        self._path = workspace.ledger_file
        with ExitStack() as stack:
            stack.enter_context(workspace.lock_ledger())
            self.removed = read_removed(self.work)
            with _translate_errors(self._path):
                self._db = _open(self._path)
                stack.callback(self._db.close)
                self.damaged = sum(self._catch_up(kind) for kind in KINDS)
            self._closing = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger and let the next run in."""
        self._closing.close()

    def append(
        self,
        kind: str,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        received_at: str | None = None,
    ) -> None:
        """Store a page of `kind` (one of KINDS), then take it into the ledger; `received_at` is now when None.

        Posts and photos that were removed on request are not stored.
        """
        answer = strip_answer(answer, self.removed)
        start, end, page = append_page(
            page_file(self.work, kind), request, answer, received_at
        )
        with _translate_errors(self._path):
            self._take(kind, start, end, page)
            self._db.commit()

    def unknown(self, ids: Iterable[str], followers: bool = False) -> list[str]:
        """The ids that need asking, in order; with `followers` also posts found without their author's followers."""
        rows = self._select("SELECT id, outcome, followers FROM ids WHERE id IN", ids)
        known = {
            post
            for post, outcome, counted in rows
            if outcome != "found" or counted or not followers
        }
        return [post for post in ids if post not in known]

    def not_renewed(self, ids: Sequence[str]) -> list[str]:
        """The ids that were not asked once more because their photo was gone, in order."""
        renewed = {
            post for (post,) in self._select("SELECT id FROM renewed WHERE id IN", ids)
        }
        return [post for post in ids if post not in renewed]

    def outcomes(self, ids: Iterable[str]) -> dict[str, str]:
        """The outcome of each of these ids, in order: one of OUTCOMES, or not_asked."""
        ids = list(ids)
        names = {name: name for name in OUTCOMES}  # one string for all, not one a row
        found = {
            post: names[what]
            for post, what in self._select(
                "SELECT id, outcome FROM ids WHERE id IN", ids
            )
        }
        return {post: found.get(post, NOT_ASKED) for post in ids}

    def counts(self) -> dict[str, int]:
        """How many ids the ledger knows, by outcome."""
        return dict(
            self._db.execute(
                "SELECT outcome, count(*) FROM ids GROUP BY outcome ORDER BY outcome"
            )
        )

    def spent(self) -> tuple[int, int]:
        """(posts, users) read in all bought pages of this folder: what X bills, before its daily deduplication."""
        row = self._db.execute(
            "SELECT total(posts), total(users) FROM pages"
        ).fetchone()
        return int(row[0]), int(row[1])

    def cursor(self, key: str) -> Cursor:
        """Where the search of this key stands; Cursor() when it has not begun."""
        columns = "pages, next_token, oldest, done, until"
        row = self._db.execute(
            f"SELECT {columns} FROM searches WHERE key = ?", (key,)
        ).fetchone()
        return Cursor(row[0], row[1], row[2], bool(row[3]), row[4]) if row else Cursor()

    def imported(self, file: str) -> tuple[int, bool]:
        """(pages stored, whether that is all) of an archive, by the SHA-256 of its file."""
        row = self._db.execute(
            "SELECT pages, done FROM imports WHERE file = ?", (file,)
        ).fetchone()
        return (row[0], bool(row[1])) if row else (0, False)

    def _select(self, sql: str, ids: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        ids = sorted(
            ids
        )  # neighbours in the database, so that each of its pages is read once
        for first in range(0, len(ids), _CHUNK):
            chunk = ids[first : first + _CHUNK]
            yield from self._db.execute(f"{sql} ({','.join('?' * len(chunk))})", chunk)

    # -------------------------------------------------------------- pages

    def _catch_up(self, kind: str) -> int:
        """Take in the pages the ledger has not seen; all of them again if the file changed. Gives damaged lines."""
        path = page_file(self.work, kind)
        seen = (
            self._db.execute(
                "SELECT seen FROM pages WHERE kind = ?", (kind,)
            ).fetchone()
            or (0,)
        )[0]
        _, broken = check(path, seen)
        if broken:
            logging.getLogger(__name__).warning(
                "%s: %d damaged pages; their posts will be asked again", path, broken
            )
            self._forget(kind)
            seen = 0
        for start, end, page in read_pages(path, seen):
            if page is not None:
                self._take(kind, start, end, page)
        if broken:
            self._db.execute(
                "UPDATE pages SET seen = -1 WHERE kind = ?", (kind,)
            )  # once mended, read it all again
        self._db.commit()
        return broken

    def _forget(self, kind: str) -> None:
        self._db.execute("DELETE FROM ids WHERE kind = ?", (kind,))
        self._db.execute("DELETE FROM pages WHERE kind = ?", (kind,))
        if kind == "lookup":
            self._db.execute("DELETE FROM renewed")
        if kind == "search":
            self._db.execute("DELETE FROM searches")
        if kind == "import":
            self._db.execute("DELETE FROM imports")

    def _take(self, kind: str, start: int, end: int, page: Page) -> None:
        """Note one page; the caller commits."""
        answer, request = page["answer"], page["request"]
        posts, users = dicts(answer.get("data")), dicts(answer.get("includes"), "users")
        if kind == "search":
            outcome = {str(post["id"]): "found" for post in posts if "id" in post}
            self._move(request, answer)
        else:
            outcome = outcomes(request["ids"], answer)
        if kind == "import":
            self._import(request)
            posts, users = [], []  # nothing was bought
        if request.get("renew"):
            self._db.executemany(
                "INSERT OR IGNORE INTO renewed VALUES (?)",
                [(post,) for post in outcome],
            )
        mark = (int(bool(request.get("followers"))), page["received_at"], kind, start)
        self._db.executemany(
            _UPSERT, [(post, what, *mark) for post, what in outcome.items()]
        )
        self._db.execute(
            "INSERT INTO pages VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET"
            " seen = iif(seen < 0, seen, excluded.seen),"
            " posts = posts + excluded.posts, users = users + excluded.users",
            (kind, end, len(posts), len(users)),
        )

    def _move(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Move the cursor of a search past its next page; a page after a lost one does not move it."""
        was = self.cursor(request["key"])
        restart = request.get(
            "restart"
        )  # the oldest post before, where X no longer took the token
        follows = (
            request["next_token"] == was.next_token
            if restart is None
            else restart == was.oldest
        )
        if was.done or not follows:
            return
        times = [
            str(post["created_at"])
            for post in dicts(answer.get("data"))
            if "created_at" in post
        ]
        oldest = min([*times, was.oldest] if was.oldest else times, default=None)
        meta = answer.get("meta")
        token = meta.get("next_token") if isinstance(meta, dict) else None
        row = (
            request["key"],
            was.pages + 1,
            token,
            oldest,
            int(token is None),
            request.get("end"),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?, ?)", row
        )

    def _import(self, request: Mapping[str, Any]) -> None:
        """Count the next page of an archive; a page after a lost one does not count, so that it is stored again."""
        file, page = request["file"], request["page"]
        if page == self.imported(file)[0]:
            self._db.execute(
                "INSERT OR REPLACE INTO imports VALUES (?, ?, ?)",
                (file, page + 1, int(request["last"])),
            )


def search_key(query: str, start: str, end: str) -> str:
    """The name of a search in the ledger: the same query over the same period resumes."""
    return hashlib.sha256(json.dumps([query, start, end]).encode()).hexdigest()[:16]


def count_outcomes(outcomes: Mapping[str, str]) -> dict[str, int]:
    """Ids by outcome, every class named."""
    counted = Counter(outcomes.values())
    return {name: counted[name] for name in (*OUTCOMES, NOT_ASKED)}


def _open(path: Path) -> sqlite3.Connection:
    """The database; a damaged one is made again, from the pages."""
    path.touch(0o600)  # what SQLite writes beside it has the same permissions
    db = sqlite3.connect(path)
    try:
        # Written ahead, and synced now and then: what a crash takes from the ledger it reads off the pages again.
        db.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}"
        )
        if db.execute("PRAGMA integrity_check").fetchone() == ("ok",):
            return db
    except (
        sqlite3.OperationalError
    ):  # locked, no space: nothing is wrong with what it holds
        db.close()
        raise
    except sqlite3.DatabaseError:
        pass
    db.close()
    logging.getLogger(__name__).warning(
        "%s is damaged: made again from the pages", path
    )
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return _open(path)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Database trouble as OSError in a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(
            f"{path}: {error}; the pages are safe: check the disk, then run again"
        ) from error
