"""The ledger of a working folder: every id asked for and its outcome, and how far every search has come.

`WORK/ledger.sqlite` holds nothing that the pages do not: a page is on disk before the ledger hears of it, and opening
the ledger reads whatever it missed. So a crash between any two steps loses nothing and buys nothing twice.
`twigma rehydrate`, `collect` and `import` write it; whoever only reads goes through `ledger_reader`.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.ledger_database import (
    IS_KNOWN,
    open_database,
    read_payments,
    translate_errors,
)
from twigma.rehydrate.posts.page_content import OUTCOMES, dicts, outcomes, user_ids
from twigma.rehydrate.posts.page_store import (
    KINDS,
    Page,
    Purchases,
    append_page,
    check,
    purchases,
    read_pages,
)
from twigma.rehydrate.posts.removed_ids import read_removed, strip_answer
from twigma.rehydrate.posts.search_progress import (
    Cursor,
    SearchRow,
    advance,
    read_cursor,
    read_searches,
)

NOT_ASKED = "not_asked"
_CHUNK = 500  # ids a statement; SQLite takes 999 parameters at least
_UNREADABLE = -1  # bytes read of a file of pages with damage: all of it is read again
# The later answer counts; one that says nothing replaces none that does, and photos that were shown stay known.
_UPSERT = """
INSERT INTO ids VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    outcome = excluded.outcome, received_at = excluded.received_at, kind = excluded.kind, offset = excluded.offset,
    followers = max(followers, excluded.followers)
WHERE CASE
    WHEN excluded.outcome = 'absent' AND outcome <> 'absent' THEN 0
    WHEN excluded.outcome <> 'absent' AND outcome = 'absent' THEN 1
    WHEN excluded.outcome = 'photos_unknown' AND outcome = 'found' THEN 0
    WHEN excluded.outcome = 'found' AND outcome = 'photos_unknown' THEN 1
    ELSE excluded.received_at >= received_at END
"""
_ADD_PAGE = """
INSERT INTO pages VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET seen = iif(seen < 0, seen, excluded.seen)
"""
_ADD_PAYMENT = """
INSERT INTO payments VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET
    posts = posts + excluded.posts, users = users + excluded.users, counts = counts + excluded.counts
"""
_NEVER_LOWER = """
INSERT INTO payments VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET
    posts = max(posts, excluded.posts), users = max(users, excluded.users), counts = max(counts, excluded.counts)
"""


class Ledger:
    """The ledger of `work`, open for one run at a time; use as a context manager."""

    def __init__(self, work: AnyWorkspace) -> None:
        self.work = Workspace(work)
        self.work.create()
        self.work.pages.mkdir(exist_ok=True)
        self._path = self.work.ledger_file
        with ExitStack() as stack:
            # Held until `close`: two runs would buy the same posts.
            stack.enter_context(self.work.lock_ledger())
            self.removed = read_removed(self.work)
            with translate_errors(self._path):
                self._db = open_database(self._path)
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
        # Counted before anything is taken out: what is not stored was paid all the same.
        request = {**request, "bought": purchases(kind, answer)}
        # Before it is on disk: what was removed on request is never stored again.
        answer = strip_answer(answer, self.removed)
        path = self.work.page_file(kind)
        start, end, page = append_page(path, request, answer, received_at)
        with translate_errors(self._path):
            self._add_page(kind, start, end, page)
            self._db.commit()

    def unknown(self, ids: Iterable[str], followers: bool = False) -> list[str]:
        """The ids that need asking, in order; with `followers` also posts found without their author's followers.

        X has said nothing of those that are `absent`, so they need asking too, as do posts of a search or an archive
        that did not show their photos.
        """
        ids = list(ids)
        known: set[str] = set()
        sql = f"SELECT id, {IS_KNOWN}, outcome, followers FROM ids WHERE id IN"
        for post, is_known, outcome, has_followers in self._select(sql, ids):
            needs_followers = followers and outcome == "found" and not has_followers
            if is_known and not needs_followers:
                known.add(post)
        return [post for post in ids if post not in known]

    def without_photos(self) -> list[str]:
        """Posts that are there, but whose photos no page has shown."""
        sql = "SELECT id FROM ids WHERE outcome = 'photos_unknown' ORDER BY id"
        return [post for (post,) in self._db.execute(sql)]

    def not_renewed(self, ids: Sequence[str]) -> list[str]:
        """The ids that were not asked once more for photos that were gone or not shown, in order."""
        rows = self._select("SELECT id FROM renewed WHERE id IN", ids)
        renewed = {post for (post,) in rows}
        return [post for post in ids if post not in renewed]

    def outcomes(self, ids: Iterable[str]) -> dict[str, str]:
        """The outcome of each of these ids, in order: one of OUTCOMES, or not_asked."""
        ids = list(ids)
        names = {name: name for name in OUTCOMES}  # one string for all, not one a row
        rows = self._select("SELECT id, outcome FROM ids WHERE id IN", ids)
        known = {post: names[outcome] for post, outcome in rows}
        return {post: known.get(post, NOT_ASKED) for post in ids}

    def counts(self) -> dict[str, int]:
        """How many ids the ledger knows, by outcome."""
        sql = "SELECT outcome, count(*) FROM ids GROUP BY outcome ORDER BY outcome"
        return dict(self._db.execute(sql))

    def unknown_users(self, ids: Sequence[str]) -> list[str]:
        """The users that X was not asked for yet by their id, or has said nothing of, in order."""
        rows = self._select("SELECT id FROM users WHERE id IN", ids)
        known = {user for (user,) in rows}
        return [user for user in ids if user not in known]

    def spent(self) -> Purchases:
        """All that was ever bought for this folder: what X bills, before its daily deduplication."""
        return read_payments(self._db)

    def cursor(self, key: str) -> Cursor:
        """Progress of the search of this key; Cursor() when it has not started."""
        return read_cursor(self._db, key)

    def searches(self) -> list[SearchRow]:
        """Every search that has begun, in the order in which they did."""
        return read_searches(self._db)

    def imported(self, file: str) -> tuple[int, bool]:
        """(pages stored, whether that is all) of an archive, by the SHA-256 of its file."""
        sql = "SELECT pages, done FROM imports WHERE file = ?"
        row = self._db.execute(sql, (file,)).fetchone()
        if row is None:
            return 0, False
        pages, done = row
        return pages, bool(done)

    def _select(self, sql: str, ids: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of these ids, for a statement that ends in `IN`."""
        ids = sorted(ids)  # neighbours in the database: each of its pages is read once
        for first in range(0, len(ids), _CHUNK):
            chunk = ids[first : first + _CHUNK]
            marks = ",".join("?" * len(chunk))
            yield from self._db.execute(f"{sql} ({marks})", chunk)

    # -------------------------------------------------------------- pages

    def _catch_up(self, kind: str) -> int:
        """Add the pages the ledger has not read; all of them again if the file changed. Returns the damaged lines."""
        path = self.work.page_file(kind)
        sql = "SELECT seen FROM pages WHERE kind = ?"
        row = self._db.execute(sql, (kind,)).fetchone()
        paid = read_payments(self._db, kind)
        seen = 0 if row is None else row[0]
        _, damaged = check(path, seen)
        if damaged:
            logging.getLogger(__name__).warning(
                "%s: %d damaged pages; their posts will be asked again", path, damaged
            )
            self._forget(kind)
            seen = 0
        for start, end, page in read_pages(path, seen):
            if page is not None:
                self._add_page(kind, start, end, page)
        if damaged:
            # What the lost pages held was paid.
            self._db.execute(_NEVER_LOWER, (kind, *paid))
            # Somebody may restore the file: the next run reads it all again.
            sql = "UPDATE pages SET seen = ? WHERE kind = ?"
            self._db.execute(sql, (_UNREADABLE, kind))
        self._db.commit()
        return damaged

    def _forget(self, kind: str) -> None:
        """Delete everything that was read from the pages of a kind."""
        self._db.execute("DELETE FROM ids WHERE kind = ?", (kind,))
        self._db.execute("DELETE FROM pages WHERE kind = ?", (kind,))
        self._db.execute("DELETE FROM payments WHERE kind = ?", (kind,))
        tables = {
            "lookup": "renewed",
            "search": "searches",
            "import": "imports",
            "users": "users",
        }
        if kind in tables:
            self._db.execute(f"DELETE FROM {tables[kind]}")
        if kind == "search":
            self._db.execute("DELETE FROM collections")

    def _add_page(self, kind: str, start: int, end: int, page: Page) -> None:
        """Record one page; the caller commits."""
        answer = page["answer"]
        request = page["request"]
        self._db.execute(_ADD_PAGE, (kind, end))
        bought = Purchases(*request["bought"])
        self._db.execute(_ADD_PAYMENT, (kind, *bought))
        outcome: dict[str, str] = {}
        if kind == "users":
            self._add_users(request, answer)
        elif kind == "search":
            posts = [post for post in dicts(answer.get("data")) if "id" in post]
            outcome = outcomes([str(post["id"]) for post in posts], answer)
            advance(self._db, request, answer, bought.posts)
        elif kind != "counts":
            outcome = outcomes(request["ids"], answer)
        if kind == "import":
            self._advance_import(request)
        if request.get("renew"):
            sql = "INSERT OR IGNORE INTO renewed VALUES (?)"
            self._db.executemany(sql, [(post,) for post in outcome])
        # One page may be asked with authors, the next without: an id keeps that it was once.
        followers = int(bool(request.get("followers")))
        origin = (followers, page["received_at"], kind, start)
        rows = [(post, what, *origin) for post, what in outcome.items()]
        self._db.executemany(_UPSERT, rows)

    def _add_users(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Record the users of a page that X has answered about, with their numbers or with why there are none."""
        answered = user_ids(answer)
        rows = [(user,) for user in request["users"] if user in answered]
        self._db.executemany("INSERT OR IGNORE INTO users VALUES (?)", rows)

    def _advance_import(self, request: Mapping[str, Any]) -> None:
        """Count the next page of an archive; a page after a lost one does not count, so that it is stored again."""
        file, page = request["file"], request["page"]
        stored, _ = self.imported(file)
        if page == stored:
            sql = "INSERT OR REPLACE INTO imports VALUES (?, ?, ?)"
            self._db.execute(sql, (file, page + 1, int(request["last"])))


def count_outcomes(outcomes: Mapping[str, str]) -> dict[str, int]:
    """Ids by outcome, every class named."""
    counted = Counter(outcomes.values())
    return {name: counted[name] for name in (*OUTCOMES, NOT_ASKED)}
