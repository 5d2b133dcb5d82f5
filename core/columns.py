"""Every column of the images table, declared once: name, type, unit and sentence.

The images table has one row per photo on a post, keyed by ``image_name`` (and ``id`` where one is on several). The
Parquet schema, ``datasets.Features`` and the card's field table derive from ``COLUMNS``. `twigma columns` prints it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import datasets

EMBEDDING_DIM = 768  # CLIP ViT-L/14, the paper's embedding (section 2.2)


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, unit, a sentence for the card, and whether a release may carry it."""

    name: str
    type: pa.DataType
    unit: str
    doc: str
    public: bool = False


_DECLARED = [
    # The twelve published columns, in the published order.
    Column(
        "id", pa.string(), "post id", "Id of the post the image was found on.", True
    ),
    Column(
        "image_name",
        pa.string(),
        "media id",
        "Id of the image; the key of every join.",
        True,
    ),
    Column(
        "created_at",
        pa.timestamp("ms"),
        "UTC",
        "When the post was written (naive timestamp in UTC).",
        True,
    ),
    Column(
        "like_count",
        pa.int64(),
        "likes",
        "Likes of the post when it was looked up; null if unknown.",
        True,
    ),
    Column(
        "quote_count",
        pa.int64(),
        "quotes",
        "Quotes of the post when it was looked up.",
        True,
    ),
    Column(
        "reply_count",
        pa.int64(),
        "replies",
        "Replies to the post when it was looked up.",
        True,
    ),
    Column(
        "all_captions",
        pa.string(),
        "English text",
        "Caption written by BLIP from the pixels.",
        True,
    ),
    Column(
        "label_10_cluster",
        pa.int32(),
        "1 to k",
        "k-means cluster of the CLIP embedding, at first by size.",
        True,
    ),
    Column(
        "possibly_sensitive",
        pa.bool_(),
        "flag",
        "The platform marks the post as possibly sensitive.",
        True,
    ),
    Column(
        "nsfw_score",
        pa.float32(),
        "0 to 1",
        "Score of LAION's CLIP-based NSFW detector.",
        True,
    ),
    Column(
        "UMAP_dim_1",
        pa.float32(),
        "map unit",
        "First coordinate of the 2-D UMAP of the embeddings.",
        True,
    ),
    Column(
        "UMAP_dim_2",
        pa.float32(),
        "map unit",
        "Second coordinate of the 2-D UMAP of the embeddings.",
        True,
    ),
    # Ours, public.
    Column(
        "retweet_count",
        pa.int64(),
        "reposts",
        "Reposts of the post when it was looked up.",
        True,
    ),
    Column(
        "source",
        pa.string(),
        "name",
        "Where the post comes from: x, or local for images added by hand.",
        True,
    ),
    Column("width", pa.int32(), "px", "Width of the stored image.", True),
    Column("height", pa.int32(), "px", "Height of the stored image.", True),
    Column(
        "sample_weight",
        pa.float64(),
        "posts",
        "Posts of the id list this one stands for; 1 if not sampled.",
        True,
    ),
    Column(
        "embedding",
        pa.list_(pa.float16(), EMBEDDING_DIM),
        "unit vector",
        "CLIP image embedding, L2 norm 1.",
        True,
    ),
    # Ours, private: needed by stages and analyses, never released.
    Column("author_id", pa.string(), "user id", "Author of the post."),
    Column(
        "follower_count",
        pa.int64(),
        "followers",
        "Followers of the author when looked up.",
    ),
    Column("text", pa.string(), "text", "Text of the post."),
    Column(
        "hashtags",
        pa.list_(pa.string()),
        "tags",
        "Hashtags of the post, lower case, without #.",
    ),
    Column("url", pa.string(), "URL", "Where the image is fetched from."),
    Column(
        "group",
        pa.string(),
        "label",
        "Artist or prompt an image of a reference set belongs to.",
    ),
    Column(
        "status",
        pa.string(),
        "class",
        "Outcome of the fetch: success, or the class of failure.",
    ),
    Column("error", pa.string(), "text", "Why the fetch failed."),
    Column("sha256", pa.string(), "hex", "SHA-256 of the stored image bytes."),
    Column("pixel_hash", pa.string(), "hex", "Hash of the decoded pixels."),
    Column(
        "image",
        pa.binary(),
        "bytes",
        "The encoded image, while a stage works on it; lives in the tars.",
    ),
    Column(
        "duplicate_of",
        pa.string(),
        "media id",
        "image_name of the kept image this row repeats; null if kept.",
    ),
    Column(
        "duplicate_reason",
        pa.string(),
        "class",
        "media_id, embedding, pixels, near or generation; else null.",
    ),
]
COLUMNS: Mapping[str, Column] = {column.name: column for column in _DECLARED}
PUBLISHED = tuple(column.name for column in _DECLARED[:12])
METADATA = tuple(c.name for c in _DECLARED if c.public and c.name != "embedding")
KEY = ("id", "image_name")


def schema(names: Iterable[str]) -> pa.Schema:
    """The Parquet schema of these columns, with each column's unit and sentence as field metadata."""
    picked = [COLUMNS[name] for name in names]
    return pa.schema(
        [
            pa.field(c.name, c.type, metadata={"unit": c.unit, "doc": c.doc})
            for c in picked
        ]
    )


def features(names: Iterable[str]) -> "datasets.Features":
    """The same columns as `datasets.Features`."""
    from datasets import Features

    return Features.from_arrow_schema(schema(names))


def field_table(names: Iterable[str]) -> str:
    """The columns as a Markdown table, for the dataset card."""
    rows = [
        f"| `{c.name}` | {c.type} | {c.unit} | {c.doc} |"
        for c in (COLUMNS[name] for name in names)
    ]
    return "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *rows])


def require(table: pa.Table, names: Iterable[str], where: str) -> None:
    """Raise ValueError unless `table` has these columns with their declared types."""
    names = list(names)
    if missing := [name for name in names if name not in table.column_names]:
        raise ValueError(
            f"{where}: expected columns {missing}, found {table.column_names}"
        )
    for name in names:
        found, declared = table.schema.field(name).type, COLUMNS[name].type
        if not _same_type(found, declared):
            raise ValueError(
                f"{where}: column {name!r} is declared {declared}, found {found}"
            )


def _same_type(found: pa.DataType, declared: pa.DataType) -> bool:
    """Equal, or both fixed-size lists of one value type: an embedding may be of another model's length."""
    if pa.types.is_fixed_size_list(found) and pa.types.is_fixed_size_list(declared):
        return bool(found.value_type == declared.value_type)
    return bool(found == declared)


def add(table: pa.Table, **values: Any) -> pa.Table:
    """`table` with these columns added or replaced, cast to their declared types (an embedding keeps its length)."""
    for name, value in values.items():
        array = (
            value
            if isinstance(value, pa.Array | pa.ChunkedArray)
            else pa.array(value, COLUMNS[name].type)
        )
        if not _same_type(array.type, COLUMNS[name].type):
            array = array.cast(COLUMNS[name].type)
        field = schema([name]).field(0).with_type(array.type)
        index = table.schema.get_field_index(name)
        table = (
            table.append_column(field, array)
            if index < 0
            else table.set_column(index, field, array)
        )
    return table


def join(table: pa.Table, part: pa.Table) -> pa.Table:
    """Add the columns of `part` to `table` by `image_name`, or by (`id`, `image_name`) where the part has both."""
    keys = [key for key in KEY if key in part.column_names]
    found = pc.index_in(_key(table, keys), value_set=_key(part, keys))
    for name in part.column_names:
        if name not in keys:
            table = add(table, **{name: part[name].combine_chunks().take(found)})
    return table


def _key(table: pa.Table, keys: list[str]) -> pa.Array:
    if len(keys) == 1:
        return table[keys[0]].combine_chunks()
    parts = [
        table[key].combine_chunks() for key in keys
    ]  # images added by hand stand on no post: their id is null
    return pc.binary_join_element_wise(
        *parts, "/", null_handling="replace", null_replacement=""
    )
