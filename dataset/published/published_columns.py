"""The published columns from the forms that tables by others have: numbers as text, dates of any kind, `t` for true.

Each value is converted exactly, or the table is refused with the first that cannot be, its row, and what was expected.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.core.values import (
    FALSE,
    TRUE,
    form_of,
    have_form,
    read_times,
    whole_numbers,
)
from twigma.dataset.tables.table_formats import NULLS
from twigma.rehydrate.ids.damage import refuse_damaged

DECIMAL = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
DATES = (
    "dates such as 2021-01-05T10:11:12Z, 'Tue, 05 Jan 2021 10:11:12 +0000' or seconds since 1970, "
    "all in one form"
)


def conform(table: pa.Table, where: str) -> pa.Table:
    """The twelve published columns in their declared types and order.

    Raises ValueError when the ids are damaged, or a value is none of its type.
    """
    ids = _convert(table["id"], pa.string(), f"{where}: id")
    _refuse_damaged(ids, where)
    arrays = [ids]
    for name in columns.PUBLISHED[1:]:
        kind = columns.COLUMNS[name].type
        arrays.append(_convert(table[name], kind, f"{where}: {name}"))
    return pa.table(arrays, schema=columns.schema(columns.PUBLISHED))


def _convert(values: pa.ChunkedArray, to: pa.DataType, where: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    convert = next(convert for is_kind, convert in CONVERTERS if is_kind(to))
    try:
        return convert(values, where).cast(to)
    except pa.ArrowException as error:
        raise ValueError(
            f"{where}: expected {to}, found {values.type} that does not fit ({error})"
        ) from None


def _require(
    values: pa.ChunkedArray, good: pa.ChunkedArray, expected: str, where: str
) -> None:
    """ValueError with the first value that is not good; nulls are."""
    bad = pc.fill_null(pc.invert(good), False)
    row = pc.index(bad, True).as_py()
    if row >= 0:
        raise ValueError(
            f"{where}: expected {expected}, found {values[row].as_py()!r} on row {row + 1:,}: the file is damaged, or "
            "of another form; download it again, or tell its authors"
        )


# ------------------------------------------------------------------ text, numbers, truth


def _text(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Text as it is, and whole numbers, which are exact; a number with a fraction is none of ours."""
    if pa.types.is_floating(values.type) or pa.types.is_nested(values.type):
        raise ValueError(
            f"{where}: expected text, found {values.type}, in which digits are lost: get the table again as text"
        )
    return values.cast(pa.string())


def _trimmed(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Values as text without spaces around them; null where they say that nothing is known."""
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise ValueError(f"{where}: expected text or numbers, found {values.type}")
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    unknown = pc.is_in(text, value_set=pa.array(NULLS))
    return pc.if_else(unknown, pa.scalar(None, pa.string()), text)


def _numbers(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    if pa.types.is_floating(values.type):
        known = pc.invert(pc.is_nan(values))
        return pc.if_else(known, values, pa.scalar(None, values.type))
    text = _trimmed(values, where)
    _require(text, pc.match_substring_regex(text, DECIMAL), "numbers", where)
    return text.cast(pa.float64())


def _whole_numbers(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Whole numbers; beside nulls, pandas writes them as 3.0."""
    text = _trimmed(values, where)
    numbers = whole_numbers(text)
    _require(text, _read(numbers, text), "whole numbers", where)
    return numbers


def _read(converted: pa.ChunkedArray, text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which values were read, or had nothing to read."""
    return pc.or_(converted.is_valid(), text.is_null())


def _truths(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    text = pc.utf8_lower(_trimmed(values, where))
    is_true = pc.is_in(text, value_set=pa.array(TRUE))
    is_false = pc.is_in(text, value_set=pa.array(FALSE))
    known = pc.or_(is_true, is_false)
    good = pc.or_(known, text.is_null())
    _require(values, good, "true or false (or 1, 0, t, f)", where)
    return pc.if_else(known, is_true, pa.scalar(None, pa.bool_()))


# ------------------------------------------------------------------ dates


def _dates(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """UTC, in milliseconds, without a zone; a date that names no zone is UTC."""
    if pa.types.is_temporal(values.type):
        return values.cast(pa.timestamp("ms"), safe=False)
    text = _trimmed(values, where)
    times = read_times(text)
    known = text.drop_null()
    # A column of several forms was joined from tables that may mean different things.
    first = form_of(known[0].as_py()) if len(known) else None
    good = pc.and_(times.is_valid(), have_form(text, first))
    _require(text, good, DATES, where)
    return times


# How values become each type that the published columns have.
CONVERTERS: tuple[
    tuple[
        Callable[[pa.DataType], bool],
        Callable[[pa.ChunkedArray, str], pa.ChunkedArray],
    ],
    ...,
] = (
    (pa.types.is_string, _text),
    (pa.types.is_timestamp, _dates),
    (pa.types.is_boolean, _truths),
    (pa.types.is_integer, _whole_numbers),
    (pa.types.is_floating, _numbers),
)


# ------------------------------------------------------------------ ids


def _refuse_damaged(ids: pa.ChunkedArray, where: str) -> None:
    """Ids must be digits; rounded ids are recognised by their remainders (1 in 256 by chance)."""
    good = pc.fill_null(pc.match_substring_regex(ids, "^[0-9]{1,20}$"), False)
    _require(ids, good, "post ids of digits", f"{where}: id")
    refuse_damaged(where, pc.unique(ids).to_pylist())
