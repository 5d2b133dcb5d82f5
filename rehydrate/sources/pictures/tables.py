"""Pictures in tables: Parquet as the Hub stores it, and folders written by `save_to_disk` of `datasets`."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.core.safety import bounded
from twigma.rehydrate.sources.facts.columns import ROOTS, flat_name
from twigma.rehydrate.sources.pictures.contents import Picture
from twigma.rehydrate.sources.pictures.image_columns import is_image

IMAGE_BLOCK = 256  # rows of images
LARGEST_IMAGE = 100 << 20  # bytes, encoded; a larger one is a row without an image
KEYS = ("image_name", "id", "key")  # columns that name a row, in this order
WITHOUT_IMAGE = "rows without an image"


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file; ValueError where it is damaged or another format."""
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{path} is not a readable Parquet file ({error}): download or create it again"
        ) from None


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


def holds_images(path: Path) -> bool:
    """Whether a Parquet file has a column of images; ValueError where it is damaged."""
    schema = open_parquet(path).schema_arrow
    return any(is_image(field, named=False) for field in schema)


def key_column(schema: pa.Schema) -> str | None:
    """The column that names rows, if there is one."""
    for name in KEYS:
        if name in schema.names:
            return name
    return None


def parquet_pictures(
    path: Path, column: str | None, group: str | None, without: Callable[[str], None]
) -> Iterator[Picture]:
    """The pictures of a Parquet file; `without` is called with the name of each row that has only a path.

    ValueError where there is no column of images, or no column `column` or `group`.
    """
    schema = open_parquet(path).schema_arrow
    wanted = _wanted(schema, path, column, group)
    rows = batches(path, IMAGE_BLOCK, wanted)
    yield from _pictures(rows, path.name, path.stem, wanted, without)


def dataset_pictures(
    folder: Path, column: str | None, group: str | None, without: Callable[[str], None]
) -> Iterator[Picture]:
    """The pictures of a folder written by `save_to_disk`, all splits; as `parquet_pictures`."""
    import datasets

    try:
        opened = datasets.load_from_disk(str(folder))
    except Exception as error:
        # It reads files of several kinds, each with many ways to fail.
        raise ValueError(
            f"{folder} is not a readable folder of `save_to_disk`: {error}"
        ) from error
    splits = {"": opened}
    if isinstance(opened, datasets.DatasetDict):
        splits = dict(opened)
    for name, split in splits.items():
        arrow = split.with_format("arrow")
        wanted = _wanted(split.features.arrow_schema, folder, column, group)
        label = f"{folder.name}/{name}".rstrip("/")
        tables = arrow.select_columns(wanted).iter(IMAGE_BLOCK)
        rows = (batch for table in tables for batch in table.to_batches())
        yield from _pictures(rows, label, name or folder.name, wanted, without)


def _wanted(
    schema: pa.Schema, where: Path, column: str | None, group: str | None
) -> list[str]:
    """The columns to read: that of the images first, then those with facts of each."""
    for name in (column, group):
        if name is not None and name not in schema.names:
            purpose = " to group by" if name == group else ""
            raise ValueError(
                f"{where} has no column {name!r}{purpose}: found {schema.names}"
            )
    fields = list(schema) if column is None else [schema.field(column)]
    images = [field.name for field in fields if is_image(field, column is not None)]
    if not images:
        raise ValueError(
            f"{where}: expected a column of images, encoded as bytes; found {schema.names}"
        )
    facts = [name for name in schema.names if flat_name(name) in ROOTS]
    wanted = [images[0]]
    for name in [key_column(schema), group, *facts]:
        if name in schema.names and name not in wanted:
            wanted.append(name)
    return wanted


def _pictures(
    rows: Iterator[pa.RecordBatch],
    label: str,
    stem: str,
    wanted: Sequence[str],
    without: Callable[[str], None],
) -> Iterator[Picture]:
    image, *others = wanted
    number = 0
    for batch in rows:
        images = batch.column(image)
        data = images.field("bytes") if pa.types.is_struct(images.type) else images
        cells = {name: bounded.cells(batch.column(name)) for name in others}
        key = key_column(batch.schema)
        for row in range(len(batch)):
            facts = {name: values[row] for name, values in cells.items()}
            named = facts.get(key) if key is not None else None
            name = f"{stem}_{number:06}" if named is None else str(named)
            encoded = _encoded(data, row) if images[row].is_valid else None
            number += 1
            if encoded is None:
                without(name)
                continue
            yield Picture(f"{label}/{name.replace('/', '_')}", encoded, _known(facts))


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    """What a row says; pandas writes NaN where it has no number."""
    known: dict[str, Any] = {}
    for name, value in facts.items():
        is_nan = isinstance(value, float) and math.isnan(value)
        if value is not None and not is_nan:
            known[name] = value
    return known


def _encoded(data: pa.Array, row: int) -> bytes | None:
    """One image of a column; equal ones are stored once, so that a block of them takes no more memory."""
    if not data[row].is_valid:
        return None
    value = data[row]
    if pa.types.is_dictionary(data.type):
        value = data.dictionary[value.index.as_py()]
    buffer = value.as_buffer()
    return None if buffer.size > LARGEST_IMAGE else bytes(buffer)
