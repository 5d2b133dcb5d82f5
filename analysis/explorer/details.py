"""What the served explorer says of one image: release and private columns, its picture or why there is none.

Everything leaves as plain text; the page sets it as text. A link is written only from an id that is a number.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.analysis.explorer.page import Explorer
from twigma.analysis.page.gallery import sensitive
from twigma.core import columns
from twigma.core.workspace import Workspace

POST = "https://x.com/i/status/"
TEXT_UP_TO = 4_000  # characters of a caption or a post
Fact = tuple[str, str, str]  # what it is, what it says, where it links to
# Columns of one image that are shown as they are.
COUNTS = {
    "like_count": "Likes",
    "quote_count": "Quotes",
    "reply_count": "Replies",
    "retweet_count": "Reposts",
}


class Details:
    """The rows behind the points of an explorer; texts come from the working folder, where they are."""

    def __init__(self, explorer: Explorer, work: Workspace) -> None:
        self.table = _with_private(explorer.points.table, work)
        self.rows = explorer.points.rows
        self.sensitive = sensitive(self.table)
        self.labels = columns.find_label_column(self.table.column_names)

    def row(self, point: int) -> dict[str, Any]:
        """All that is known of the image of a point."""
        place = int(self.rows[point])
        row: dict[str, Any] = self.table.slice(place, 1).to_pylist()[0]
        return row

    def name(self, point: int) -> str:
        """The `image_name` of a point."""
        return str(self.table["image_name"][int(self.rows[point])])

    def is_sensitive(self, point: int) -> bool:
        """Whether its picture may be sensitive: by its score or its post, or because neither is known."""
        return bool(self.sensitive[self.rows[point]])

    def describe(self, point: int) -> dict[str, Any]:
        """Title, caption and facts of the image of a point."""
        row = self.row(point)
        return {
            "title": f"Image {row['image_name']}",
            "caption": _text(row.get("all_captions")),
            "sensitive": self.is_sensitive(point),
            "facts": [fact for fact in self._facts(row) if fact[1]],
        }

    def _facts(self, row: dict[str, Any]) -> Iterator[Fact]:
        time, post = row.get("created_at"), _text(row.get("id"))
        yield (
            "Date",
            f"{time:%Y-%m-%d %H:%M} UTC" if isinstance(time, datetime) else "",
            "",
        )
        for column, title in COUNTS.items():
            yield title, _whole(row.get(column)), ""
        label = row.get(self.labels) if self.labels else None
        yield "Cluster", _whole(label), ""
        score = row.get("nsfw_score")
        yield "NSFW score", "" if _is_missing(score) else f"{score:.3f}", ""
        if row.get("possibly_sensitive") is not None:
            yield (
                "Marked as sensitive",
                "yes" if row["possibly_sensitive"] else "no",
                "",
            )
        yield "Caption", _text(row.get("all_captions")), ""
        yield "Post", _text(row.get("text")), ""
        yield "Post id", post, _link(post, row.get("source"))


def _link(post: str, source: Any) -> str:
    """The address of a post on X; empty for images that are on none."""
    is_id = post.isascii() and post.isdecimal()
    return POST + post if is_id and source in (None, "x") else ""


def _with_private(table: pa.Table, work: Workspace) -> pa.Table:
    """The rows with the text of their posts, and their captions where the release has none."""
    if work.images_file.exists():
        names = pq.read_schema(work.images_file).names
        wanted = [name for name in ("id", "image_name", "text") if name in names]
        if "text" in wanted:
            private = pq.read_table(work.images_file, columns=wanted)
            table = columns.join(table.drop_columns(_in(table, "text")), private)
    if "all_captions" not in table.column_names and work.has("caption"):
        captions = work.read("caption").select(["image_name", "all_captions"])
        table = columns.join(table, captions)
    return table


def _in(table: pa.Table, name: str) -> list[str]:
    return [name] if name in table.column_names else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:TEXT_UP_TO]


def _whole(value: Any) -> str:
    """A whole number, with its thousands apart; empty where there is none."""
    return "" if _is_missing(value) else f"{int(value):,}"


def _is_missing(value: Any) -> bool:
    return value is None or not math.isfinite(value)
