"""Raw pages of the X API, in either dialect, to the images table: one row per photo on a post. Pure.

Videos, retweets and posts without a photo are left out and counted. `twigma rehydrate` and `twigma collect` read
their pages through it.
"""

import base64
import binascii
import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.rehydrate.posts.merge_snapshots import merge_snapshots, ordered
from twigma.rehydrate.posts.page_content import dicts, media_keys, outcomes, versions

IMAGES = (
    "id",
    "image_name",
    "created_at",
    "like_count",
    "quote_count",
    "reply_count",
    "retweet_count",
    "possibly_sensitive",
    "source",
    "author_id",
    "follower_count",
    "text",
    "hashtags",
    "url",
)
# What a page says: a row per photo, per thing left out (what, reason) and per author (what = user). `begins` marks the
# first row of every post and author: the rows up to the next mark are said of the same.
SAID = columns.schema(IMAGES).remove_metadata()
for _field in (
    ("received_at", pa.int64()),
    ("what", pa.string()),
    ("reason", pa.string()),
    ("begins", pa.bool_()),
):
    SAID = SAID.append(pa.field(*_field))
BATCH = 2000  # rows held as Python objects at a time
MEDIA_KEY = re.compile(r"(?:[0-9]+_)?([0-9]{15,19})")
PHOTO_URL = re.compile(
    r"https://pbs\.twimg\.com/media/([A-Za-z0-9_-]{15})(?:\.[a-z]+)?(?:\?[^#\s]*)?"
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
HASHTAG = re.compile(r"(?<![\w&])[#＃](\w*[^\W\d]\w*)")
LINK = re.compile(r"https?://\S+")  # what follows a # in it is no hashtag

Row = dict[str, Any]


def posts(pages: Iterable[Mapping[str, Any]]) -> tuple[pa.Table, pa.Table]:
    """The images table of these pages, and a table (what, reason, count) of what it holds and leaves out.

    A page is a record of `WORK/pages` or a bare answer. Of a post on several pages the one received last counts,
    and a post that was found to be gone since has no row. Rows are sorted by (created_at, id, image_name).
    """
    part = said(pages)
    found = merge_snapshots([lambda: part])
    tables = list(ordered([lambda: part], found, columns.schema(IMAGES)))
    return pa.concat_tables(tables) if tables else columns.schema(
        IMAGES
    ).empty_table(), found.skipped


def said(pages: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Everything that these pages say of posts and their authors, as SAID, in the order of the pages."""
    tables, rows = [SAID.empty_table()], list[Row]()
    for page in pages:
        rows += _read_page(page)
        if len(rows) >= BATCH:
            tables.append(pa.Table.from_pylist(rows, SAID))
            rows = []
    return pa.concat_tables([*tables, pa.Table.from_pylist(rows, SAID)])


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
        return str(int.from_bytes(base64.urlsafe_b64decode(match[1][:11] + "="), "big"))
    except binascii.Error:
        return None


def url_shows(url: str, image_name: str) -> bool:
    """Whether a photo URL is that of this media id."""
    return photo_id(url) == image_name


# ---------------------------------------------------------------- one page


def _read_page(page: Mapping[str, Any]) -> Iterator[Row]:
    """What a page says of every author and post it speaks of."""
    answer, received_at = (
        page.get("answer", page),
        _microseconds(page.get("received_at")),
    )
    asked = page.get("request", {}).get("ids", []) if "answer" in page else []
    for user in dicts(answer.get("includes"), "users"):
        count = _integer(user.get("public_metrics"), "followers_count")
        if count is not None:
            row = {
                "author_id": _clean(str(user.get("id"))),
                "follower_count": count,
                "what": "user",
            }
            yield row | {"received_at": received_at, "begins": True}
    for name, rows in _read_posts(answer, asked):
        for at, row in enumerate(rows):
            yield row | {
                "id": _clean(name),
                "received_at": received_at,
                "begins": at == 0,
            }


def _read_posts(
    answer: Mapping[str, Any], asked: list[str]
) -> Iterator[tuple[str, list[Row]]]:
    """(id, its rows) of every post that an answer speaks of."""
    for gone, outcome in outcomes(asked, answer).items():
        if outcome not in ("found", "absent"):
            yield gone, [{"what": "post", "reason": outcome}]
    media = {
        str(one.get("media_key")): one for one in dicts(answer.get("includes"), "media")
    }
    wanted = set(asked)
    for post in dicts(answer.get("data")):
        # An edit has a new id: keep the id that was asked for, unless the answer's own was asked too.
        name = next(
            (version for version in versions(post) if version in wanted),
            str(post.get("id")),
        )
        yield name, _read_post(name, post, media)


def _read_post(name: str, post: Row, media: Mapping[str, Row]) -> list[Row]:
    if not re.fullmatch(r"[0-9]{1,20}", name) or not name.isascii():
        return [{"what": "post", "reason": "no id"}]
    if _is_retweet(post):
        return [{"what": "post", "reason": "retweet"}]
    photos: dict[str, str] = {}
    skipped: list[Row] = []
    for key in media_keys(post):
        image_name, reason = _photo(key, media.get(key))
        if reason:
            skipped.append({"what": "media", "reason": reason})
        else:
            photos[image_name] = media[key]["url"]
    if not photos:
        return [
            *skipped,
            {"what": "post", "reason": "no photo" if skipped else "no media"},
        ]
    common = _common(post)
    return [
        *skipped,
        *(common | {"image_name": image, "url": url} for image, url in photos.items()),
    ]


def _photo(key: str, media: Row | None) -> tuple[str, str]:
    """(image name, "") of a photo that can be fetched, or ("", why it cannot)."""
    if media is None:
        return "", "not in the answer"
    if media.get("type") != "photo":
        return "", str(media.get("type"))[:20]
    image_name, url = media_id(key), media.get("url")
    if image_name is None:
        return "", "no media id"
    if not isinstance(url, str):
        return "", "no url"
    return (
        (image_name, "")
        if url_shows(url, image_name)
        else ("", "url of another media id")
    )


def _common(post: Row) -> Row:
    """What all photos of a post share."""
    metrics, text, author = (
        post.get("public_metrics"),
        _text(post),
        post.get("author_id"),
    )
    reposts = _integer(metrics, "retweet_count")
    sensitive = post.get("possibly_sensitive")
    return {
        "what": "media",
        "reason": "photo",
        "created_at": _milliseconds(post.get("created_at")),
        "like_count": _integer(metrics, "like_count"),
        "quote_count": _integer(metrics, "quote_count"),
        "reply_count": _integer(metrics, "reply_count"),
        "retweet_count": _integer(metrics, "repost_count")
        if reposts is None
        else reposts,
        "possibly_sensitive": sensitive if isinstance(sensitive, bool) else None,
        "source": "x",
        "author_id": _clean(author) if isinstance(author, str) else None,
        "text": text,
        "hashtags": _hashtags(post, text),
    }


def _is_retweet(post: Row) -> bool:
    """By its references; the current dialect gives none unasked, and there by the text a retweet always has."""
    references = dicts(post.get("referenced_tweets")) + dicts(
        post.get("referenced_posts")
    )
    if any(one.get("type") in ("retweeted", "reposted") for one in references):
        return True
    metrics = post.get("public_metrics")
    current = isinstance(metrics, dict) and "repost_count" in metrics
    return (
        current
        and "referenced_posts" not in post
        and bool(re.match(r"RT @\w+: ", str(post.get("text"))))
    )


def _long(post: Row) -> Row:
    """The full text of a long post, with its entities; empty for others."""
    note = post.get("note_tweet") or post.get("note_post")
    return note if isinstance(note, dict) else {}


def _text(post: Row) -> str | None:
    text = _long(post).get("text", post.get("text"))
    return _clean(text) if isinstance(text, str) else None


def _hashtags(post: Row, text: str | None) -> list[str]:
    """Lower case, without #, each once, in order: from the entities, or from the text where there are none."""
    entities = _long(post).get("entities") or post.get("entities")
    tags = [tag.get("tag") for tag in dicts(entities, "hashtags")] or HASHTAG.findall(
        LINK.sub(" ", text or "")
    )
    return list(
        dict.fromkeys(_clean(tag).lower() for tag in tags if isinstance(tag, str))
    )


def _clean(text: str) -> str:
    """Text that Arrow can hold: half an emoji becomes the replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _integer(metrics: Any, name: str) -> int | None:
    value = metrics.get(name) if isinstance(metrics, dict) else None
    return (
        value
        if isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value < 1 << 63
        else None
    )


def _milliseconds(text: Any) -> int | None:
    """Milliseconds since 1970 in UTC."""
    time = _time(text)
    return (
        None if time is None else (time - _EPOCH) // datetime.timedelta(milliseconds=1)
    )


def _microseconds(text: Any) -> int:
    """Microseconds since 1970 in UTC; long ago where there is no time."""
    time = _time(text)
    return (
        -(1 << 62)
        if time is None
        else (time - _EPOCH) // datetime.timedelta(microseconds=1)
    )


def _time(text: Any) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
