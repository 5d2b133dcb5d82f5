"""How far each search has come, in the ledger: what it is for, after which page it resumes, whether it is done.

Only a page that says how many posts it has, and has them, moves a search: anything else is asked for again.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from twigma.rehydrate.posts.page_content import counts_posts, dicts

# One row a search, which stays where it began.
_ADVANCE = """
INSERT INTO searches VALUES (
    :key, :query, :tags, :excluded, :start, :finish, :pages, :next_token, :oldest, :done, :until)
ON CONFLICT (key) DO UPDATE SET
    pages = excluded.pages, next_token = excluded.next_token, oldest = excluded.oldest, done = excluded.done,
    until = excluded.until
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


class SearchRow(NamedTuple):
    """A search that has begun: what it is for, and how far it has come; the hashtags as `#aiart`.

    It is for posts with one of `tags` and none of `excluded`, from `start` to before `end`; `oldest` is the time of the
    oldest post so far.
    """

    query: str
    tags: tuple[str, ...]
    excluded: tuple[str, ...]
    start: str
    end: str
    oldest: str | None
    done: bool


class Collection(NamedTuple):
    """What a run of `twigma collect` was asked for: hashtags as `#aiart`, period, followers or not, and budget."""

    hashtags: tuple[str, ...]
    start: str
    end: str
    followers: bool = False
    budget: float | None = None


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
    tags, excluded = request.get("tags", []), request.get("excluded", [])
    row = {
        "key": request["key"],
        "query": request.get("query", ""),
        "tags": json.dumps(tags),
        "excluded": json.dumps(excluded),
        "start": request.get("start", ""),
        "finish": request.get("end", ""),
        "pages": cursor.pages + 1,
        "next_token": token,
        "oldest": min(times, default=None),
        "done": int(token is None),
        "until": request.get("until"),
    }
    db.execute(_ADVANCE, row)
    collection = request.get("collection")
    if collection:
        asked = Collection(**collection)
        sql = "INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, (json.dumps(asked.hashtags), *asked[1:]))


def read_searches(db: sqlite3.Connection) -> list[SearchRow]:
    """Every search that has begun, in the order in which they did."""
    sql = "SELECT query, tags, excluded, start, finish, oldest, done FROM searches ORDER BY rowid"
    rows: list[SearchRow] = []
    for query, tags, excluded, start, end, oldest, done in db.execute(sql):
        names = tuple(json.loads(tags)), tuple(json.loads(excluded))
        rows.append(SearchRow(query, *names, start, end, oldest, bool(done)))
    return rows


def read_collections(db: sqlite3.Connection) -> list[Collection]:
    """What the runs of `twigma collect` were asked for, each once, the last first."""
    sql = "SELECT hashtags, start, finish, followers, budget FROM collections ORDER BY rowid DESC"
    collections: list[Collection] = []
    for hashtags, start, end, followers, budget in db.execute(sql):
        names = tuple(json.loads(hashtags))
        collections.append(Collection(names, start, end, bool(followers), budget))
    return collections


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
