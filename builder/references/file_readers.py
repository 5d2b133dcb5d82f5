"""Files that a user brings: which kind each is, and its images or embeddings, read block by block.

Parquet (images as the Hub stores them, or vectors), `.npy` and HDF5 of vectors; texts are read by `text_files.py`. Used
by `twigma reference add`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.references import hdf5
from twigma.core.safety import bounded
from twigma.rehydrate.sources.own_files.image_paths import IMAGES

BLOCK = 16_384  # rows of vectors or texts
IMAGE_BLOCK = 256  # rows of images
BLOCK_BYTES = 64 << 20  # of vectors, where they are long
LARGEST_IMAGE = 100 << 20  # bytes, encoded; a larger one is a row without an image
FORMATS = ".parquet, .npy, .h5, .csv, .txt"
NAMES = ("image_name", "id", "key")  # columns that name a row, in this order
VECTORS = ("embedding", "vector", "emb")  # columns of vectors, likewise
TEXTS = ("text", "caption", "prompt")
PIXELS = ("image", "jpg", "png", "bytes")


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
        return value_column(open_parquet(path).schema_arrow, path, column)[1]
    raise ValueError(
        f"{path} is of no known format: expected images, a folder, a .tar, {FORMATS}, or ORG/NAME"
    )


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file; ValueError where it is damaged or another format."""
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{path} is not a readable Parquet file ({error}): download or create it again"
        ) from None


def value_column(schema: pa.Schema, path: Path, column: str | None) -> tuple[str, str]:
    """The column of a Parquet file that is taken, and its kind; `column` says which where there are several."""
    if column is not None and column not in schema.names:
        raise ValueError(f"{path} has no column {column!r}: found {schema.names}")
    named = column is not None
    fields = [schema.field(column)] if named else list(schema)
    for kind, fits in KINDS.items():
        for field in fields:
            if fits(field, named):
                return field.name, kind
    raise ValueError(
        f"{path}: expected a column of images, of vectors ({', '.join(VECTORS)}) or of texts ({', '.join(TEXTS)}); "
        f"found {schema.names}; --column says which"
    )


def _is_image(field: pa.Field, named: bool) -> bool:
    if pa.types.is_struct(field.type):
        return bool(field.type.get_field_index("bytes") >= 0)
    return pa.types.is_binary(field.type) and (named or field.name in PIXELS)


def _is_vector(field: pa.Field, named: bool) -> bool:
    kind = field.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list and not pa.types.is_fixed_size_list(kind):
        return False
    floats = pa.types.is_floating(kind.value_type)
    return floats and (named or field.name in VECTORS)


def _is_text(field: pa.Field, named: bool) -> bool:
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    return is_text and (named or field.name in TEXTS)


# In this order: a table of images has a column of captions as well.
KINDS: dict[str, Callable[[pa.Field, bool], bool]] = {
    "images": _is_image,
    "embeddings": _is_vector,
    "texts": _is_text,
}


def _key_column(schema: pa.Schema) -> str | None:
    """The column that names rows, if there is one."""
    for name in NAMES:
        if name in schema.names:
            return name
    return None


# ------------------------------------------------------------------ images


def image_rows(
    path: Path, column: str | None, group: str | None
) -> Iterator[tuple[str, bytes | None, str | None]]:
    """Name, bytes and group of every image of a Parquet file; the bytes are None where only a path is stored."""
    schema = open_parquet(path).schema_arrow
    name, _ = value_column(schema, path, column)
    if group is not None and group not in schema.names:
        raise ValueError(
            f"{path} has no column {group!r} to group by: found {schema.names}"
        )
    key = _key_column(schema)
    wanted = [each for each in (name, group, key) if each is not None]
    number = 0
    for batch in batches(path, IMAGE_BLOCK, wanted):
        images = batch.column(name)
        data = images.field("bytes") if pa.types.is_struct(images.type) else images
        names = _cells_or_nulls(batch, key)
        groups = _cells_or_nulls(batch, group)
        for row in range(len(batch)):
            image_name = f"{path.stem}_{number:06}"
            if names[row] is not None:
                image_name = str(names[row])
            label = None if groups[row] is None else str(groups[row])
            image = _image(data, row) if images[row].is_valid else None
            yield image_name, image, label
            number += 1


def _cells_or_nulls(batch: pa.RecordBatch, name: str | None) -> list[Any]:
    return [None] * len(batch) if name is None else bounded.cells(batch.column(name))


def _image(data: pa.Array, row: int) -> bytes | None:
    """One image of a column; equal ones are stored once, so that a block of them takes no more memory."""
    if not data[row].is_valid:
        return None
    value = data[row]
    if pa.types.is_dictionary(data.type):
        value = data.dictionary[value.index.as_py()]
    buffer = value.as_buffer()
    return None if buffer.size > LARGEST_IMAGE else bytes(buffer)


def batches(path: Path, rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    """The columns `names` of a Parquet file, in batches of at most `rows` rows; one row per row of the file, in order.

    ValueError where the file is damaged, or would unpack to far more than its size.
    """
    try:
        file = bounded.open_parquet(path, path.stat().st_size, str(path), names)
        yield from file.iter_batches(rows, columns=names)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is not a readable Parquet file ({error}): download or create it again"
        ) from None


# ------------------------------------------------------------------ vectors


def vectors(
    path: Path, column: str | None = None
) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    """Blocks of (m names, or None; vectors float[m, d]) of a file; ValueError when it holds anything else."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        for block in hdf5.blocks(_npy(path), BLOCK, BLOCK_BYTES):
            yield None, block
    elif suffix in (".h5", ".hdf5"):
        for block in _h5(path, column):
            yield None, block
    else:
        yield from _parquet(path, column)


def _npy(path: Path) -> np.ndarray:
    try:
        rows: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a readable .npy of numbers: {error}") from None
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise ValueError(
            f"{path}: expected a matrix of floats [n, d], found {rows.dtype} {rows.shape}"
        )
    _check_width(rows.shape[1], path)
    return rows


def _check_width(width: int, path: Path) -> None:
    if not 0 < width <= hdf5.WIDEST:
        raise ValueError(
            f"{path}: expected vectors of 1 to {hdf5.WIDEST:,} numbers, found {width:,}"
        )


def _h5(path: Path, column: str | None) -> Iterator[np.ndarray]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield from hdf5.blocks(hdf5.matrix(file, path, column), BLOCK, BLOCK_BYTES)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable HDF5 file: {error}") from None


def _parquet(
    path: Path, column: str | None
) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    file = open_parquet(path)
    name, _ = value_column(file.schema_arrow, path, column)
    key = _key_column(file.schema_arrow)
    wanted = [each for each in (name, key) if each is not None]
    rows = min(BLOCK, max(1, BLOCK_BYTES // (8 * _widest(file, name))))
    for batch in batches(path, rows, wanted):
        values = batch.column(name)
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise ValueError(
                f"{path}: expected vectors of one length in {name!r}, found lengths {lengths[:5]}"
            )
        _check_width(lengths[0], path)
        block = values.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
        names = None
        if key is not None:
            names = [str(value) for value in bounded.cells(batch.column(key))]
        yield names, block


def _widest(file: pq.ParquetFile, name: str) -> int:
    """Numbers a row of vectors, as the file's row groups state them."""
    widest = 1
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        values = 0
        for at in range(rows.num_columns):
            chunk = rows.column(at)
            if chunk.path_in_schema.partition(".")[0] == name:
                values += chunk.num_values
        widest = max(widest, values // max(1, rows.num_rows))
    return widest
