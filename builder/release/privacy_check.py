"""The last check of a release before it is public: it holds no image, no text of a post, and no user.

`twigma release` runs it on what it has written and `twigma publish` on what it is about to send; it knows only
the files, not how they were made.
"""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.core import columns
from twigma.core.names import NAME, captions_of_names, split_name
from twigma.core.safety import owned_folders
from twigma.core.safety.untrusted_names import IDS, NAMES
from twigma.dataset.tables.table_files import table_pattern

FILES = re.compile(
    r"README\.md|DATASHEET\.md|croissant\.json|MANIFEST\.json|removals\.txt"
    rf"|(metadata|embeddings(-{NAME.pattern})?)-train-\d{{5}}-of-\d{{5}}\.parquet"
)
LINK = r"https?://|\bt\.co/|data:image/"
# A caption may be the words of its post by chance, but not one in a hundred.
MAX_EQUAL_CAPTIONS = 0.01


def check_privacy(folder: Path, texts: pa.ChunkedArray | None = None) -> None:
    """Raise ValueError when a folder holds what a release must not: foreign files, private columns, bytes, text.

    `texts` are the posts' texts, in the order of the rows: captions are compared with them.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        if owned_folders.is_of_download(folder, name):
            continue  # never sent
        if path.is_symlink() or not FILES.fullmatch(name):
            raise ValueError(f"{path} has no place in a release: take it away")
        if path.suffix == ".parquet":
            _check_columns(path, split_name(name)[0])
        else:
            _check_text(path)
    if texts is not None:
        _check_captions(folder, texts)


def _check_columns(path: Path, config: str) -> None:
    schema = pq.read_schema(path)
    allowed = ["image_name", "embedding"]
    if config == "metadata":
        allowed = columns.metadata(schema.names)
    if schema.names != allowed:
        raise ValueError(
            f"{path}: only the columns {allowed} are public, found {schema.names}"
        )
    columns.require(_as_declared(schema).empty_table(), allowed, str(path))
    texts = [
        name for name in schema.names if pa.types.is_string(schema.field(name).type)
    ]
    table = pq.read_table(path, columns=texts)
    own = pa.scalar(True)  # embeddings do not say which images were added by hand
    if "source" in table.column_names:
        own = pc.equal(table["source"], "local")
    for name in set(columns.KEY) & set(table.column_names):
        own_name = pc.and_(own, _matches(table[name], NAMES))
        valid = pc.or_(_matches(table[name], IDS), own_name)
        _refuse(table[name], pc.invert(valid), f"{path}: {name} is not an id")
    for name in _captions(table.column_names):
        captions = table[name]
        _refuse(captions, _matches(captions, LINK), f"{path}: a caption holds a link")


def _as_declared(schema: pa.Schema) -> pa.Schema:
    """The schema with embeddings of single precision, which a release may have, as those that are declared."""
    at = schema.get_field_index("embedding")
    if at < 0:
        return schema
    field = schema.field(at)
    if not pa.types.is_fixed_size_list(field.type):
        return schema
    if not pa.types.is_float32(field.type.value_type):
        return schema
    half = pa.list_(pa.float16(), field.type.list_size)
    return schema.set(at, field.with_type(half))


def _matches(values: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.match_substring_regex(values, pattern)


def _refuse(values: pa.ChunkedArray, bad: pa.ChunkedArray, what: str) -> None:
    refused = values.filter(pc.fill_null(bad, False))
    if len(refused):
        raise ValueError(
            f"{what}: {refused[0].as_py()!r} and {len(refused) - 1:,} more; nothing was released"
        )


def _check_text(path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text: a release holds no images") from None
    if "data:image/" in text:
        raise ValueError(f"{path} holds an embedded image: a release holds none")


def _check_captions(folder: Path, texts: pa.ChunkedArray) -> None:
    files = sorted(folder.glob(table_pattern("metadata")))
    names = _captions(pq.read_schema(files[0]).names)
    tables = [pq.read_table(path, columns=names) for path in files]
    for captions in pa.concat_tables(tables).columns:
        equal = pc.sum(pc.equal(captions, texts)).as_py() or 0
        if equal > MAX_EQUAL_CAPTIONS * len(captions):
            raise ValueError(
                f"{equal:,} of {len(captions):,} captions are the text of their post: nothing was released"
            )


def _captions(names: list[str]) -> list[str]:
    """The columns of captions among these."""
    default = [name for name in names if name == "all_captions"]
    return default + captions_of_names(names)
