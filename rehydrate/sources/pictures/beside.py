"""What stands beside a picture, as our columns: its post, author, likes and prompt in the JSON of common tools.

Read are the JSON of img2dataset, the `NAME.jpg.json` of gallery-dl, the `part-….json` of DiffusionDB, and captions in
`.txt`, as Midjourney archives and trainers have them. A value of another type than expected is a note, never an error.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from twigma.core.safety.bounded import load_json
from twigma.rehydrate.posts.post_fields import (
    LARGEST_COUNT,
    clean_text,
    milliseconds,
)

Facts = Mapping[str, Any]
MAX_TEXT = 1_000_000  # bytes of the text or JSON of one picture that are read
CAPTION = "caption"  # the name under which the `.txt` of a picture joins its JSON
# Names of DiffusionDB's settings (Wang et al. 2022).
DIFFUSIONDB = {"p": "prompt", "se": "seed", "c": "cfg", "st": "step", "sa": "sampler"}
# Our columns, and the names that tools have for each, in order of preference.
NAMES = {
    "url": ("url", "file_url", "image_url"),
    "text": (CAPTION, "prompt", "text", "content", "description"),
    "author_id": ("author_id", "author", "user_id", "user"),
    "like_count": ("like_count", "favorite_count", "likes", "total_bookmarks"),
    "created_at": ("created_at", "date", "create_date", "timestamp"),
}
_OF_AUTHORS = ("id", "name", "username", "screen_name")  # where an author is an object
_SECONDS_BELOW = 100_000_000_000  # a larger number is a time in milliseconds
_LEGACY_TIME = "%a %b %d %H:%M:%S %z %Y"  # as in version 1.1 of the API of X


def read_json(data: bytes) -> tuple[Facts, str | None]:
    """The object in the JSON beside a picture; or an empty one, and a note that says what was there instead."""
    if len(data) > MAX_TEXT:
        return {}, f"JSON beside it of over {MAX_TEXT:,} bytes, not read"
    try:
        facts = load_json(data)
    except (ValueError, RecursionError):
        return {}, "JSON beside it that cannot be read"
    if not isinstance(facts, dict):
        return (
            {},
            f"JSON beside it: expected an object, found a {type(facts).__name__}",
        )
    return facts, None


def read_text(data: bytes) -> str | None:
    """The caption in the `.txt` beside a picture; None where it is empty."""
    text = data[:MAX_TEXT].decode("utf-8-sig", "replace").strip()
    return text or None


def our_columns(facts: Facts) -> tuple[dict[str, Any], list[str]]:
    """The values for our columns in what stands beside a picture, and a note for each that is of another type."""
    values: dict[str, Any] = {}
    notes: list[str] = []
    for column, names in NAMES.items():
        for name in names:
            if facts.get(name) is None:
                continue
            value = _READERS[column](facts[name])
            if value is not None:
                values[column] = value
                break
            notes.append(f"{name} beside it cannot be read: {_shown(facts[name])}")
    return values, notes


def group_of(facts: Facts, key: str | None) -> str | None:
    """The field that becomes the column `group`, as text; where none is named, the one that is called so."""
    value = facts.get(key or "group")
    return None if value is None else clean_text(str(value))


def _shown(value: Any) -> str:
    text = repr(clean_text(value) if isinstance(value, str) else value)
    return clean_text(text if len(text) <= 40 else f"{text[:40]}…")


# ------------------------------------------------------------------ values


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return clean_text(value)


def _author(value: Any) -> str | None:
    if isinstance(value, dict):
        for name in _OF_AUTHORS:
            author = _author(value.get(name))
            if author is not None:
                return author
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:20])
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= LARGEST_COUNT else None


def _time(value: Any) -> datetime.datetime | None:
    """A time without zone, in UTC: of ISO text, the text of X's older API, or seconds or milliseconds since 1970."""
    moment: int | None = None
    if isinstance(value, datetime.datetime):
        moment = milliseconds(value.isoformat())
    elif isinstance(value, str):
        moment = milliseconds(value)
        if moment is None:
            moment = _legacy_milliseconds(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        factor = 1000 if abs(value) < _SECONDS_BELOW else 1
        moment = int(value * factor) if abs(value) < 1e15 else None
    if moment is None:
        return None
    try:
        time = datetime.datetime.fromtimestamp(moment / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return time.replace(tzinfo=None)


def _legacy_milliseconds(text: str) -> int | None:
    try:
        time = datetime.datetime.strptime(text, _LEGACY_TIME)
    except ValueError:
        return None
    return milliseconds(time.isoformat())


_READERS = {
    "url": _text,
    "text": _text,
    "author_id": _author,
    "like_count": _count,
    "created_at": _time,
}
