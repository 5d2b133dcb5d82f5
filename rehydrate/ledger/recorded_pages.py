"""What the ledger records of a page: the outcome of each id, users, progress of searches and archives, what was paid.

The caller commits, so that a page is recorded as a whole or not at all.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from twigma.rehydrate.ledger.database import NOT_SHOWN, NOT_STATED, SHOWN
from twigma.rehydrate.ledger.search_progress import advance
from twigma.rehydrate.posts.page_content import (
    EXISTS,
    dicts,
    is_archived,
    outcomes,
    user_ids,
)
from twigma.rehydrate.posts.page_store import Page, Purchases

# The last page that says anything of an id decides on its outcome. Followers and photos that any page has are known
# whatever came later.
_IS_LATER = "(excluded.outcome <> 'absent', excluded.received_at) >= (outcome <> 'absent', received_at)"
_UPSERT = f"""
INSERT INTO ids VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    followers = max(followers, excluded.followers), photos = max(photos, excluded.photos),
    outcome = iif({_IS_LATER}, excluded.outcome, outcome),
    received_at = iif({_IS_LATER}, excluded.received_at, received_at),
    kind = iif({_IS_LATER}, excluded.kind, kind),
    offset = iif({_IS_LATER}, excluded.offset, offset)
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


def add_page(
    db: sqlite3.Connection, kind: str, start: int, end: int, page: Page
) -> None:
    """Record one page of a kind, which is in its file from byte `start` to `end`."""
    answer = page["answer"]
    request = page["request"]
    db.execute(_ADD_PAGE, (kind, end))
    bought = Purchases(*request["bought"])
    db.execute(_ADD_PAYMENT, (kind, *bought))
    outcome = _outcomes(kind, request, answer)
    if kind == "users":
        _add_users(db, request, answer)
    elif kind == "search":
        advance(db, request, answer, bought.posts)
    elif kind == "import":
        _advance_import(db, request)
    if request.get("renew"):
        sql = "INSERT OR IGNORE INTO renewed VALUES (?)"
        db.executemany(sql, [(post,) for post in outcome])
    origin = (page["received_at"], kind, start)
    # One page may be asked with authors, the next without: an id keeps that it was once.
    followers = int(bool(request.get("followers")))
    # X has been asked for what a look-up does not show: it is not asked for ever.
    unshown = NOT_SHOWN if kind == "lookup" else NOT_STATED
    rows: list[tuple[Any, ...]] = []
    for post, what in outcome.items():
        if what not in EXISTS:
            rows.append((post, what, 0, NOT_STATED, *origin))
            continue
        photos = SHOWN if what == "found" else unshown
        rows.append((post, "found", followers, photos, *origin))
    db.executemany(_UPSERT, rows)


def raise_payments(db: sqlite3.Connection, kind: str, bought: Purchases) -> None:
    """Record that at least so much was bought with pages of a kind, whatever the pages that are left say."""
    db.execute(_NEVER_LOWER, (kind, *bought))


def imported(db: sqlite3.Connection, file: str) -> tuple[int, bool]:
    """(pages stored, whether that is all) of an archive, by the SHA-256 of its file."""
    sql = "SELECT pages, done FROM imports WHERE file = ?"
    row = db.execute(sql, (file,)).fetchone()
    if row is None:
        return 0, False
    pages, done = row
    return pages, bool(done)


def _outcomes(
    kind: str, request: Mapping[str, Any], answer: Mapping[str, Any]
) -> dict[str, str]:
    """What a page says of each post that it is about; pages of users and of counts are about none."""
    if kind in ("users", "counts"):
        return {}
    if kind == "search":
        posts = [post for post in dicts(answer.get("data")) if "id" in post]
        return outcomes([str(post["id"]) for post in posts], answer)
    return outcomes(request["ids"], answer, archived=is_archived(request))


def _add_users(
    db: sqlite3.Connection, request: Mapping[str, Any], answer: Mapping[str, Any]
) -> None:
    """Record the users of a page that X has answered about, with their numbers or with why there are none."""
    answered = user_ids(answer)
    rows = [(user,) for user in request["users"] if user in answered]
    db.executemany("INSERT OR IGNORE INTO users VALUES (?)", rows)


def _advance_import(db: sqlite3.Connection, request: Mapping[str, Any]) -> None:
    """Count the next page of an archive; a page after a lost one does not count, so that it is stored again."""
    file, page = request["file"], request["page"]
    stored, _ = imported(db, file)
    if page == stored:
        sql = "INSERT OR REPLACE INTO imports VALUES (?, ?, ?)"
        db.execute(sql, (file, page + 1, int(request["last"])))
