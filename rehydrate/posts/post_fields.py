"""Single fields of a post of the X API, in either dialect: ids in keys and URLs, texts, hashtags, counts, times. Pure.

Answers come from outside: a field of another type than expected reads as missing. When one of these functions answers
differently, raise `parse_pages.REVISION`.
"""

import base64
import binascii
import datetime
import re
from typing import Any

from twigma.core.values import LARGEST, clean_text
from twigma.rehydrate.posts.page_content import dicts

MEDIA_KEY = re.compile(r"(?:[0-9]+_)?([0-9]{15,19})")
PHOTO_URL = re.compile(
    r"https://pbs\.twimg\.com/media/([A-Za-z0-9_-]{15})(?:\.[a-z]+)?(?:\?[^#\s]*)?"
)
HASHTAG = re.compile(r"(?<![\w&])[#＃](\w*[^\W\d]\w*)")
LINK = re.compile(r"https?://\S+")  # what follows a # in it is no hashtag
UNKNOWN_TIME = -(1 << 62)  # microseconds; before every other time
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

Row = dict[str, Any]


# ------------------------------------------------------------------ ids


def media_id(media_key: str) -> str | None:
    """The image name in a media key (`3_1234567890123456789`, or the bare id); None where there is none."""
    match = MEDIA_KEY.fullmatch(media_key)
    return match[1] if match and match[0].isascii() else None


def photo_id(url: str) -> str | None:
    """The media id that a photo URL shows: the first 11 characters of its file name spell it; None where there is none.

    >>> photo_id("https://pbs.twimg.com/media/FbqlEjPOoAAxxxx.jpg")
    '1565745318061842432'
    """
    match = PHOTO_URL.fullmatch(url)
    if match is None:
        return None
    try:
        # 11 characters of base64 are the 64 bits of the id, without the padding.
        number = base64.urlsafe_b64decode(match[1][:11] + "=")
    except binascii.Error:
        return None
    return str(int.from_bytes(number, "big"))


def url_shows(url: str, image_name: str) -> bool:
    """Whether a photo URL is that of this media id."""
    return photo_id(url) == image_name


# ------------------------------------------------------------------ texts


def text_of(post: Row) -> str | None:
    """The full text of a post; None where it has none."""
    text = _note(post).get("text", post.get("text"))
    return clean_text(text) if isinstance(text, str) else None


def hashtags_of(post: Row, text: str | None) -> list[str] | None:
    """Lower case, without #, each once, in order: from the entities, or from the text where there are none.

    None for a post with neither text nor hashtags: nothing is known of them.
    """
    entities = _note(post).get("entities") or post.get("entities")
    tags = [tag.get("tag") for tag in dicts(entities, "hashtags")]
    if not tags and text is None:
        return None
    if not tags:
        tags = HASHTAG.findall(LINK.sub(" ", text or ""))
    names = [clean_text(tag).lower() for tag in tags if isinstance(tag, str)]
    return list(dict.fromkeys(names))


def _note(post: Row) -> Row:
    """The full text of a long post, with its entities; empty for others."""
    note = post.get("note_tweet") or post.get("note_post")
    return note if isinstance(note, dict) else {}


# ------------------------------------------------------------------ numbers, times


def count_of(metrics: Any, name: str) -> int | None:
    """A count of the metrics of a post or an author; None unless it is a whole number that int64 holds."""
    value = metrics.get(name) if isinstance(metrics, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= LARGEST else None


def milliseconds(text: Any) -> int | None:
    """An ISO time as milliseconds since 1970 in UTC; None where it is no time."""
    time = _time(text)
    if time is None:
        return None
    return (time - _EPOCH) // datetime.timedelta(milliseconds=1)


def microseconds(text: Any) -> int:
    """An ISO time as microseconds since 1970 in UTC; UNKNOWN_TIME where it is no time."""
    time = _time(text)
    if time is None:
        return UNKNOWN_TIME
    return (time - _EPOCH) // datetime.timedelta(microseconds=1)


def _time(text: Any) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
