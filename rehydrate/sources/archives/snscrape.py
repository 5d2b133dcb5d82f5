"""Posts as snscrape writes them in JSON lines, in the shape of API v2. Pure.

Its photos have no media id beside the URL, which shows it. It always has `media`: null where a post has none.
"""

from typing import Any

from twigma.rehydrate.posts.page_content import dicts
from twigma.rehydrate.sources.archives.legacy_formats import (
    Row,
    author_of,
    id_text,
    inner,
    number,
    scalars,
)
from twigma.rehydrate.sources.archives.record import Record, make_record, photo_media

METRICS = {  # name in snscrape -> name in v2
    "likeCount": "like_count",
    "retweetCount": "retweet_count",
    "quoteCount": "quote_count",
    "replyCount": "reply_count",
}
TEXTS = ("rawContent", "content")  # since version 0.5, and before


def is_snscrape(value: Row) -> bool:
    """Whether a JSON object is a post of snscrape."""
    has_text = any(isinstance(value.get(name), str) for name in TEXTS)
    return has_text and any(name in value for name in METRICS)


def read_snscrape(value: Row, captured: str) -> Record | str:
    """One post; a text that says why where its id is none."""
    user = inner(value, "user")
    text = value.get("rawContent", value.get("content"))
    fields = {
        "text": text,
        "created_at": value.get("date"),
        "author_id": id_text(user),
    }
    metrics = {new: number(value.get(old)) for old, new in METRICS.items()}
    post: Row = {**scalars(fields), "public_metrics": scalars(metrics)}
    if "hashtags" in value:
        post["entities"] = {"hashtags": _tags(value["hashtags"])}
    if isinstance(value.get("retweetedTweet"), dict):
        post["referenced_tweets"] = [{"type": "retweeted"}]
    media = _media(value) if "media" in value else None
    author = author_of(id_text(user), user.get("followersCount"))
    name = id_text(value) or value.get("id")
    return make_record(name, captured, post, media, author)


def snscrape_originals(value: Row) -> list[Row]:
    """The posts that it quotes or repeats."""
    found = [value.get(name) for name in ("retweetedTweet", "quotedTweet")]
    return [one for one in found if isinstance(one, dict)]


def _media(value: Row) -> list[Row]:
    media: list[Row] = []
    for at, one in enumerate(dicts(value.get("media"))):
        url = one.get("fullUrl")
        if isinstance(url, str):
            media.append(photo_media(url))
        else:
            kind = str(one.get("_type", one.get("type"))).rpartition(".")[2].lower()
            name = "animated_gif" if kind == "gif" else "video"
            media.append({"media_key": f"{name} {at}", "type": name})
    return media


def _tags(names: Any) -> list[Row]:
    if not isinstance(names, list):
        return []
    return [{"tag": name} for name in names if isinstance(name, str)]
