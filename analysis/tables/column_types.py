"""Columns of a table by strangers as the types that are declared for them: cast, or refused before any work.

A release of ours has these types. The same data saved by pandas, polars, R or DuckDB has others: ids as integers, text
dates, timestamps in nanoseconds or with a time zone, labels as floats, dictionary and large_string columns.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.values import FALSE, TRUE, read_times

KEEP_AS_TEXT = (
    "numbers with a fraction have lost digits of an id: write this column as text"
)
# What to do where values cannot be cast, by declared type.
WRITE_AS: dict[pa.DataType, str] = {
    pa.string(): "write this column as text",
    pa.timestamp(
        "ms"
    ): 'write dates as timestamps, or as text such as "2022-08-31 09:30:00"',
    pa.bool_(): "write true and false",
}
NO_DATE = ("", "nan", "NaN", "NaT")  # as programs write a date that is missing


def declared_types(table: pa.Table, where: str) -> pa.Table:
    """A table, one row per image, with its known columns in their declared types; other columns stay as they are.

    Parameters
    ----------
    table : as read from a file. where : that file, for the errors.

    Returns
    -------
    Table of the same rows and columns. ValueError where there is no `image_name`, and for values that a declared type
    does not hold: with the column, the type found and expected, and what to do.
    """
    if "image_name" not in table.column_names:
        listed = ", ".join(table.column_names) or "none"
        raise ValueError(
            f"{where}: expected a column image_name, the id of each image; found {listed}: rename or add it"
        )
    for place, name in enumerate(table.column_names):
        declared = columns.COLUMNS.get(name)
        if declared is None or pa.types.is_nested(declared.type):
            continue
        values = _plain(table[name])
        if values.type != declared.type:
            values = _cast(values, declared.type, f"{where}: column {name}")
        table = table.set_column(place, name, values)
    return table


def declared_schema(schema: pa.Schema) -> pa.Schema:
    """The schema that `declared_types` gives a table of this schema, and without dictionaries."""
    fields = []
    for field in schema:
        declared = columns.COLUMNS.get(field.name)
        kind = field.type
        if declared is not None and not pa.types.is_nested(declared.type):
            kind = declared.type
        elif pa.types.is_dictionary(kind):
            kind = kind.value_type
        fields.append(field.with_type(kind))
    return pa.schema(fields)


def with_posts(table: pa.Table) -> pa.Table:
    """The table, one row per image; without a column `id`, with one of nulls, as of images on no post."""
    if "id" in table.column_names:
        return table
    return columns.add(table, id=pa.nulls(len(table), pa.string()))


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values without dictionary, and text as `string`."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    text = (pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
    return values.cast(pa.string()) if values.type in text else values


def _cast(values: pa.ChunkedArray, declared: pa.DataType, where: str) -> Any:
    """Values as the declared type; ValueError where they are not of its kind."""
    found = values.type
    try:
        if pa.types.is_null(found):
            return values.cast(declared)
        if declared == pa.string():
            return _as_text(values)
        if declared == pa.timestamp("ms"):
            return _as_date(values)
        if declared == pa.bool_():
            return _as_flag(values)
        return _as_number(values, declared)
    except (pa.ArrowException, ValueError) as error:
        advice = WRITE_AS.get(declared, "write numbers of that type")
        if declared == pa.string() and pa.types.is_floating(found):
            advice = KEEP_AS_TEXT
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{where}: expected {declared}, found {found} ({reason}): {advice}"
        ) from None


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids that are integers as their digits; a float cannot hold an id."""
    if not pa.types.is_integer(values.type):
        raise ValueError(f"values such as {_example(values)}")
    return values.cast(pa.string())


def _as_date(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates in UTC without a time zone, in milliseconds: text and numbers as `read_times` reads them."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # A time zone is how a moment is written: the moment itself is stored in UTC.
        return values.cast(pa.timestamp("ms"), safe=False)
    if pa.types.is_floating(kind):
        # Written out: as text a float may have an exponent.
        values = pc.if_else(pc.is_nan(values), None, values)
        values = values.cast(pa.float64()).cast(pa.decimal128(24, 6), safe=False)
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    times = read_times(texts)
    is_missing = pc.is_in(texts, value_set=pa.array(NO_DATE))
    is_strange = pc.and_(pc.is_null(times), pc.invert(is_missing))
    strange = values.filter(pc.and_(is_strange, pc.is_valid(texts)))
    if len(strange):
        raise ValueError(f"values such as {_example(strange)}")
    return times


def _as_flag(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """True and false in the words that `read_flag` reads, and 1 and 0."""
    if pa.types.is_floating(values.type):
        values = _whole(values, pa.int64())
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
    unknown = pc.invert(pc.is_in(texts, value_set=pa.array([*TRUE, *FALSE])))
    strange = texts.filter(pc.and_(pc.is_valid(texts), unknown))
    if len(strange):
        raise ValueError(f"values such as {_example(strange)}")
    is_true = pc.is_in(texts, value_set=pa.array(TRUE))
    return pc.if_else(pc.is_valid(texts), is_true, None)


def _as_number(values: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    """Numbers, or text of numbers; NaN becomes null, which pandas writes it for in a column of integers."""
    if pa.types.is_string(values.type):
        values = pc.if_else(pc.equal(values, ""), None, values)
        values = values.cast(pa.float64())
    if pa.types.is_integer(declared) and not pa.types.is_integer(values.type):
        return _whole(values.cast(pa.float64()), declared)
    # A float64 that is rounded to float32 is the same number.
    return values.cast(declared, safe=not pa.types.is_floating(declared))


def _whole(values: pa.ChunkedArray, declared: pa.DataType) -> pa.ChunkedArray:
    """Floats without a fraction as integers."""
    missing = pc.is_nan(values)
    return pc.if_else(missing, None, values).cast(declared)


def _example(values: pa.ChunkedArray) -> str:
    """The first value there is."""
    return repr(pc.drop_null(values)[0].as_py())
