"""Schemas of the declared columns, and tables with their types: columns required, added, and joined."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.columns.declared import KEY, ORDER, Column
from twigma.core.columns.names import declared, present
from twigma.core.tables import joined_key, take_rows

if TYPE_CHECKING:
    import datasets


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

    Values are cast to the declared type of their column; pa.ArrowInvalid or pa.ArrowTypeError where they cannot be. An
    embedding of the declared precision may have any length.
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


def sort_keys(names: Iterable[str] = ORDER) -> list[tuple[str, str]]:
    """By what Arrow sorts rows of the images table: ORDER, as far as these columns are there."""
    there = set(names)
    return [(name, "ascending") for name in ORDER if name in there]


def join(table: pa.Table, part: pa.Table) -> pa.Table:
    """Add the columns of `part` to `table` by `image_name`, or by (`id`, `image_name`) where the part has both.

    Rows of `table` keep their order; one without a row in `part`, or without a name, has nulls.
    """
    keys = [key for key in KEY if key in part.column_names]
    row = pc.index_in(_key(table, keys), value_set=_key(part, keys), skip_nulls=True)
    for name in part.column_names:
        if name not in keys:
            table = add(table, **{name: take_rows(part[name], row)})
    return table


def _key(table: pa.Table, keys: list[str]) -> pa.Array:
    """One value per row by which tables are joined."""
    parts = [table[key].combine_chunks() for key in keys]
    return parts[0] if len(parts) == 1 else joined_key(*parts)
