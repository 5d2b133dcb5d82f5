"""What a release holds, in numbers: every number in the card, the datasheet and the Croissant file is counted here."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.builder.release.chosen import Part
from twigma.builder.release.column_origins import Origin
from twigma.builder.release.identity import Identity
from twigma.core import columns
from twigma.core.numeric.months import distinct_per_month

OWN, X = "local", "x"  # values of `source`
SENSITIVE = 0.5  # NSFW score above which an image counts as sensitive, as in the paper
# Columns of posts: empty for images that are on none.
OF_POSTS = ("created_at", "like_count", "quote_count", "reply_count", "retweet_count")


@dataclass(frozen=True)
class Facts:
    """A release, as its texts need it.

    `metadata` are the released rows with every public column; `collected` the kinds of pages that the posts came from
    (search, lookup, import); `files` its Parquet files as MANIFEST.json lists them; `content` a SHA-256 over them.
    """

    identity: Identity
    version: str
    date: datetime.date
    metadata: pa.Table
    embeddings: int
    dimensions: Mapping[str, int]  # length of an embedding, by configuration
    embedding_type: str  # float16 or float32
    dropped: Mapping[str, int]
    models: Mapping[str, Mapping[str, Any]]
    origins: Sequence[Origin]
    collected: Sequence[str]
    near_duplicates: str
    nsfw_threshold: float | None
    files: Mapping[str, Mapping[str, Any]]
    content: str
    doi: str = ""  # the line on DOIs of earlier versions
    history: Sequence[Mapping[str, Any]] = ()  # newest first, of `version_history.py`
    part: Part | None = None  # what it is part of, where its images were selected

    @property
    def rows(self) -> int:
        """Images that are released."""
        return len(self.metadata)

    @property
    def found(self) -> int:
        """Rows before any was left out."""
        return self.rows + sum(self.dropped.values())

    @cached_property
    def columns(self) -> list[str]:
        """The public columns in their order."""
        return columns.metadata(self.metadata.column_names)

    @cached_property
    def configs(self) -> dict[str, list[str]]:
        """The columns of each configuration that has Parquet files."""
        embedded = {name: ["image_name", "embedding"] for name in self.dimensions}
        return {"metadata": self.columns, **embedded}

    @cached_property
    def images_by_source(self) -> dict[str, int]:
        """Images of each source, the largest first; a row without one is of X."""
        counted = pc.fill_null(self.metadata["source"], X).value_counts().to_pylist()
        counts = {str(each["values"]): int(each["counts"]) for each in counted}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def own(self) -> int:
        """Images that were added from files, and are on no post."""
        return self.images_by_source.get(OWN, 0)

    @property
    def on_posts(self) -> int:
        """Images that are on posts."""
        return self.rows - self.own

    @property
    def from_x(self) -> int:
        """Images on posts of X."""
        return self.images_by_source.get(X, 0)

    @cached_property
    def posts(self) -> int:
        """Distinct posts that the images are on."""
        return count_posts(self.metadata)

    @cached_property
    def months(self) -> dict[str, int]:
        """Posts in each month; images, where none is on a post."""
        key = "id" if self.on_posts else "image_name"
        return distinct_per_month(self.metadata, key)

    @property
    def counted(self) -> str:
        """What `months` counts."""
        return "posts" if self.on_posts else "images"

    @cached_property
    def days(self) -> tuple[str, str] | None:
        """The days of the first and the last post; None where no row has a date."""
        ends = pc.min_max(self.metadata["created_at"]).as_py()
        if ends["min"] is None:
            return None
        return ends["min"].date().isoformat(), ends["max"].date().isoformat()

    @cached_property
    def missing(self) -> dict[str, int]:
        """Rows without a value, by column, of those columns that have any value at all and lack some."""
        counts = {}
        for name in self.columns:
            nulls = self.metadata[name].null_count
            if 0 < nulls < self.rows:
                counts[name] = nulls
        return counts

    @cached_property
    def empty(self) -> list[str]:
        """Columns in which no row has a value."""
        return [n for n in self.columns if self.metadata[n].null_count == self.rows]

    def has(self, name: str) -> bool:
        """Whether any row has a value in this column."""
        return name not in self.empty

    @cached_property
    def marked(self) -> int:
        """Images on posts that are marked as possibly sensitive."""
        return pc.sum(self.metadata["possibly_sensitive"]).as_py() or 0

    @cached_property
    def scored_above(self) -> int:
        """Images whose NSFW score is above SENSITIVE."""
        above = pc.greater(self.metadata["nsfw_score"], SENSITIVE)
        return pc.sum(above).as_py() or 0

    @property
    def is_sensitive(self) -> bool:
        """Whether something in it may not be for all audiences; on posts, where no score says otherwise, too."""
        unknown = self.on_posts > 0 and not self.has("nsfw_score")
        return bool(self.marked or self.scored_above or unknown)

    def example(self) -> dict[str, Any]:
        """The row with the fewest empty columns among those nothing calls sensitive, the first of several."""
        score = pc.fill_null(self.metadata["nsfw_score"], 0.0)
        marked = pc.fill_null(self.metadata["possibly_sensitive"], False)
        harmless = pc.and_(pc.less_equal(score, SENSITIVE), pc.invert(marked))
        rows = self.metadata.select(self.columns).filter(harmless)
        if not len(rows):
            return {}
        empty = pa.repeat(pa.scalar(0), len(rows))
        for name in self.columns:
            empty = pc.add(empty, rows[name].is_null().cast(pa.int64()))
        fewest = pc.index(empty, pc.min(empty)).as_py()
        row: dict[str, Any] = rows.slice(fewest, 1).to_pylist()[0]
        return row


def count_posts(metadata: pa.Table) -> int:
    """The number of distinct posts; images added from files are on none."""
    if "source" not in metadata.column_names:  # the authors' table: posts only
        return len(pc.unique(metadata["id"].drop_null()))
    added = pc.fill_null(pc.equal(metadata["source"], OWN), False)
    return len(pc.unique(metadata["id"].filter(pc.invert(added)).drop_null()))
