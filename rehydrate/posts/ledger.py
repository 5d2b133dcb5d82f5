"""The ledger of a working folder: every id asked for and its outcome, and how far every search has come.

`WORK/ledger.sqlite` holds nothing that the pages do not: a page is on disk before the ledger hears of it, and opening
the ledger reads whatever it missed. So a crash between any two steps loses nothing and buys nothing twice.
`twigma rehydrate`, `collect` and `import` write it; whoever only reads goes through `ledger_reader`.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.posts.ledger_database import (
    CLASS,
    open_database,
    translate_errors,
)
from twigma.rehydrate.posts.page_content import (
    OUTCOMES,
    PHOTOS_UNKNOWN,
    dicts,
    is_archived,
    outcomes,
)
from twigma.rehydrate.posts.page_store import (
    KINDS,
    Page,
    append_page,
    check,
    read_pages,
)
from twigma.rehydrate.posts.post_fields import unknown_photos
from twigma.rehydrate.posts.removed_ids import read_removed, strip_answer

NOT_ASKED = "not_asked"
_CHUNK = 500  # ids a statement; SQLite takes 999 parameters at least
_UNREADABLE = -1  # bytes read of a file of pages with damage: all of it is read again
# The last page decides on the outcome; followers and photos that an older one has are known all the same.
_UPSERT = """
INSERT INTO ids VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    followers = max(followers, excluded.followers), photos = max(photos, excluded.photos),
    outcome = iif(excluded.received_at >= received_at, excluded.outcome, outcome),
    kind = iif(excluded.received_at >= received_at, excluded.kind, kind),
    offset = iif(excluded.received_at >= received_at, excluded.offset, offset),
    received_at = max(received_at, excluded.received_at)
"""
_ADD_PAGE = """
INSERT INTO pages VALUES (?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET
    seen = iif(seen < 0, seen, excluded.seen),
    posts = posts + excluded.posts, users = users + excluded.users
"""


class Cursor(NamedTuple):
    """Progress of a search: pages stored, token of the next one, time of its oldest post, whether it is done.

    `end` is the end its token belongs to, where the search was started again below its oldest post.
    """

    pages: int = 0
    next_token: str | None = None
    oldest: str | None = None
    done: bool = False
    end: str | None = None


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
                self.damaged = self._catch_up()
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
        # Before it is on disk: what was removed on request is never stored again.
        answer = strip_answer(answer, self.removed)
        path = self.work.page_file(kind)
        start, end, page = append_page(path, request, answer, received_at)
        with translate_errors(self._path):
            self._add_page(kind, start, end, page)
            self._db.commit()

    def unknown(self, ids: Iterable[str], followers: bool = False) -> list[str]:
        """The ids that need asking, in order: also posts whose photos no archive states.

        With `followers` also posts that were found without their author's followers.
        """
        known: set[str] = set()
        sql = f"SELECT id, {CLASS}, followers FROM ids WHERE id IN"
        for post, name, has_followers in self._select(sql, ids):
            lacks_followers = followers and not has_followers
            is_open = name == PHOTOS_UNKNOWN or (name == "found" and lacks_followers)
            if not is_open:
                known.add(post)
        return [post for post in ids if post not in known]

    def not_renewed(self, ids: Sequence[str]) -> list[str]:
        """The ids that were not asked once more because their photo was gone, in order."""
        rows = self._select("SELECT id FROM renewed WHERE id IN", ids)
        renewed = {post for (post,) in rows}
        return [post for post in ids if post not in renewed]

    def outcomes(self, ids: Iterable[str]) -> dict[str, str]:
        """The outcome of each of these ids, in order: one of OUTCOMES, photos_unknown, or not_asked."""
        ids = list(ids)
        # One string for all, not one a row.
        names = {name: name for name in (*OUTCOMES, PHOTOS_UNKNOWN)}
        rows = self._select(f"SELECT id, {CLASS} FROM ids WHERE id IN", ids)
        known = {post: names[outcome] for post, outcome in rows}
        return {post: known.get(post, NOT_ASKED) for post in ids}

    def counts(self) -> dict[str, int]:
        """How many ids the ledger knows, by outcome."""
        sql = (
            f"SELECT {CLASS} AS class, count(*) FROM ids GROUP BY class ORDER BY class"
        )
        return dict(self._db.execute(sql))

    def photos_unknown(self) -> list[str]:
        """The posts of archives that do not say which photos they have, in order of ids."""
        sql = "SELECT id FROM ids WHERE outcome = 'found' AND NOT photos ORDER BY id"
        return [post for (post,) in self._db.execute(sql)]

    def spent(self) -> tuple[int, int]:
        """(posts, users) read in all bought pages of this folder: what X bills, before its daily deduplication."""
        sql = "SELECT total(posts), total(users) FROM pages"
        posts, users = self._db.execute(sql).fetchone()
        return int(posts), int(users)

    def cursor(self, key: str) -> Cursor:
        """Progress of the search of this key; Cursor() when it has not started."""
        sql = (
            "SELECT pages, next_token, oldest, done, until FROM searches WHERE key = ?"
        )
        row = self._db.execute(sql, (key,)).fetchone()
        if row is None:
            return Cursor()
        pages, next_token, oldest, done, end = row
        return Cursor(pages, next_token, oldest, bool(done), end)

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

    def _catch_up(self) -> int:
        """Add the pages the ledger has not read; all of them again if a file changed. Returns the damaged lines."""
        seen = dict.fromkeys(KINDS, 0)
        seen.update(self._db.execute("SELECT kind, seen FROM pages"))
        damaged: dict[str, int] = {}
        for kind in KINDS:
            path = self.work.page_file(kind)
            _, damaged[kind] = check(path, seen[kind])
            if damaged[kind]:
                logging.getLogger(__name__).warning(
                    "%s: %d damaged pages; their posts will be asked again",
                    path,
                    damaged[kind],
                )
        if any(damaged.values()):
            # What is known of an id is from pages of every kind.
            seen = dict.fromkeys(KINDS, 0)
            for table in ("ids", "pages", "renewed", "searches", "imports"):
                self._db.execute(f"DELETE FROM {table}")
        for kind in KINDS:
            for start, end, page in read_pages(self.work.page_file(kind), seen[kind]):
                if page is not None:
                    self._add_page(kind, start, end, page)
            if damaged[kind]:
                # Somebody may restore the file: the next run reads it all again.
                sql = "UPDATE pages SET seen = ? WHERE kind = ?"
                self._db.execute(sql, (_UNREADABLE, kind))
        self._db.commit()
        return sum(damaged.values())

    def _add_page(self, kind: str, start: int, end: int, page: Page) -> None:
        """Record one page; the caller commits."""
        answer = page["answer"]
        request = page["request"]
        posts = dicts(answer.get("data"))
        users = dicts(answer.get("includes"), "users")
        bought = (len(posts), len(users))
        if kind == "search":
            outcome = {str(post["id"]): "found" for post in posts if "id" in post}
            self._advance_search(request, answer)
        else:
            outcome = outcomes(request["ids"], answer)
        if kind == "import":
            self._advance_import(request)
            bought = (0, 0)
        if request.get("renew"):
            sql = "INSERT OR IGNORE INTO renewed VALUES (?)"
            self._db.executemany(sql, [(post,) for post in outcome])
        # One page may be asked with authors, the next without: an id keeps that it was once.
        followers = int(bool(request.get("followers")))
        unknown = unknown_photos(answer) if is_archived(request) else set()
        origin = (page["received_at"], kind, start)
        rows: list[tuple[Any, ...]] = []
        for post, what in outcome.items():
            states_photos = what == "found" and post not in unknown
            rows.append((post, what, followers, int(states_photos), *origin))
        self._db.executemany(_UPSERT, rows)
        self._db.execute(_ADD_PAGE, (kind, end, *bought))

    def _advance_search(
        self, request: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        """Move the cursor of a search past its next page; a page after a lost one does not move it."""
        cursor = self.cursor(request["key"])
        if cursor.done or not _is_next_page(request, cursor):
            return
        posts = dicts(answer.get("data"))
        times = [str(post["created_at"]) for post in posts if "created_at" in post]
        if cursor.oldest:
            times.append(cursor.oldest)
        meta = answer.get("meta")
        token = meta.get("next_token") if isinstance(meta, dict) else None
        row = (
            request["key"],
            cursor.pages + 1,
            token,
            min(times, default=None),
            int(token is None),
            request.get("end"),
        )
        sql = "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?, ?)"
        self._db.execute(sql, row)

    def _advance_import(self, request: Mapping[str, Any]) -> None:
        """Count the next page of an archive; a page after a lost one does not count, so that it is stored again."""
        file, page = request["file"], request["page"]
        stored, _ = self.imported(file)
        if page == stored:
            sql = "INSERT OR REPLACE INTO imports VALUES (?, ?, ?)"
            self._db.execute(sql, (file, page + 1, int(request["last"])))


def _is_next_page(request: Mapping[str, Any], cursor: Cursor) -> bool:
    """Whether a page of a search follows the last one that was stored."""
    # The oldest post so far, where X no longer took the token and the search was started again below it.
    restart = request.get("restart")
    if restart is not None:
        return bool(restart == cursor.oldest)
    return bool(request["next_token"] == cursor.next_token)


def search_key(query: str, start: str, end: str) -> str:
    """The name of a search in the ledger: the same query over the same period resumes."""
    name = json.dumps([query, start, end])
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def count_outcomes(outcomes: Mapping[str, str]) -> dict[str, int]:
    """Ids by outcome, every class named."""
    counted = Counter(outcomes.values())
    return {name: counted[name] for name in (*OUTCOMES, PHOTOS_UNKNOWN, NOT_ASKED)}
