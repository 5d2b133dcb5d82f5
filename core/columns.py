"""Every column of the images table, declared once; the contract of a stage; atomic, resumable writes.

The images table has one row per photo on a post, keyed by ``image_name`` (and ``id`` where one is on several). The
Parquet schema, ``datasets.Features`` and the card's field table derive from ``COLUMNS``. `twigma columns` prints it.
"""

import functools
import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import checksum

if TYPE_CHECKING:
    import datasets

P = ParamSpec("P")
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
    Column("id", pa.string(), "post id", "Id of the post the image was found on.", True),
    Column("image_name", pa.string(), "media id", "Id of the image; the key of every join.", True),
    Column("created_at", pa.timestamp("ms"), "UTC", "When the post was written (naive timestamp in UTC).", True),
    Column("like_count", pa.int64(), "likes", "Likes of the post when it was looked up; null if unknown.", True),
    Column("quote_count", pa.int64(), "quotes", "Quotes of the post when it was looked up.", True),
    Column("reply_count", pa.int64(), "replies", "Replies to the post when it was looked up.", True),
    Column("all_captions", pa.string(), "English text", "Caption written by BLIP from the pixels.", True),
    Column("label_10_cluster", pa.int32(), "1 to k", "k-means cluster of the CLIP embedding, at first by size.", True),
    Column("possibly_sensitive", pa.bool_(), "flag", "The platform marks the post as possibly sensitive.", True),
    Column("nsfw_score", pa.float32(), "0 to 1", "Score of LAION's CLIP-based NSFW detector.", True),
    Column("UMAP_dim_1", pa.float32(), "map unit", "First coordinate of the 2-D UMAP of the embeddings.", True),
    Column("UMAP_dim_2", pa.float32(), "map unit", "Second coordinate of the 2-D UMAP of the embeddings.", True),
    # Ours, public.
    Column("retweet_count", pa.int64(), "reposts", "Reposts of the post when it was looked up.", True),
    Column("source", pa.string(), "name", "Where the post comes from: x, or local for images added by hand.", True),
    Column("width", pa.int32(), "px", "Width of the stored image.", True),
    Column("height", pa.int32(), "px", "Height of the stored image.", True),
    Column("sample_weight", pa.float64(), "posts", "Posts of the id list this one stands for; 1 if not sampled.", True),
    Column("embedding", pa.list_(pa.float16(), EMBEDDING_DIM), "unit vector", "CLIP image embedding, L2 norm 1.", True),
    # Ours, private: needed by stages and analyses, never released.
    Column("author_id", pa.string(), "user id", "Author of the post."),
    Column("follower_count", pa.int64(), "followers", "Followers of the author when looked up."),
    Column("text", pa.string(), "text", "Text of the post."),
    Column("hashtags", pa.list_(pa.string()), "tags", "Hashtags of the post, lower case, without #."),
    Column("url", pa.string(), "URL", "Where the image is fetched from."),
    Column("group", pa.string(), "label", "Artist or prompt an image of a reference set belongs to."),
    Column("status", pa.string(), "class", "Outcome of the fetch: success, or the class of failure."),
    Column("error", pa.string(), "text", "Why the fetch failed."),
    Column("sha256", pa.string(), "hex", "SHA-256 of the stored image bytes."),
    Column("pixel_hash", pa.string(), "hex", "Hash of the decoded pixels."),
    Column("image", pa.binary(), "bytes", "The encoded image, while a stage works on it; lives in the tars."),
    Column("duplicate_of", pa.string(), "media id", "image_name of the kept image this row repeats; null if kept."),
    Column("duplicate_reason", pa.string(), "class", "media_id, embedding, pixels, near or generation; else null."),
]
COLUMNS: Mapping[str, Column] = {column.name: column for column in _DECLARED}
PUBLISHED = tuple(column.name for column in _DECLARED[:12])
METADATA = tuple(c.name for c in _DECLARED if c.public and c.name != "embedding")
KEY = ("id", "image_name")


def schema(names: Iterable[str]) -> pa.Schema:
    """The Parquet schema of these columns, with each column's unit and sentence as field metadata."""
    picked = [COLUMNS[name] for name in names]
    return pa.schema([pa.field(c.name, c.type, metadata={"unit": c.unit, "doc": c.doc}) for c in picked])


def features(names: Iterable[str]) -> "datasets.Features":
    """The same columns as `datasets.Features`."""
    from datasets import Features

    return Features.from_arrow_schema(schema(names))


def field_table(names: Iterable[str]) -> str:
    """The columns as a Markdown table, for the dataset card."""
    rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.doc} |" for c in (COLUMNS[name] for name in names)]
    return "\n".join(["| column | type | unit | meaning |", "|---|---|---|---|", *rows])


# ------------------------------------------------------------------ contract


def require(table: pa.Table, names: Iterable[str], where: str) -> None:
    """Raise ValueError unless `table` has these columns with their declared types."""
    names = list(names)
    if missing := [name for name in names if name not in table.column_names]:
        raise ValueError(f"{where}: expected columns {missing}, found {table.column_names}")
    for name in names:
        found, declared = table.schema.field(name).type, COLUMNS[name].type
        if not _same_type(found, declared):
            raise ValueError(f"{where}: column {name!r} is declared {declared}, found {found}")


def _same_type(found: pa.DataType, declared: pa.DataType) -> bool:
    """Equal, or both fixed-size lists of one value type: an embedding may be of another model's length."""
    if pa.types.is_fixed_size_list(found) and pa.types.is_fixed_size_list(declared):
        return bool(found.value_type == declared.value_type)
    return bool(found == declared)


StageFunction = Callable[Concatenate[pa.Table, P], pa.Table]


def stage(*, reads: tuple[str, ...], adds: tuple[str, ...]) -> Callable[[StageFunction[P]], StageFunction[P]]:
    """Declare a stage `Table -> Table`: checked to find `reads`, add exactly `adds`, and keep every row in order."""

    def declare(function: StageFunction[P]) -> StageFunction[P]:
        name = f"stage {function.__name__!r}"

        @functools.wraps(function)
        def checked(table: pa.Table, /, *args: P.args, **kwargs: P.kwargs) -> pa.Table:
            require(table, reads, f"{name}, on entry")
            result = function(table, *args, **kwargs)
            require(result, adds, f"{name}, on exit")
            extra = set(result.column_names) - set(table.column_names) - set(adds)
            lost = set(table.column_names) - set(result.column_names)
            if extra or lost:
                raise ValueError(f"{name} adds {sorted(adds)}, but it added {sorted(extra)} and lost {sorted(lost)}")
            if not result["image_name"].equals(table["image_name"]):
                raise ValueError(f"{name} must keep rows and order: {len(table)} rows in, {len(result)} out")
            return result

        return checked

    return declare


def add(table: pa.Table, **values: Any) -> pa.Table:
    """`table` with these columns added or replaced, cast to their declared types (an embedding keeps its length)."""
    for name, value in values.items():
        array = value if isinstance(value, pa.Array | pa.ChunkedArray) else pa.array(value, COLUMNS[name].type)
        if not _same_type(array.type, COLUMNS[name].type):
            array = array.cast(COLUMNS[name].type)
        field = schema([name]).field(0).with_type(array.type)
        index = table.schema.get_field_index(name)
        table = table.append_column(field, array) if index < 0 else table.set_column(index, field, array)
    return table


# ------------------------------------------------------- atomic writes, resume


@contextmanager
def atomic(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a name beside `path`; then fsync and rename: `path` existing means finished. What was private stays so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.suffixes[-2][1:]
        if process.isdecimal() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)  # of a process that was killed
    try:
        if private or (path.exists() and not path.stat().st_mode & 0o077):
            partial.touch(0o600)
        yield partial
        fsync(partial)
        partial.replace(path)
        fsync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Have the disk keep what was written to a file, or to the list of names of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write JSON atomically, keys sorted, so that equal content is equal bytes."""
    with atomic(path, private=private) as partial:
        partial.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8")


def write_parquet(path: Path, table: pa.Table, *, private: bool = False) -> None:
    """Write a Parquet file atomically (zstd)."""
    with atomic(path, private=private) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """Read a Parquet file, its pages checked by their checksums; ValueError naming it when it is damaged."""
    try:
        return pq.read_table(path, page_checksum_verification=True, **options)
    except (FileNotFoundError, MemoryError):
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it and run the command that made it again") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON value: names the settings and inputs that a part was made from."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def part_is_current(path: Path, made_from: Any) -> bool:
    """Whether `path` is a finished part made from exactly these settings and inputs."""
    if not path.exists():
        return False
    try:
        metadata = read_arrow(path).schema.metadata or {}
    except (ValueError, OSError):
        return False  # damaged: make it again
    return metadata.get(b"fingerprint") == fingerprint(made_from).encode()


def write_part(path: Path, table: pa.Table, made_from: Any) -> None:
    """Write one part of `columns/NAME/` as uncompressed Arrow IPC, marked with what it was made from and a checksum."""
    marks = {"fingerprint": fingerprint(made_from), "made_from": json.dumps(made_from, sort_keys=True)}
    marked = table.schema.with_metadata(marks | {"crc32": checksum.UNSEALED})
    with atomic(path, private=True) as partial:
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, marked) as writer:
            writer.write_table(table)
        checksum.seal(partial)


def read_arrow(path: Path) -> pa.Table:
    """A part of `columns/NAME/`, memory-mapped; ValueError when it has changed since it was written."""
    if not checksum.is_sound(path):
        raise ValueError(f"{path} is damaged: delete it and run `twigma {path.parent.name}` again, which makes it anew")
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def made_from(path: Path) -> Any:
    """What `write_part` was told the part was made from."""
    return json.loads((read_arrow(path).schema.metadata or {})[b"made_from"])


def read_parts(folder: Path) -> pa.Table:
    """All parts of one `columns/NAME/` folder, in name order; FileNotFoundError when the stage has not run."""
    parts = sorted(folder.glob("*.arrow"))
    if not parts:
        raise FileNotFoundError(f"no columns in {folder}: run `twigma {folder.name}` on this working folder first")
    return pa.concat_tables([read_arrow(path).replace_schema_metadata() for path in parts])


def read_images(work: Path, *stages: str) -> pa.Table:
    """The images table of a working folder, with the columns of these stages joined to it by their key.

    Rows keep the order of `images.parquet`; a row that a stage could not treat has nulls.
    """
    path = work / "images.parquet"
    if not path.exists():
        raise FileNotFoundError(
            f"no images table at {path}: `twigma rehydrate` makes one from post ids, `twigma add` from tars"
        )
    table = read_parquet(path)
    for name in stages:
        table = join(table, read_parts(work / "columns" / name))
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
    parts = [table[key].combine_chunks() for key in keys]  # images added by hand stand on no post: their id is null
    return pc.binary_join_element_wise(*parts, "/", null_handling="replace", null_replacement="")
