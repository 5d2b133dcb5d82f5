"""Every column of the images table, declared once: name, type, unit and sentence.

The images table has one row per photo on a post, keyed by ``image_name`` (and ``id`` where one is on several). The
Parquet schema, ``datasets.Features`` and the card's field table derive from ``COLUMNS``. `twigma columns` prints it.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.names import OF_MODELS, captions_of_names, named_column
from twigma.core.tables import joined_key, take_rows

if TYPE_CHECKING:
    import datasets

EMBEDDING_DIM = 768  # CLIP ViT-L/14, the paper's embedding
PAPER_K = 10  # clusters of the paper and of the published table
# Stands for the label column where one is declared or required, whatever its number of clusters.
LABELS = "label_K_cluster"
_LABEL_COLUMN = re.compile(r"label_[1-9][0-9]*_cluster")


def label_column(k: int) -> str:
    """The name of the column that holds the labels 1 to k.

    >>> label_column(8)
    'label_8_cluster'
    """
    return f"label_{k}_cluster"


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
        label_column(PAPER_K),
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
        "Posts of the id list this one stands for; null if not sampled, which counts as 1.",
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
        "path",
        pa.string(),
        "path",
        "Where an image that was added by hand was: below the folder or archive that was named.",
    ),
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
    Column(
        "duplicate_cosine",
        pa.float32(),
        "cosine",
        "Of the embeddings of this image and duplicate_of, where the reason is near.",
    ),
]
COLUMNS: Mapping[str, Column] = {column.name: column for column in _DECLARED}
PUBLISHED = tuple(column.name for column in _DECLARED[:12])
METADATA = tuple(c.name for c in _DECLARED if c.public and c.name != "embedding")
KEY = ("id", "image_name")


# ------------------------------------------------------------------ names


def find_label_column(names: Iterable[str]) -> str | None:
    """The label column among these names, None where there is none; ValueError where labels of two clusterings are.

    >>> find_label_column(["image_name", "label_8_cluster"])
    'label_8_cluster'
    """
    found = [name for name in names if _LABEL_COLUMN.fullmatch(name)]
    if len(found) > 1:
        raise ValueError(
            f"expected the labels of one clustering, found {' and '.join(found)}: drop all but one of these columns"
        )
    return found[0] if found else None


def present(names: Iterable[str], of: Iterable[str]) -> list[str]:
    """`names` as a table with the columns `of` has them: LABELS is the label column that is there, if any is.

    >>> present(["image_name", LABELS], ["image_name", "label_8_cluster"])
    ['image_name', 'label_8_cluster']
    """
    label = find_label_column(of) or LABELS
    return [label if name == LABELS else name for name in names]


def those_of(names: Iterable[str], of: Collection[str]) -> list[str]:
    """`present`, without what is not among the columns `of`.

    >>> those_of(["image_name", "source", LABELS], ["image_name", "label_8_cluster"])
    ['image_name', 'label_8_cluster']
    """
    return [name for name in present(names, of) if name in of]


def metadata(of: Collection[str]) -> list[str]:
    """The public columns in their order, for a table with the columns `of`: its labels and captions by their names."""
    label = find_label_column(of) or label_column(PAPER_K)
    listed = []
    for name in METADATA:
        if name == label_column(PAPER_K):
            listed.append(label)
        else:
            listed.append(name)
        if name == "all_captions":
            listed += captions_of_names(of)
    return listed


def named(part: pa.Table, name: str) -> pa.Table:
    """A part, one row per image, with the columns of models called by a name; as it is by the default one, ""."""
    if not name:
        return part
    return part.rename_columns([named_column(c, name) for c in part.column_names])


def declared(name: str) -> Column:
    """The declaration of a column; KeyError where there is none.

    Labels of any number of clusters have one, and so has what several models make, whatever it is called.
    """
    if name == LABELS or _LABEL_COLUMN.fullmatch(name):
        return replace(COLUMNS[label_column(PAPER_K)], name=name)
    for base in OF_MODELS:
        if name.startswith(f"{base}_"):
            doc = f"{COLUMNS[base].doc} By the model of that name."
            return replace(COLUMNS[base], name=name, doc=doc)
    return COLUMNS[name]


# ------------------------------------------------------------------ schemas and tables


def schema(names: Iterable[str]) -> pa.Schema:
    """The Parquet schema of these columns, with each column's unit and sentence as field metadata."""
    return pa.schema([_field(declared(name)) for name in names])


def _field(column: Column) -> pa.Field:
    metadata = {"unit": column.unit, "doc": column.doc}
    return pa.field(column.name, column.type, metadata=metadata)


def features(names: Iterable[str]) -> "datasets.Features":
    """The same columns as `datasets.Features`."""
    from datasets import Features

    return Features.from_arrow_schema(schema(names))


def field_table(names: Iterable[str]) -> str:
    """The columns as a Markdown table, for the dataset card."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for name in names:
        column = declared(name)
        lines.append(f"| `{name}` | {column.type} | {column.unit} | {column.doc} |")
    return "\n".join(lines)


def require(table: pa.Table, names: Iterable[str], where: str) -> None:
    """Raise ValueError unless `table`, one row per image, has these columns with their declared types.

    LABELS among the names is any label column.
    """
    names = present(names, table.column_names)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(
            f"{where}: expected columns {missing}, found {table.column_names}"
        )
    for name in names:
        actual, expected = table.schema.field(name).type, declared(name).type
        if not _same_type(actual, expected):
            raise ValueError(
                f"{where}: column {name!r} is declared {expected}, found {actual}"
            )


def _same_type(actual: pa.DataType, expected: pa.DataType) -> bool:
    """Equal, or both fixed-size lists of one value type: an embedding may be of another model's length."""
    if pa.types.is_fixed_size_list(actual) and pa.types.is_fixed_size_list(expected):
        return bool(actual.value_type == expected.value_type)
    return bool(actual == expected)


def add(table: pa.Table, **values: Any) -> pa.Table:
    """`table` [n rows] with these columns added or replaced: Arrow arrays or sequences, one value for each row.

    Values are cast to the declared type of their column (an embedding keeps its length); pa.ArrowInvalid where they
    cannot be.
    """
    for name, value in values.items():
        column = declared(name)
        array = value
        if not isinstance(array, pa.Array | pa.ChunkedArray):
            array = pa.array(array, column.type)
        if not _same_type(array.type, column.type):
            array = array.cast(column.type)
        field = _field(column).with_type(array.type)
        if name in table.column_names:
            index = table.schema.get_field_index(name)
            table = table.set_column(index, field, array)
        else:
            table = table.append_column(field, array)
    return table


def join(table: pa.Table, part: pa.Table) -> pa.Table:
    """Add the columns of `part` to `table` by `image_name`, or by (`id`, `image_name`) where the part has both.

    Rows of `table` keep their order; one without a row in `part` has nulls.
    """
    keys = [key for key in KEY if key in part.column_names]
    row = pc.index_in(_key(table, keys), value_set=_key(part, keys))
    for name in part.column_names:
        if name not in keys:
            table = add(table, **{name: take_rows(part[name], row)})
    return table


def _key(table: pa.Table, keys: list[str]) -> pa.Array:
    """One value per row by which tables are joined."""
    parts = [table[key].combine_chunks() for key in keys]
    return parts[0] if len(parts) == 1 else joined_key(*parts)
