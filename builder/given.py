"""Files of images, embeddings or texts that somebody gives, told apart and read block by block.

Parquet (images as the Hub stores them, vectors, or texts), `.npy` and HDF5 of vectors, `.csv` and `.txt` of texts.
Used by `twigma reference add`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.rehydrate.add import IMAGES

BLOCK = 16_384  # rows of vectors or texts
IMAGE_BLOCK = 256  # rows of images
FORMATS = ".parquet, .npy, .h5, .csv, .txt"
NAMES = ("image_name", "id", "key")  # columns that name a row, in this order
VECTORS, TEXTS = ("embedding", "vector", "emb"), ("text", "caption", "prompt")
MARK = re.compile(r"^\*\*\* ?(START|END) OF [^\n]*\n?", re.MULTILINE)  # around a book of Project Gutenberg
RUN_TOGETHER = re.compile(r"[a-z][A-Z]|[^\W\d_]{20,}")


def kind_of(path: Path, column: str | None = None) -> str:
    """What a file or folder holds: images, embeddings or texts; ValueError when that cannot be told."""
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".tar" or suffix in IMAGES:
        return "images"
    if suffix in (".npy", ".h5", ".hdf5"):
        return "embeddings"
    if suffix in (".txt", ".csv"):
        return "texts"
    if suffix == ".parquet":
        return value_column(_opened(path).schema_arrow, path, column)[1]
    raise ValueError(f"{path} is of no known format: expected images, a folder, a .tar, {FORMATS}, or ORG/NAME")


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no readable Parquet file ({error}): fetch or make it again") from None


def value_column(schema: pa.Schema, path: Path, column: str | None) -> tuple[str, str]:
    """The column of a Parquet file that is taken, and its kind; `column` says which where there are several."""
    if column is not None and column not in schema.names:
        raise ValueError(f"{path} has no column {column!r}: found {schema.names}")
    fields = [schema.field(column)] if column else list(schema)
    for kind, fits in (("images", _is_image), ("embeddings", _is_vector), ("texts", _is_text)):
        if found := [field.name for field in fields if fits(field, named=column is not None)]:
            return found[0], kind
    raise ValueError(
        f"{path}: expected a column of images, of vectors ({', '.join(VECTORS)}) or of texts ({', '.join(TEXTS)}); "
        f"found {schema.names}; --column says which"
    )


def _is_image(field: pa.Field, *, named: bool) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind)) and (named or field.name in ("image", "jpg", "png", "bytes"))


def _is_vector(field: pa.Field, *, named: bool) -> bool:
    kind = field.type
    listed = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return listed and pa.types.is_floating(kind.value_type) and (named or field.name in VECTORS)


def _is_text(field: pa.Field, *, named: bool) -> bool:
    return (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)) and (named or field.name in TEXTS)


# ------------------------------------------------------------------ images


def image_rows(path: Path, column: str | None, group: str | None) -> Iterator[tuple[str, bytes | None, str | None]]:
    """Name, bytes and group of every image of a Parquet file; the bytes are None where only a path is stored."""
    file = _opened(path)
    name, _ = value_column(file.schema_arrow, path, column)
    if group is not None and group not in file.schema_arrow.names:
        raise ValueError(f"{path} has no column {group!r} to group by: found {file.schema_arrow.names}")
    key = next((key for key in NAMES if key in file.schema_arrow.names), None)
    wanted, at = [name, *([group] if group else []), *([key] if key else [])], 0
    for batch in file.iter_batches(IMAGE_BLOCK, columns=wanted):
        for row in batch.to_pylist():
            value = row[name]
            data = value["bytes"] if isinstance(value, dict) else value
            label = None if group is None or row[group] is None else str(row[group])
            yield str(row[key]) if key and row[key] is not None else f"{path.stem}_{at:06}", data, label
            at += 1


# ------------------------------------------------------------------ vectors


def vectors(path: Path, column: str | None = None) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    """Blocks of (names or None, vectors [m, d]) of a file; ValueError when it holds anything else."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        yield from ((None, block) for block in _slices(_npy(path)))
    elif suffix in (".h5", ".hdf5"):
        yield from ((None, block) for block in _h5(path, column))
    else:
        yield from _parquet(path, column)


def _npy(path: Path) -> np.ndarray:
    try:
        rows: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no readable .npy of numbers: {error}") from None
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise ValueError(f"{path}: expected a matrix of floats [n, d], found {rows.dtype} {rows.shape}")
    return rows


def _slices(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (np.asarray(rows[at : at + BLOCK]) for at in range(0, len(rows), BLOCK))


def _h5(path: Path, column: str | None) -> Iterator[np.ndarray]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = [name for name, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim == 2]
            floats = [name for name in found if file[name].dtype.kind == "f"]
            if (column or "") not in floats and (column or len(floats) != 1):
                raise ValueError(f"{path}: expected one matrix of floats, found {floats}; --column says which")
            yield from _slices(file[column or floats[0]])
    except OSError as error:
        raise ValueError(f"{path} is no readable HDF5 file: {error}") from None


def _parquet(path: Path, column: str | None) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    file = _opened(path)
    name, _ = value_column(file.schema_arrow, path, column)
    key = next((key for key in NAMES if key in file.schema_arrow.names), None)
    for batch in file.iter_batches(BLOCK, columns=[name, *([key] if key else [])]):
        values = batch.column(name)
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise ValueError(f"{path}: expected vectors of one length in {name!r}, found lengths {lengths[:5]}")
        rows = values.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
        yield None if key is None else [str(value) for value in batch.column(key).to_pylist()], rows


# ------------------------------------------------------------------ texts


def texts(path: Path, column: str | None = None, *, whole_words: bool = False) -> list[str]:
    """The texts of a file, without empty ones and repeats; with `whole_words` without those run together (`oldPond`).

    A `.txt` is one text a line, or the sentences of a book by Project Gutenberg, told by its marks.
    """
    if path.suffix.lower() == ".txt":
        found = _lines(path.read_text("utf-8-sig"))
    elif path.suffix.lower() == ".csv":
        table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
        found = table[value_column(table.schema, path, column)[0]].to_pylist()
    else:
        file = _opened(path)
        name, _ = value_column(file.schema_arrow, path, column)
        found = file.read(columns=[name])[name].to_pylist()
    clean = (" ".join(text.split()) for text in found if text)
    return [text for text in dict.fromkeys(clean) if text and not (whole_words and RUN_TOGETHER.search(text))]


def _lines(text: str) -> list[str]:
    marks = list(MARK.finditer(text))
    if len(marks) < 2:
        return text.splitlines()
    body = " ".join(text[marks[0].end() : marks[-1].start()].split())
    return re.split(r"(?<=[.!?])[’”\"')_]*\s+(?=[A-Z“‘\"'(_])", body)
