"""Rows of CSV files by twarc-csv, tweepy, snscrape, rtweet and 4CAT, as the posts that they were made of. Pure.

A table is recognised by the names of its columns. Cells are text: an id never passes through a float. A table without
a column of media, such as the ids and texts of a tutorial, is refused: it is a list of ids.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twigma.core.values import read_flag
from twigma.rehydrate.sources.archives.legacy_formats import Row
from twigma.rehydrate.sources.archives.record import photo_media

Cells = Mapping[str, str]
Converter = Callable[[Cells], Row]
WHOLE = re.compile(
    r"(-?[0-9]{1,18})(?:\.0)?"
)  # pandas writes counts with gaps as floats
PREFIXED = re.compile(r"x([0-9]+)")  # how rtweet keeps spreadsheets from rounding ids
PHOTO = re.compile(r"https?://pbs\.twimg\.com/media/[^\s\"',;)\]}]+")
EMPTY = ("", "NA", "nan", "NaN", "None", "null")
IDS = ("id", "id_str", "tweet_id", "status_id")
RTWEET_METRICS = {
    "favorite_count": "like_count",
    "retweet_count": "retweet_count",
    "quote_count": "quote_count",
    "reply_count": "reply_count",
}


class UnknownTable(ValueError):  # noqa: N818 - it describes the table
    """A table whose columns are not those of a tool that is known."""


def converter(header: Sequence[str]) -> Converter:
    """What makes posts of the rows of a table with these columns; UnknownTable where nobody knows them."""
    names = set(header)
    if names & set(IDS) and _has_media_of_v2(header):
        return _v2
    if "id" in names and "media" in names and names & {"rawContent", "content"}:
        return _snscrape
    if "status_id" in names and names & {"ext_media_url", "media_url"}:
        return _rtweet
    if {"id", "body", "images"} <= names:
        return _fourcat
    shown = ", ".join(name[:30] for name in header[:8])
    raise UnknownTable(
        "a table without a column of media (attachments.media, media, ext_media_url, images), "
        f"but of {shown}: where it has ids, pass it to `twigma rehydrate --ids`"
    )


def _has_media_of_v2(header: Sequence[str]) -> bool:
    return any(name.split(".")[0] == "attachments" for name in header)


# ------------------------------------------------------------------ tools


def _v2(cells: Cells) -> Row:
    """A row of twarc-csv, or of a data frame of posts of API v2: a column may be a path, a cell JSON or Python."""
    post: Row = {}
    for name, cell in cells.items():
        if cell not in EMPTY:
            _put(post, name.split("."), _value(name, cell))
    post["id"] = _first(cells, IDS)
    references = post.get("referenced_tweets")
    if isinstance(references, dict):  # twarc-csv: {"retweeted": {"id": …}}
        post["referenced_tweets"] = [
            {"type": kind, **one}
            for kind, one in references.items()
            if isinstance(one, dict)
        ]
    if "__twarc.url" not in cells:
        # A data frame has the column only if somebody asked for it.
        post.setdefault("attachments", {"media_keys": []})
    if "__twarc.version" in cells and isinstance(post.get("text"), str):
        post["text"] = post["text"].replace("\\n", "\n")
    entities = post.get("entities")
    if isinstance(entities, dict) and isinstance(entities.get("hashtags"), list):
        entities["hashtags"] = [_tag(one) for one in entities["hashtags"]]
    return post


def _snscrape(cells: Cells) -> Row:
    """A row of a data frame of snscrape's posts, whose media are written as Python shows them."""
    post: Row = {}
    for name, cell in cells.items():
        if cell not in EMPTY:
            post[name] = _value(name, cell)
    post["id"] = cells["id"]
    media = cells["media"]
    urls = [url for url in _photos(media) if "name=small" not in url]
    urls = urls or _photos(media)
    post["media"] = [{"fullUrl": url} for url in urls]
    for kind in re.findall(r"\b(Video|Gif)\b", media):
        post["media"].append({"_type": f"snscrape.modules.twitter.{kind}"})
    # What a data frame shows of users, and of the posts inside, is no JSON.
    for name in ("user", "quotedTweet", "hashtags"):
        if isinstance(post.get(name), str):
            del post[name]
    if isinstance(post.get("retweetedTweet"), str):
        post["retweetedTweet"] = {}
    return post


def _rtweet(cells: Cells) -> Row:
    """A row of rtweet (before 1.0), which writes lists with blanks, and an x before ids."""
    media_cell = cells.get("ext_media_url", "")
    if media_cell in EMPTY:
        media_cell = cells.get("media_url", "")
    name = _plain_id(cells["status_id"])
    author = _plain_id(cells.get("user_id", ""))
    post = _flat_post(name, cells.get("text"), author, _photos(media_cell))
    post["created_at"] = cells.get("created_at")
    post["public_metrics"] = {
        new: _count(cells.get(old, "")) for old, new in RTWEET_METRICS.items()
    }
    followers = _count(cells.get("followers_count", ""))
    post["author"] = {"id": author, "public_metrics": {"followers_count": followers}}
    tags = cells.get("hashtags", "NA")
    if tags not in EMPTY:
        post["entities"] = {"hashtags": [_tag(tag) for tag in tags.split()]}
    if read_flag(cells.get("is_retweet", "")):
        post["referenced_tweets"] = [{"type": "retweeted"}]
    return post


def _fourcat(cells: Cells) -> Row:
    """A row of a table that 4CAT exports of posts of X."""
    author = cells.get("author_id", "")
    post = _flat_post(cells["id"], cells["body"], author, _photos(cells["images"]))
    post["created_at"] = cells.get("timestamp")
    names = ("like_count", "retweet_count", "quote_count", "reply_count")
    post["public_metrics"] = {name: _count(cells.get(name, "")) for name in names}
    followers = _count(cells.get("author_followers", ""))
    post["author"] = {"id": author, "public_metrics": {"followers_count": followers}}
    if "hashtags" in cells:
        tags = cells["hashtags"].split(",")
        post["entities"] = {"hashtags": [_tag(tag) for tag in tags if tag]}
    sensitive = read_flag(cells.get("possibly_sensitive", ""))
    if sensitive is not None:
        post["possibly_sensitive"] = sensitive
    if read_flag(cells.get("is_retweet", "")):
        post["referenced_tweets"] = [{"type": "retweeted"}]
    return post


def _flat_post(name: str, text: str | None, author: str, urls: list[str]) -> Row:
    """A post of API v2 with its photos beside it, from the cells that every such table has."""
    media = [photo_media(url) for url in urls]
    keys = [one["media_key"] for one in media]
    return {
        "id": name,
        "text": text or "",
        "author_id": author,
        "attachments": {"media_keys": keys, "media": media},
    }


# ------------------------------------------------------------------ cells


def _put(post: Row, path: list[str], value: Any) -> None:
    """Set `post["a"]["b"]` for the path a, b."""
    *parents, last = path
    for name in parents:
        inner = post.setdefault(name, {})
        if not isinstance(inner, dict):  # beside a cell with all of it
            return
        post = inner
    post[last] = value


def _value(name: str, cell: str) -> Any:
    """A cell as JSON would have it: lists, objects, counts and flags; other text, and ids, stay as they are."""
    if cell[0] in "[{":
        return _literal(cell)
    if name.lower().endswith("count"):
        return _count(cell)
    flag = read_flag(cell)
    if name == "possibly_sensitive" and flag is not None:
        return flag
    return cell


def _literal(cell: str) -> Any:
    """A cell that is written as JSON or as Python writes it; as text where it is neither."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell


def _count(cell: str) -> int | None:
    match = WHOLE.fullmatch(cell)
    return int(match[1]) if match else None


def _first(cells: Cells, names: Sequence[str]) -> str:
    """The first of these cells that is not empty."""
    for name in names:
        if cells.get(name, "") not in EMPTY:
            return _plain_id(cells[name])
    return ""


def _plain_id(cell: str) -> str:
    match = PREFIXED.fullmatch(cell)
    return match[1] if match else cell


def _photos(cell: str) -> list[str]:
    """The addresses of photos in a cell, each once."""
    return list(dict.fromkeys(PHOTO.findall(cell)))


def _tag(tag: Any) -> Any:
    return {"tag": tag.lstrip("#")} if isinstance(tag, str) else tag
