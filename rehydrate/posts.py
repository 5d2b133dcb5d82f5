"""Raw pages of the X API, in either dialect, to the images table: one row per photo on a post. Pure.

Videos, retweets and posts without a photo are left out and counted. `twigma rehydrate` and `twigma collect` write the
result as `WORK/images.parquet`.
"""

import base64
import binascii
import datetime
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from twigma import columns
from twigma.rehydrate.answers import dicts, media_keys, outcomes, versions

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
ORDER = ("created_at", "id", "image_name")
SKIPPED = pa.schema([("what", pa.string()), ("reason", pa.string()), ("count", pa.int64())])
MEDIA_KEY = re.compile(r"(?:[0-9]+_)?([0-9]{15,19})")
PHOTO_URL = re.compile(r"https://pbs\.twimg\.com/media/([A-Za-z0-9_-]{15})(?:\.[a-z]+)?(?:\?[^#\s]*)?")
HASHTAG = re.compile(r"(?<![\w&])[#＃](\w*[^\W\d]\w*)")

Row = dict[str, Any]


class Seen(NamedTuple):
    """What one page says of one post: its rows, and what was left out as (what, reason)."""

    received_at: str
    rows: list[Row]
    skipped: list[tuple[str, str]]


def posts(pages: Iterable[Mapping[str, Any]]) -> tuple[pa.Table, pa.Table]:
    """The images table of these pages, and a table (what, reason, count) of what it holds and leaves out.

    A page is a record of `WORK/pages` or a bare answer. Of a post on several pages the one received last counts,
    and a post that was found to be gone since has no row. Rows are sorted by (created_at, id, image_name).
    """
    latest: dict[str, Seen] = {}
    followers: dict[str, tuple[str, int | None]] = {}
    for page in pages:
        for post, seen in _read_page(page, followers):
            if post not in latest or seen.received_at >= latest[post].received_at:
                latest[post] = seen
    rows = [row for seen in latest.values() for row in seen.rows]
    for row in rows:
        row["follower_count"] = followers.get(row["author_id"], ("", None))[1]
    table = pa.Table.from_pylist(rows, columns.schema(IMAGES))
    return in_order(table), _count(latest.values(), len(rows))


def in_order(table: pa.Table) -> pa.Table:
    """The rows in the one order that depends on nothing but themselves."""
    return table.sort_by([(name, "ascending") for name in ORDER])


def media_id(media_key: str) -> str | None:
    """The image name in a media key (`3_1234567890123456789`, or the bare id); None where there is none."""
    match = MEDIA_KEY.fullmatch(media_key)
    return match[1] if match and match[0].isascii() else None


def url_shows(url: str, image_name: str) -> bool:
    """Whether a photo URL is that of this media id: the first 11 characters of its file name spell the id.

    >>> url_shows("https://pbs.twimg.com/media/FbqlEjPOoAAxxxx.jpg", "1565745318061842432")
    True
    """
    match = PHOTO_URL.fullmatch(url)
    if match is None:
        return False
    try:
        return int.from_bytes(base64.urlsafe_b64decode(match[1][:11] + "="), "big") == int(image_name)
    except binascii.Error:
        return False


# ---------------------------------------------------------------- one page


def _read_page(page: Mapping[str, Any], followers: dict[str, tuple[str, int | None]]) -> Iterator[tuple[str, Seen]]:
    """Every post a page speaks of, with what it says; notes the followers of the authors on the way."""
    answer, received_at = page.get("answer", page), str(page.get("received_at", ""))
    asked = page.get("request", {}).get("ids", []) if "answer" in page else []
    for user in dicts(answer.get("includes"), "users"):
        name, count = str(user.get("id")), _integer(user.get("public_metrics"), "followers_count")
        if count is not None and received_at >= followers.get(name, ("", 0))[0]:
            followers[name] = received_at, count
    for gone, outcome in outcomes(asked, answer).items():
        if outcome not in ("found", "absent"):
            yield gone, Seen(received_at, [], [("post", outcome)])
    media = {str(one.get("media_key")): one for one in dicts(answer.get("includes"), "media")}
    wanted = set(asked)
    for post in dicts(answer.get("data")):
        # An edit has a new id: keep the id that was asked for, unless the answer's own was asked too.
        name = next((version for version in versions(post) if version in wanted), str(post.get("id")))
        yield name, _read_post(name, post, media, received_at)


def _read_post(name: str, post: Row, media: Mapping[str, Row], received_at: str) -> Seen:
    if not re.fullmatch(r"[0-9]{1,20}", name) or not name.isascii():
        return Seen(received_at, [], [("post", "no id")])
    if _is_retweet(post):
        return Seen(received_at, [], [("post", "retweet")])
    photos, skipped = {}, []
    for key in media_keys(post):
        image_name, reason = _photo(key, media.get(key))
        if reason:
            skipped.append(("media", reason))
        else:
            photos[image_name] = media[key]["url"]
    if not photos:
        skipped.append(("post", "no photo" if skipped else "no media"))
    common = _common(name, post) if photos else {}
    return Seen(received_at, [{**common, "image_name": image, "url": url} for image, url in photos.items()], skipped)


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
    return (image_name, "") if url_shows(url, image_name) else ("", "url of another media id")


def _common(name: str, post: Row) -> Row:
    """What all photos of a post share."""
    metrics, text, author = post.get("public_metrics"), _text(post), post.get("author_id")
    reposts = _integer(metrics, "retweet_count")
    sensitive = post.get("possibly_sensitive")
    return {
        "id": name,
        "created_at": _milliseconds(post.get("created_at")),
        "like_count": _integer(metrics, "like_count"),
        "quote_count": _integer(metrics, "quote_count"),
        "reply_count": _integer(metrics, "reply_count"),
        "retweet_count": _integer(metrics, "repost_count") if reposts is None else reposts,
        "possibly_sensitive": sensitive if isinstance(sensitive, bool) else None,
        "source": "x",
        "author_id": _clean(author) if isinstance(author, str) else None,
        "text": text,
        "hashtags": _hashtags(post, text),
    }


def _is_retweet(post: Row) -> bool:
    """By its references; the current dialect gives none unasked, and there by the text a retweet always has."""
    references = dicts(post.get("referenced_tweets")) + dicts(post.get("referenced_posts"))
    if any(one.get("type") in ("retweeted", "reposted") for one in references):
        return True
    metrics = post.get("public_metrics")
    current = isinstance(metrics, dict) and "repost_count" in metrics
    return current and "referenced_posts" not in post and bool(re.match(r"RT @\w+: ", str(post.get("text"))))


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
    tags = [tag.get("tag") for tag in dicts(entities, "hashtags")] or HASHTAG.findall(text or "")
    return list(dict.fromkeys(_clean(tag).lower() for tag in tags if isinstance(tag, str)))


def _clean(text: str) -> str:
    """Text that Arrow can hold: half an emoji becomes the replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _integer(metrics: Any, name: str) -> int | None:
    value = metrics.get(name) if isinstance(metrics, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def _milliseconds(text: Any) -> int | None:
    """Milliseconds since 1970 in UTC."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    zoned = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    return (zoned - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(milliseconds=1)


def _count(seen: Iterable[Seen], photos: int) -> pa.Table:
    counted: Counter[tuple[str, str]] = Counter()
    for one in seen:
        counted.update(one.skipped)
        counted["post", "with photos"] += bool(one.rows)
    counted["media", "photo"] = photos
    return pa.Table.from_pylist(
        [{"what": w, "reason": r, "count": n} for (w, r), n in sorted(counted.items())], SKIPPED
    )
