"""The posts, media and users of a world folder, indexed for the demo's X API."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]
FILES = ("posts", "media", "users")


@dataclass
class World:
    """What the API serves: rows by their key, and the live posts, newest first, for the search."""

    posts: Mapping[str, Row]
    media: Mapping[str, Row]
    users: Mapping[str, Row]
    live: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Read `posts.parquet`, `media.parquet` and `users.parquet`; FileNotFoundError when they are not there."""
        paths = [folder / f"{name}.parquet" for name in FILES]
        if not all(path.exists() for path in paths):
            names = ", ".join(path.name for path in paths)
            raise FileNotFoundError(f"no demo world at {folder}: expected {names}")
        posts, media, users = (pq.read_table(path).to_pylist() for path in paths)
        for post in posts:
            post["tags"] = hashtags(post["text"])
        live = [post for post in posts if post["state"] == "live"]
        live.sort(key=lambda post: (post["created_at"], post["id"]), reverse=True)
        return cls(_by("id", posts), _by("media_key", media), _by("id", users), live)


def hashtags(text: str) -> set[str]:
    """The hashtags of a text or a query, in lower case: X does not tell cases apart."""
    return {tag.lower() for tag in re.findall(r"#(\w+)", text)}


def _by(key: str, rows: Iterable[Row]) -> dict[str, Row]:
    return {row[key]: row for row in rows}
