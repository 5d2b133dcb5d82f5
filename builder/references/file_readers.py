"""Files that a user brings: which kind each is, and its images or embeddings, read block by block.

Vectors are in Parquet, `.npy` and HDF5; texts are read by `text_files.py`, and pictures as `twigma add` reads them.
Used by `twigma reference add`.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.references import hdf5
from twigma.core.safety import bounded
from twigma.rehydrate.sources.pictures.beside import group_of
from twigma.rehydrate.sources.pictures.image_columns import is_image
from twigma.rehydrate.sources.pictures.kinds import is_image_name
from twigma.rehydrate.sources.pictures.tables import (
    batches,
    key_column,
    open_parquet,
)

BLOCK = 16_384  # rows of vectors or texts
BLOCK_BYTES = 64 << 20  # of vectors, where they are long
FORMATS = ".zip, .tar.gz, .parquet, .npy, .h5, .csv, .txt"
ARCHIVES = (".tar", ".zip", ".gz", ".tgz")
VECTORS = ("embedding", "vector", "emb")  # names of columns of vectors
TEXTS = ("text", "caption", "prompt")


def kind_of(path: Path, column: str | None = None) -> str:
    """What a file or folder holds: images, embeddings or texts; ValueError when that cannot be told."""
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in ARCHIVES or is_image_name(path.name):
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


def refuse_column(path: Path, column: str | None) -> None:
    """ValueError where a column is named of something that has none."""
    if column is None or path.suffix.lower() in (".parquet", ".csv", ".h5", ".hdf5"):
        return
    has_tables = path.is_dir() and any(
        file.suffix.lower() in (".parquet", ".arrow") for file in path.rglob("*")
    )
    if not has_tables:
        raise ValueError(
            f"{path} has no columns, so none {column!r}: leave --column out, or name a table"
        )


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
    "images": is_image,
    "embeddings": _is_vector,
    "texts": _is_text,
}


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
    key = key_column(file.schema_arrow)
    wanted = [each for each in (name, key) if each is not None]
    rows = min(BLOCK, max(1, BLOCK_BYTES // (8 * _widest(file, name))))
    number = 0
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
            names = _row_names(batch.column(key), path, number)
        number += len(batch)
        yield names, block


def _row_names(keys: pa.Array, path: Path, first: int) -> list[str]:
    """The names that a table has for its rows, from row `first` on; one without is named after the file."""
    names = []
    for row, key in enumerate(bounded.cells(keys), first):
        names.append(f"{path.stem}_{row:07}" if key is None else str(key))
    return names


def groups(path: Path, name: str | None) -> list[str | None] | None:
    """The artist or prompt of each row of a table of embeddings, [n], from its column `name`, else that called group.

    None where no column is named and none is called so; ValueError where the file has no column of that name.
    """
    is_table = path.suffix.lower() == ".parquet"
    if name is None:
        if not is_table or "group" not in open_parquet(path).schema_arrow.names:
            return None
        name = "group"
    if not is_table:
        raise ValueError(
            f"{path} has no columns, so none {name!r} to group by: write the embeddings as Parquet, with that column"
        )
    schema = open_parquet(path).schema_arrow
    if name not in schema.names:
        raise ValueError(
            f"{path} has no column {name!r} to group by: found {schema.names}"
        )
    values: list[str | None] = []
    for batch in batches(path, BLOCK, [name]):
        for cell in bounded.cells(batch.column(name)):
            is_nan = isinstance(cell, float) and math.isnan(cell)
            values.append(None if is_nan else group_of({name: cell}, name))
    return values


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
