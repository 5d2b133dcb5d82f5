"""The ledger of a working folder: every id asked for and its outcome, and how far every search has come.

`WORK/ledger.sqlite` holds nothing that the pages do not: a page is on disk before the ledger hears of it, and opening
the ledger reads whatever it missed. So a crash between any two steps loses nothing and buys nothing twice.
`twigma rehydrate`, `collect` and `import` write it; whoever only reads goes through `reader.py`.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.ledger.database import (
    CLASS,
    NOT_SHOWN,
    NOT_STATED,
    TABLES,
    is_known,
    open_database,
    read_payments,
    translate_errors,
)
from twigma.rehydrate.ledger.recorded_pages import (
    add_page,
    imported,
    raise_payments,
)
from twigma.rehydrate.ledger.search_progress import (
    Cursor,
    SearchRow,
    read_cursor,
    read_searches,
)
from twigma.rehydrate.posts.page_content import (
    OUTCOMES,
)
from twigma.rehydrate.posts.page_store import (
    KINDS,
    Purchases,
    append_page,
    check,
    purchases,
    read_pages,
)
from twigma.rehydrate.posts.removed_ids import read_removed, strip_answer

NOT_ASKED = "not_asked"
_CHUNK = 500  # ids a statement; SQLite takes 999 parameters at least
_UNREADABLE = -1  # bytes read of a file of pages with damage: all of it is read again


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
        # Counted before anything is taken out: what is not stored was paid all the same.
        request = {**request, "bought": purchases(kind, answer)}
        # Before it is on disk: what was removed on request is never stored again.
        answer = strip_answer(answer, self.removed)
        path = self.work.page_file(kind)
        start, end, page = append_page(path, request, answer, received_at)
        with translate_errors(self._path):
            add_page(self._db, kind, start, end, page)
            self._db.commit()

    def unknown(self, ids: Iterable[str], followers: bool = False) -> list[str]:
        """The ids that need asking, in order; with `followers` also posts found without their author's followers.

        X has said nothing of those that are `absent`, so they need asking too, as do posts of a search or an archive
        that did not show their photos.
        """
        ids = list(ids)
        sql = f"SELECT id FROM ids WHERE {is_known(followers)} AND id IN"
        known = {post for (post,) in self._select(sql, ids)}
        return [post for post in ids if post not in known]

    def absent(self, ids: Iterable[str]) -> list[str]:
        """Those of these ids that X was asked for and said nothing of, in order."""
        ids = list(ids)
        sql = "SELECT id FROM ids WHERE outcome = 'absent' AND id IN"
        absent = {post for (post,) in self._select(sql, ids)}
        return [post for post in ids if post in absent]

    def without_photos(self) -> list[str]:
        """Posts that were looked up and are there, but whose photos no page has shown, in order of ids."""
        return self._posts_by_photos(NOT_SHOWN)

    def not_looked_up(self) -> list[str]:
        """Posts of archives and searches that do not show which photos they have, in order of ids."""
        return self._posts_by_photos(NOT_STATED)

    def list_photos_unknown(self) -> int:
        """Write the posts of `not_looked_up` to `WORK/photos_unknown.csv`; how many. No file when there are none."""
        path = self.work.photos_unknown_file
        posts = self.not_looked_up()
        if posts:
            rows = [[post] for post in posts]
            spreadsheet.write_rows(path, ["id"], rows, "ascii", private=True)
        else:
            path.unlink(missing_ok=True)
        return len(posts)

    def not_renewed(self, ids: Sequence[str]) -> list[str]:
        """The ids that were not asked once more for photos that were gone or not shown, in order."""
        rows = self._select("SELECT id FROM renewed WHERE id IN", ids)
        renewed = {post for (post,) in rows}
        return [post for post in ids if post not in renewed]

    def outcomes(self, ids: Iterable[str]) -> dict[str, str]:
        """The outcome of each of these ids, in order: one of OUTCOMES, or not_asked."""
        ids = list(ids)
        names = {name: name for name in OUTCOMES}  # one string for all, not one a row
        rows = self._select(f"SELECT id, {CLASS} FROM ids WHERE id IN", ids)
        known = {post: names[outcome] for post, outcome in rows}
        return {post: known.get(post, NOT_ASKED) for post in ids}

    def counts(self) -> dict[str, int]:
        """How many ids the ledger knows, by outcome."""
        sql = (
            f"SELECT {CLASS} AS class, count(*) FROM ids GROUP BY class ORDER BY class"
        )
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
        return imported(self._db, file)

    def _posts_by_photos(self, photos: int) -> list[str]:
        """Posts that are there and of whose photos all pages say just this, in order of ids."""
        sql = "SELECT id FROM ids WHERE outcome = 'found' AND photos = ? ORDER BY id"
        return [post for (post,) in self._db.execute(sql, (photos,))]

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
        paid: dict[str, Purchases] = {}
        if any(damaged.values()):
            # What is known of an id is from pages of every kind.
            paid = {kind: read_payments(self._db, kind) for kind in KINDS}
            seen = dict.fromkeys(KINDS, 0)
            for table in TABLES:
                self._db.execute(f"DELETE FROM {table}")
        for kind in KINDS:
            for start, end, page in read_pages(self.work.page_file(kind), seen[kind]):
                if page is not None:
                    add_page(self._db, kind, start, end, page)
            if damaged[kind]:
                # Somebody may restore the file: the next run reads it all again.
                sql = "UPDATE pages SET seen = ? WHERE kind = ?"
                self._db.execute(sql, (_UNREADABLE, kind))
        for kind, bought in paid.items():
            # What the lost pages held was paid.
            raise_payments(self._db, kind, bought)
        self._db.commit()
        return sum(damaged.values())


def count_outcomes(outcomes: Mapping[str, str]) -> dict[str, int]:
    """Ids by outcome, every class named."""
    counted = Counter(outcomes.values())
    return {name: counted[name] for name in (*OUTCOMES, NOT_ASKED)}
