"""Which columns of a list of addresses fill which of ours, and how their values are read."""

import datetime
import re
from collections.abc import Callable
from typing import Any

from twigma.rehydrate.posts.post_fields import LARGEST_COUNT
from twigma.rehydrate.sources.url_lists.records import Record

# The names, as `flat_name` writes them, that fill a column of ours: the first that has a value counts.
NAMES: dict[str, tuple[str, ...]] = {
    "url": ("imageurl", "url"),
    "text": ("caption", "text", "prompt", "meta.prompt"),
    "created_at": ("createdat", "timestamp"),
    "like_count": ("likecount", "likes", "stats.likecount"),
    "reply_count": ("replycount", "commentcount", "stats.commentcount"),
    "quote_count": ("quotecount",),
    "retweet_count": ("retweetcount", "repostcount"),
    "possibly_sensitive": ("possiblysensitive", "nsfw"),
    "author_id": ("authorid", "author", "username"),
}
WANTED = frozenset(name for names in NAMES.values() for name in names)
# Words for a flag: plain ones, the levels of Civitai, and the classes of LAION-400M, where UNSURE stays unknown.
_YES = frozenset({"true", "1", "yes", "soft", "mature", "x", "nsfw"})
_NO = frozenset({"false", "0", "no", "none", "unlikely"})
_MILLISECONDS = 100_000_000_000  # a time above this is in milliseconds: in seconds it would be the year 5138


def read_fields(record: Record, unread: Callable[[str], None]) -> dict[str, Any]:
    """Our columns of a record; a value that cannot be read is None, and `unread` is called with its column."""
    row: dict[str, Any] = {}
    for column, names in NAMES.items():
        value = _first(record, names)
        if value is None:
            continue
        row[column] = _READERS[column](value)
        if row[column] is None:
            unread(column)
    return row


def _first(record: Record, names: tuple[str, ...]) -> Any:
    for name in names:
        value = record.get(name)
        if value is not None and value != "":
            return value
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, (list, dict, bytes)):
        return None
    # Half an emoji, or a byte that is not UTF-8, cannot be stored.
    text = str(value).encode("utf-8", "replace").decode()
    return text.strip() or None


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    digits = str(value).strip().removesuffix(".0")
    if not re.fullmatch(r"[0-9]{1,19}", digits, re.ASCII):
        return None
    count = int(digits)
    return count if count <= LARGEST_COUNT else None


def _flag(value: Any) -> bool | None:
    word = str(value).strip().lower()
    if word in _YES:
        return True
    return False if word in _NO else None


def _time(value: Any) -> datetime.datetime | None:
    """A time in UTC, without a zone: of a datetime, ISO 8601, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{9,14}(\.[0-9]+)?", value):
            value = float(value)
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value.strip())
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if value > _MILLISECONDS else value
            value = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        if not isinstance(value, datetime.datetime):
            return None
        if value.tzinfo is not None:
            value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
    # A plain datetime of milliseconds: pandas' own may have nanoseconds, which the column cannot hold.
    whole = datetime.datetime(*value.timetuple()[:6])
    return whole + datetime.timedelta(milliseconds=value.microsecond // 1000)


_READERS: dict[str, Callable[[Any], Any]] = {
    "url": _text,
    "text": _text,
    "created_at": _time,
    "like_count": _count,
    "reply_count": _count,
    "quote_count": _count,
    "retweet_count": _count,
    "possibly_sensitive": _flag,
    "author_id": _text,
}
