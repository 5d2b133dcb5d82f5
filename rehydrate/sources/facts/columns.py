"""Which fields of a record fill which of our columns, and how their values are read.

Used for the JSON, texts and tables that stand beside pictures, and for lists of addresses.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from twigma.core.values import (
    may_be_posted,
    read_count,
    read_flag,
    read_text,
    read_time,
)

Facts = Mapping[str, Any]  # of one picture, with the names that its owner gave

# Names, as `flat_name` writes them, that fill a column of ours: the first with a value that can be read counts.
# `meta.prompt` is the field `prompt` of the object `meta`.
NAMES: dict[str, tuple[str, ...]] = {
    "url": ("imageurl", "fileurl", "url"),
    "text": ("caption", "text", "prompt", "meta.prompt", "content", "description"),
    "created_at": ("createdat", "date", "createdate", "timestamp"),
    "like_count": (
        "likecount",
        "favoritecount",
        "likes",
        "stats.likecount",
        "totalbookmarks",
    ),
    "reply_count": ("replycount", "commentcount", "stats.commentcount"),
    "quote_count": ("quotecount",),
    "retweet_count": ("retweetcount", "repostcount"),
    "possibly_sensitive": ("possiblysensitive", "nsfw"),
    "author_id": (
        "authorid",
        "author",
        "author.id",
        "author.name",
        "author.username",
        "author.screenname",
        "userid",
        "user",
        "user.id",
        "user.name",
        "user.username",
        "user.screenname",
        "username",
    ),
}
# The first part of each of these names: what a table's column may be called.
ROOTS = frozenset(name.partition(".")[0] for names in NAMES.values() for name in names)
# Levels of Civitai, and the classes of LAION-400M, where UNSURE stays unknown.
_NSFW = ("soft", "mature", "x", "nsfw")
_SAFE = ("none", "unlikely")
_SCIENTIFIC = re.compile(r"[0-9]{1,19}(?:\.[0-9]*)?[eE]\+?[0-9]{1,2}", re.ASCII)
# Thousands: what parts them may be of no decimals, or is there twice.
_SPACED = r"[1-9][0-9]{0,2}(?:[ '’\u00a0\u202f][0-9]{3})+"
_TWICE = r"[1-9][0-9]{0,2}(?P<mark>[,.])[0-9]{3}(?:(?P=mark)[0-9]{3})+"
_GROUPED = re.compile(f"{_SPACED}|{_TWICE}", re.ASCII)
# How tools write that they know nothing, in lower case.
NOTHING = frozenset(("", "-", "n/a", "na", "nan", "nat", "none", "null"))


class Unread(NamedTuple):
    """A value that cannot be read: the column it is meant for, its name in the record, the value, what is expected."""

    column: str
    name: str
    value: Any
    expected: str


@functools.lru_cache(4096)
def flat_name(name: str) -> str:
    """A name in lower case without `_`, `-` and spaces, so that `like_count`, `likeCount` and `Like Count` are one.

    >>> flat_name("Like_Count")
    'likecount'
    """
    return re.sub(r"[\s_-]", "", name).lower()


def our_columns(
    facts: Facts, columns: Sequence[str] = tuple(NAMES)
) -> tuple[dict[str, Any], list[Unread]]:
    """The values that a record has for our columns, and what it has for one of them that cannot be read."""
    flat, written = _flat(facts)
    values: dict[str, Any] = {}
    unread: list[Unread] = []
    for column in columns:
        failed: list[Unread] = []
        for name in NAMES[column]:
            stated = flat.get(name)
            if stated is None or stated == "":
                continue
            value = _READERS[column](stated)
            if value is not None:
                values[column] = value
                break
            if _says_nothing(stated):
                continue
            expected = _expected(column, stated)
            failed.append(Unread(column, written[name], stated, expected))
        else:
            unread += failed
    return values, unread


def matched_columns(names: Sequence[str]) -> dict[str, str]:
    """By which of a table's columns each of ours is filled."""
    written = {flat_name(name): name for name in reversed(names)}
    matched: dict[str, str] = {}
    for column, known in NAMES.items():
        for name in known:
            root, _, inner = name.partition(".")
            if root in written:
                matched[column] = ".".join(filter(None, [written[root], inner]))
                break
    return matched


def _flat(facts: Facts) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of a record and of the objects in it, by flat name; and how each name is written."""
    flat: dict[str, Any] = {}
    written: dict[str, str] = {}
    for name, value in facts.items():
        key = flat_name(str(name))
        if key not in ROOTS or value is None or key in flat:
            continue
        flat[key] = value
        written[key] = str(name)
        if isinstance(value, dict):
            for inner, one in value.items():
                inner_key = f"{key}.{flat_name(str(inner))}"
                flat.setdefault(inner_key, one)
                written.setdefault(inner_key, f"{name}.{inner}")
    return flat, written


def _says_nothing(value: Any) -> bool:
    """Whether a value is how tools write that there is none."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and value.strip().lower() in NOTHING


def _count(value: Any) -> int | None:
    """A count, also as spreadsheets write it; None for anything else, and where a comma or point may be of decimals.

    >>> _count("1E+03"), _count("12 345"), _count("1,234,567"), _count("1,234"), _count("1.5")
    (1000, 12345, 1234567, None, None)
    """
    count = read_count(value)
    if count is not None or not isinstance(value, str):
        return count
    text = value.strip()
    if _SCIENTIFIC.fullmatch(text):
        number = Decimal(text)
        return read_count(int(number)) if number == int(number) else None
    if _GROUPED.fullmatch(text):
        return read_count(re.sub(r"[^0-9]", "", text))
    return None


def _address(value: Any) -> str | None:
    return read_text(value) if isinstance(value, str) else None


def _time(value: Any) -> datetime | None:
    time = read_time(value)
    return time if time is not None and may_be_posted(time) else None


def _expected(column: str, value: Any) -> str:
    """What a column takes in place of a value that cannot be read."""
    if column == "created_at" and read_time(value) is not None:
        return "a time from 2000 on that is not to come"
    return _EXPECTED[column]


def _sensitive(value: Any) -> bool | None:
    return read_flag(value, _NSFW, _SAFE)


_READERS: dict[str, Callable[[Any], Any]] = {
    "url": _address,
    "text": read_text,
    "created_at": _time,
    "like_count": _count,
    "reply_count": _count,
    "quote_count": _count,
    "retweet_count": _count,
    "possibly_sensitive": _sensitive,
    "author_id": read_text,
}
_COUNT = "a whole number from 0 on, such as 1234"
_EXPECTED = {
    "url": "an address",
    "text": "a text",
    "created_at": "a time such as 2023-05-01 or 2023-05-01 10:00:00 (UTC), or seconds since 1970",
    "like_count": _COUNT,
    "reply_count": _COUNT,
    "quote_count": _COUNT,
    "retweet_count": _COUNT,
    "possibly_sensitive": "true or false",
    "author_id": "a name or an id",
}
