"""The published columns from the forms that tables by others have: numbers as text, dates of any kind, `t` for true.

Each value is converted exactly, or the table is refused with the first that cannot be, its row, and what was expected.
"""

import re
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from twigma.core import columns
from twigma.dataset.table_formats import NULLS
from twigma.rehydrate.ids.damage import refuse_damaged

TRUE = ("true", "t", "yes", "1", "1.0")
FALSE = ("false", "f", "no", "0", "0.0")
WHOLE = r"^[-+]?[0-9]+(\.0*)?$"
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
    _require(text, pc.match_substring_regex(text, WHOLE), "whole numbers", where)
    return text.cast(pa.float64())


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
    known = text.drop_null()
    if not len(known):
        return text.cast(pa.timestamp("ms"))
    first = known[0].as_py()
    forms = [form for form in FORMS if re.match(form[0], first)]
    # Where none fits, the last refuses the first date.
    pattern, parse = [*forms, FORMS[-1]][0]
    _require(text, pc.match_substring_regex(text, pattern), DATES, where)
    dates = parse(text)
    _require(text, pc.or_(dates.is_valid(), text.is_null()), DATES, where)
    return dates


def _since_1970(step: float) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    """A parser of numbers that count `step` milliseconds."""

    def parse(text: pa.ChunkedArray) -> pa.ChunkedArray:
        milliseconds = pc.round(pc.multiply(text.cast(pa.float64()), step))
        return milliseconds.cast(pa.int64()).cast(pa.timestamp("ms"))

    return parse


def _formatted(form: str) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    """A parser by a format of `pandas.to_datetime`; null where there is no such date."""

    def parse(text: pa.ChunkedArray) -> pa.ChunkedArray:
        strings = text.to_pandas().str.replace(" (GMT|UTC)$", " +0000", regex=True)
        times = pd.to_datetime(strings, utc=True, format=form, errors="coerce")
        naive = times.dt.tz_localize(None).dt.floor("ms")
        return pa.chunked_array([pa.Array.from_pandas(naive, type=pa.timestamp("ms"))])

    return parse


# A pattern, and how what matches it is parsed.
FORMS = (
    (r"^[0-9]{9,10}(\.[0-9]*)?$", _since_1970(1000.0)),
    (r"^[0-9]{12,13}(\.0*)?$", _since_1970(1.0)),
    (r"^[0-9]{4}-?[0-9]{2}-?[0-9]{2}([T ]|$)", _formatted("ISO8601")),
    (r"^[A-Z][a-z]{2}, [0-9]", _formatted("%a, %d %b %Y %H:%M:%S %z")),
    (r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]", _formatted("%a %b %d %H:%M:%S %z %Y")),
)
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
