"""An archive of many posts as `twarc2` writes it, and a list of their ids: for `benchmarks/growth.py`.

The posts are those of `invented_posts.py`, the earliest first. Alone it does nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.invented_posts import Media, Posts, name_post

PAGE = 100  # posts
CAPTURED = "2023-04-01T00:00:00+00:00"
METRICS = ("like_count", "quote_count", "reply_count", "retweet_count")


def write_ids(path: Path, count: int) -> None:
    """A CSV of so many ids in no order."""
    order = np.random.default_rng(0).permutation(count)
    with path.open("w", encoding="ascii") as file:
        file.write("id\n")
        for number in order.tolist():
            file.write(f"{name_post(number)}\n")


def write_archive(path: Path, count: int) -> None:
    """Pages of so many posts."""
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, count, PAGE):
            numbers = range(first, min(first + PAGE, count))
            file.write(json.dumps(_page(numbers)) + "\n")


def _page(numbers: range) -> dict[str, Any]:
    rows = [Posts()[name_post(number)] for number in numbers]
    authors = sorted({row["author_id"] for row in rows})
    return {
        "data": [_post(row) for row in rows],
        "includes": {
            "media": list(_media(rows)),
            "users": [_user(name) for name in authors],
        },
        "meta": {"result_count": len(rows)},
        "__twarc": {"url": "x", "version": "2.13.0", "retrieved_at": CAPTURED},
    }


def _post(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "text": row["text"],
        "created_at": f"{row['created_at'].isoformat()}.000Z",
        "author_id": row["author_id"],
        "possibly_sensitive": row["possibly_sensitive"],
        "public_metrics": {name: row[name] for name in METRICS},
        "attachments": {"media_keys": row["media_keys"]},
        "entities": {"hashtags": [{"start": 0, "end": 6, "tag": "AIart"}]},
        "lang": "en",
    }


def _media(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for key in row["media_keys"]:
            photo = Media()[key]
            address = f"https://pbs.twimg.com/media/{photo['name']}.jpg"
            size = {"width": photo["width"], "height": photo["height"]}
            yield {"media_key": key, "type": "photo", "url": address, **size}


def _user(name: str) -> dict[str, Any]:
    followers = int(name) % 5000
    return {
        "id": name,
        "username": f"painter{name}",
        "public_metrics": {"followers_count": followers},
    }


if __name__ == "__main__":
    pass
