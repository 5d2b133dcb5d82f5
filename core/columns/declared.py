"""The declarations: one entry a column, in the order in which the card lists them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

EMBEDDING_DIM = 768  # CLIP ViT-L/14, the paper's embedding
PAPER_K = 10  # clusters of the paper and of the published table


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
        "Score of an NSFW detector, which the card names; LAION's unless another was chosen.",
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
ORDER = ("created_at", *KEY)  # of the rows of the images table and of a release
