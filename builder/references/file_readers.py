"""Files of images, embeddings or texts that somebody gives, told apart and read block by block.

Parquet (images as the Hub stores them, vectors, or texts), `.npy` and HDF5 of vectors, `.csv` and `.txt` of texts.
Used by `twigma reference add`.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twigma.builder.references import hdf5
from twigma.core.safety import bounded
from twigma.rehydrate.sources.own_files.image_paths import IMAGES

BLOCK = 16_384  # rows of vectors or texts
IMAGE_BLOCK = 256  # rows of images
BLOCK_BYTES = 64 << 20  # of vectors, where they are long
LARGEST_IMAGE = (
    100 << 20
)  # bytes, encoded; a larger one counts as a row without an image
LONGEST_TEXT = 1 << 20  # characters of a text
FORMATS = ".parquet, .npy, .h5, .csv, .txt"
NAMES = ("image_name", "id", "key")  # columns that name a row, in this order
VECTORS, TEXTS = ("embedding", "vector", "emb"), ("text", "caption", "prompt")
MARK = re.compile(
    r"^\*\*\* ?(START|END) OF [^\n]*\n?", re.MULTILINE
)  # around a book of Project Gutenberg
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
    raise ValueError(
        f"{path} is of no known format: expected images, a folder, a .tar, {FORMATS}, or ORG/NAME"
    )


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{path} is no readable Parquet file ({error}): fetch or make it again"
        ) from None


def value_column(schema: pa.Schema, path: Path, column: str | None) -> tuple[str, str]:
    """The column of a Parquet file that is taken, and its kind; `column` says which where there are several."""
    if column is not None and column not in schema.names:
        raise ValueError(f"{path} has no column {column!r}: found {schema.names}")
    fields = [schema.field(column)] if column else list(schema)
    for kind, fits in (
        ("images", _is_image),
        ("embeddings", _is_vector),
        ("texts", _is_text),
    ):
        if found := [
            field.name for field in fields if fits(field, named=column is not None)
        ]:
            return found[0], kind
    raise ValueError(
        f"{path}: expected a column of images, of vectors ({', '.join(VECTORS)}) or of texts ({', '.join(TEXTS)}); "
        f"found {schema.names}; --column says which"
    )


def _is_image(field: pa.Field, *, named: bool) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind)) and (
        named or field.name in ("image", "jpg", "png", "bytes")
    )


def _is_vector(field: pa.Field, *, named: bool) -> bool:
    kind = field.type
    listed = (
        pa.types.is_fixed_size_list(kind)
        or pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
    )
    return (
        listed
        and pa.types.is_floating(kind.value_type)
        and (named or field.name in VECTORS)
    )


def _is_text(field: pa.Field, *, named: bool) -> bool:
    return (
        pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ) and (named or field.name in TEXTS)


# ------------------------------------------------------------------ images


def image_rows(
    path: Path, column: str | None, group: str | None
) -> Iterator[tuple[str, bytes | None, str | None]]:
    """Name, bytes and group of every image of a Parquet file; the bytes are None where only a path is stored."""
    schema = _opened(path).schema_arrow
    name, _ = value_column(schema, path, column)
    if group is not None and group not in schema.names:
        raise ValueError(
            f"{path} has no column {group!r} to group by: found {schema.names}"
        )
    key = next((key for key in NAMES if key in schema.names), None)
    wanted, at = [name, *([group] if group else []), *([key] if key else [])], 0
    for batch in _batches(path, IMAGE_BLOCK, wanted):
        images = batch.column(name)
        data = images.field("bytes") if pa.types.is_struct(images.type) else images
        names = [None] * len(batch) if key is None else bounded.cells(batch.column(key))
        labels = (
            [None] * len(batch) if group is None else bounded.cells(batch.column(group))
        )
        for row, (named, label) in enumerate(zip(names, labels, strict=True)):
            found = _image(data, row) if images[row].is_valid else None
            yield (
                f"{path.stem}_{at:06}" if named is None else str(named),
                found,
                None if label is None else str(label),
            )
            at += 1


def _image(data: pa.Array, row: int) -> bytes | None:
    """One image of a column; equal ones are stored once, so that a block of them takes no more memory."""
    if not data[row].is_valid:
        return None
    value = data[row]
    if pa.types.is_dictionary(data.type):
        value = data.dictionary[value.index.as_py()]
    return None if value.as_buffer().size > LARGEST_IMAGE else bytes(value.as_buffer())


def _batches(path: Path, rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of these columns, unless they unpack to far more than the file; ValueError where it is damaged."""
    try:
        file = bounded.open_parquet(path, path.stat().st_size, str(path), names)
        yield from file.iter_batches(rows, columns=names)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is no readable Parquet file ({error}): fetch or make it again"
        ) from None


# ------------------------------------------------------------------ vectors


def vectors(
    path: Path, column: str | None = None
) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    """Blocks of (names or None, vectors [m, d]) of a file; ValueError when it holds anything else."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        yield from (
            (None, block) for block in hdf5.blocks(_npy(path), BLOCK, BLOCK_BYTES)
        )
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
        raise ValueError(f"{path} is no readable HDF5 file: {error}") from None


def _parquet(
    path: Path, column: str | None
) -> Iterator[tuple[list[str] | None, np.ndarray]]:
    file = _opened(path)
    name, _ = value_column(file.schema_arrow, path, column)
    key = next((key for key in NAMES if key in file.schema_arrow.names), None)
    rows = min(BLOCK, max(1, BLOCK_BYTES // (8 * _widest(file, name))))
    for batch in _batches(path, rows, [name, *([key] if key else [])]):
        values = batch.column(name)
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or None in lengths:
            raise ValueError(
                f"{path}: expected vectors of one length in {name!r}, found lengths {lengths[:5]}"
            )
        _check_width(lengths[0], path)
        block = values.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
        yield (
            None
            if key is None
            else [str(value) for value in bounded.cells(batch.column(key))],
            block,
        )


def _widest(file: pq.ParquetFile, name: str) -> int:
    """Numbers a row of vectors, as the file's row groups state them."""
    widest = 1
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        chunks = (rows.column(at) for at in range(rows.num_columns))
        values = sum(
            chunk.num_values
            for chunk in chunks
            if chunk.path_in_schema.partition(".")[0] == name
        )
        widest = max(widest, values // max(1, rows.num_rows))
    return widest


# ------------------------------------------------------------------ texts


def texts(
    path: Path, column: str | None = None, *, whole_words: bool = False
) -> list[str]:
    """The texts of a file, without empty ones and repeats; with `whole_words` without those run together (`oldPond`).

    A `.txt` is one text a line, or the sentences of a book by Project Gutenberg, told by its marks.
    """
    kind = path.suffix.lower()
    found = (
        _lines(path.read_text("utf-8-sig"))
        if kind == ".txt"
        else _column_of_texts(path, kind, column)
    )
    clean = (" ".join(text.split()) for text in found if text)
    return [
        text
        for text in dict.fromkeys(clean)
        if text and not (whole_words and RUN_TOGETHER.search(text))
    ]


def _column_of_texts(path: Path, kind: str, column: str | None) -> Iterator[str | None]:
    if kind == ".csv":
        yield from _csv(path, column)
        return
    name, _ = value_column(_opened(path).schema_arrow, path, column)
    for batch in _batches(path, bounded.CELLS, [name]):
        yield from dict.fromkeys(bounded.cells(batch.column(name)))


def _csv(path: Path, column: str | None) -> Iterator[str]:
    """The cells of one column; the others are not kept."""
    with path.open("rb") as raw:
        first = next(bounded.text_lines(raw, LONGEST_TEXT), "")
    if isinstance(first, bounded.Cut):
        raise ValueError(
            f"{path}: expected a first line that names the columns, found one of over {LONGEST_TEXT:,}"
        )
    head = next(csv.reader([first]), [])
    name, _ = value_column(
        pa.schema([(each, pa.string()) for each in head]), path, column
    )
    table = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=[name], column_types={name: pa.string()}
        ),
    )
    for chunk in table[name].chunks:
        yield from chunk.to_pylist()


def _lines(text: str) -> list[str]:
    marks = list(MARK.finditer(text))
    if len(marks) < 2:
        return text.splitlines()
    body = " ".join(text[marks[0].end() : marks[-1].start()].split())
    return re.split(r"(?<=[.!?])[’”\"')_]*\s+(?=[A-Z“‘\"'(_])", body)
