"""How far each search has come, in the ledger: after which page it resumes, and whether it is done.

Only a page that says how many posts it has, and has them, moves a search: anything else is asked for again.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from twigma.rehydrate.posts.page_content import counts_posts, dicts


class Cursor(NamedTuple):
    """Progress of a search: pages stored, token of the next one, time of its oldest post, whether it is done.

    `end` is the end its token belongs to, where the search was started again below its oldest post.
    """

    pages: int = 0
    next_token: str | None = None
    oldest: str | None = None
    done: bool = False
    end: str | None = None


def search_key(query: str, start: str, end: str) -> str:
    """The name of a search in the ledger: the same query over the same period resumes."""
    name = json.dumps([query, start, end])
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def read_cursor(db: sqlite3.Connection, key: str) -> Cursor:
    """Progress of the search of this key; Cursor() when it has not started."""
    sql = "SELECT pages, next_token, oldest, done, until FROM searches WHERE key = ?"
    row = db.execute(sql, (key,)).fetchone()
    if row is None:
        return Cursor()
    pages, next_token, oldest, done, end = row
    return Cursor(pages, next_token, oldest, bool(done), end)


def advance(
    db: sqlite3.Connection,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    posts: int,
) -> None:
    """Move the cursor of a search past its next page; a page after a lost one does not move it.

    `posts` is how many the page had when it came, before any was removed on request.
    """
    cursor = read_cursor(db, request["key"])
    if cursor.done or not is_complete(answer, posts):
        return
    if not _is_next_page(request, cursor):
        return
    times = []
    for post in dicts(answer.get("data")):
        if "created_at" in post:
            times.append(str(post["created_at"]))
    if cursor.oldest:
        times.append(cursor.oldest)
    token = answer["meta"].get("next_token")
    row = (
        request["key"],
        cursor.pages + 1,
        token,
        min(times, default=None),
        int(token is None),
        request.get("end"),
    )
    sql = "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(sql, row)


def is_complete(answer: Mapping[str, Any], posts: int) -> bool:
    """Whether a page of a search has all of the posts that it counts."""
    count = counts_posts(answer)
    return count is not None and posts >= count


def _is_next_page(request: Mapping[str, Any], cursor: Cursor) -> bool:
    """Whether a page of a search follows the last one that was stored."""
    # The oldest post so far, where X no longer took the token and the search was started again below it.
    restart = request.get("restart")
    if restart is not None:
        return bool(restart == cursor.oldest)
    return bool(request["next_token"] == cursor.next_token)
