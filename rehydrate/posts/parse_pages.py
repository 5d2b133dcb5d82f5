"""Raw pages of the X API, in either dialect, to the images table: one row per photo on a post. Pure.

Videos, retweets and posts without a photo are left out and counted; so are posts on pages that do not show which
photos they have. `twigma rehydrate`, `collect` and `import` read their pages through it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from twigma.core import columns
from twigma.core.values import clean_text
from twigma.rehydrate.ids.post_id import why_bad
from twigma.rehydrate.posts.merge_snapshots import merge_snapshots, ordered
from twigma.rehydrate.posts.page_content import (
    EXISTS,
    dicts,
    is_archived,
    is_retweet,
    media_keys,
    outcomes,
    shown_media,
    shows_photos,
    versions,
)
from twigma.rehydrate.posts.post_fields import (
    Row,
    count_of,
    hashtags_of,
    media_id,
    microseconds,
    milliseconds,
    text_of,
    url_shows,
)
from twigma.rehydrate.posts.row_numbers import ALL_PHOTOS, NO_PHOTOS, SOME_PHOTOS

# Raise it when this module, `post_fields` or `page_content` reads the same pages differently: parts parsed by
# another revision are parsed again.
REVISION = 3
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
# Parsed pages: a row per photo, per thing left out (what, reason) and per author (what = user), received at a time in
# microseconds. `begins` marks the first row of every statement: the rows up to the next mark are of the same post.
# `photos_known` is how much a statement says of the post's photos, as `merge_snapshots` names it; null of a post that
# is gone.
_ABOUT = pa.schema(
    [
        ("received_at", pa.int64()),
        ("what", pa.string()),
        ("reason", pa.string()),
        ("begins", pa.bool_()),
        ("photos_known", pa.int8()),
    ]
)
PARSED = pa.schema([*columns.schema(IMAGES).remove_metadata(), *_ABOUT])
BATCH = 2000  # rows held as Python objects at a time


def posts(pages: Iterable[Mapping[str, Any]]) -> tuple[pa.Table, pa.Table]:
    """The images table of these pages, and a table (what, reason, count) of what it holds and leaves out.

    A page is a record of `WORK/pages` or a bare answer. Of a post on several pages each field is that of the last
    page that has it, and a post that a later page reports as gone has no row. Rows are sorted by (created_at, id,
    image_name).
    """
    part = parse(pages)
    merged = merge_snapshots([lambda: part])
    schema = columns.schema(IMAGES)
    tables = list(ordered([lambda: part], merged, schema))
    return pa.concat_tables([schema.empty_table(), *tables]), merged.skipped


def parse(pages: Iterable[Mapping[str, Any]]) -> pa.Table:
    """All that these pages say of posts and authors: a table of schema PARSED, in the order of the pages."""
    tables = [PARSED.empty_table()]
    rows: list[Row] = []
    for page in pages:
        rows += _page_rows(page)
        if len(rows) >= BATCH:
            tables.append(pa.Table.from_pylist(rows, PARSED))
            rows = []
    return pa.concat_tables([*tables, pa.Table.from_pylist(rows, PARSED)])


def _page_rows(page: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of every author and post on a page."""
    answer = page.get("answer", page)
    received_at = microseconds(page.get("received_at"))
    request = page.get("request", {}) if "answer" in page else {}
    users = dicts(answer.get("includes"), "users")
    about_users = "users" in request
    if about_users:
        users = dicts(answer.get("data"))
    for user in users:
        followers = count_of(user.get("public_metrics"), "followers_count")
        if followers is None:
            continue
        yield {
            "author_id": clean_text(str(user.get("id"))),
            "follower_count": followers,
            "what": "user",
            "received_at": received_at,
            "begins": True,
        }
    if about_users:
        return
    for name, rows in _answer_rows(answer, request):
        for at, row in enumerate(rows):
            row["id"] = clean_text(name)
            row["received_at"] = received_at
            row["begins"] = at == 0
            yield row


def _answer_rows(
    answer: Mapping[str, Any], request: Mapping[str, Any]
) -> Iterator[tuple[str, list[Row]]]:
    """(id, its rows) of every post in an answer."""
    asked = request.get("ids", [])
    archived = is_archived(request)
    for name, outcome in outcomes(asked, answer, archived=archived).items():
        if outcome not in (*EXISTS, "absent"):
            yield name, [{"what": "post", "reason": outcome}]
    media = shown_media(answer)
    wanted = set(asked)  # empty for a search, where every post has its own id
    for post in dicts(answer.get("data")):
        # An edit has a new id: keep the id that was asked for, unless the answer's own was asked too.
        own_id = str(post.get("id"))
        asked_versions = [name for name in versions(post) if name in wanted]
        name = asked_versions[0] if asked_versions else own_id
        rows = _post_rows(name, post, media, archived)
        yield name, rows


def _post_rows(
    name: str, post: Row, media: Mapping[str, Row], archived: bool
) -> list[Row]:
    """A row per photo and per thing left out of one post."""
    if why_bad(name):
        return [{"what": "post", "reason": "no id", "photos_known": ALL_PHOTOS}]
    if is_retweet(post):
        return [{"what": "post", "reason": "retweet", "photos_known": ALL_PHOTOS}]
    photos: dict[str, str] = {}
    rows: list[Row] = []
    for key in media_keys(post):
        image_name, reason = _photo(key, media.get(key))
        if reason:
            rows.append({"what": "media", "reason": reason})
        else:
            photos[image_name] = media[key]["url"]
    is_complete = shows_photos(post, media, archived=archived)
    known = SOME_PHOTOS if photos else NO_PHOTOS
    if is_complete:
        known = ALL_PHOTOS
    # One row a photo; texts and counts are those of the post.
    shared = _shared_columns(post)
    for image_name, url in photos.items():
        photo = {"what": "media", "reason": "photo", "image_name": image_name}
        rows.append({**shared, **photo, "url": url})
    if not photos and not is_complete:
        # Another page may have the photos: this one says what else it knows.
        rows.append({**shared, "what": "post", "reason": "photos unknown"})
    elif not photos:
        reason = "no photo" if rows else "no media"
        rows.append({"what": "post", "reason": reason})
    for row in rows:
        row["photos_known"] = known
    return rows


def _photo(key: str, media: Row | None) -> tuple[str, str]:
    """(image name, "") of a photo that can be fetched, or ("", why it cannot)."""
    if media is None:
        return "", "not in the answer"
    if media.get("type") != "photo":
        return "", str(media.get("type"))[:20]
    image_name = media_id(key)
    url = media.get("url")
    if image_name is None:
        return "", "no media id"
    if not isinstance(url, str):
        return "", "no url"
    if not url_shows(url, image_name):
        return "", "url of another media id"
    return image_name, ""


def _shared_columns(post: Row) -> Row:
    """What all photos of a post share."""
    metrics = post.get("public_metrics")
    text = text_of(post)
    author = post.get("author_id")
    sensitive = post.get("possibly_sensitive")
    reposts = count_of(metrics, "retweet_count")
    if reposts is None:
        reposts = count_of(metrics, "repost_count")  # its name in the current dialect
    return {
        "created_at": milliseconds(post.get("created_at")),
        "like_count": count_of(metrics, "like_count"),
        "quote_count": count_of(metrics, "quote_count"),
        "reply_count": count_of(metrics, "reply_count"),
        "retweet_count": reposts,
        "possibly_sensitive": sensitive if isinstance(sensitive, bool) else None,
        "source": "x",
        "author_id": clean_text(author) if isinstance(author, str) else None,
        "text": text,
        "hashtags": hashtags_of(post, text),
    }
