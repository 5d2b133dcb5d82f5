"""`filters`: which rows are loaded, as conditions or as an expression of pyarrow, checked against the columns."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from pyarrow.parquet import filters_to_expression

from twigma.dataset.options.load_options import require_columns, shown

OPERATORS = ("=", "==", "!=", "<", ">", "<=", ">=", "in", "not in")
EXAMPLE = '[("like_count", ">", 10)]'
BAD_VALUE = (pa.ArrowException, TypeError, ValueError, OverflowError)


def check_filters(filters: Any, schema: pa.Schema, where: str) -> pc.Expression | None:
    """The rows to keep as an expression of pyarrow; None for all.

    Parameters
    ----------
    filters : an expression, a list of conditions (column, operator, value) that all hold, or a list of such lists, of
        which one holds; None for all rows.
    schema : the columns that there are, with their types.
    where : what has these columns, for messages.

    Raises
    ------
    ValueError where they are none of these, name a column that there is not, or compare it with a value that its type
    cannot be compared with.
    """
    if filters is None:
        return None
    if isinstance(filters, pc.Expression):
        _check_expression(filters, schema, where)
        return filters
    groups = _groups(filters, where)
    columns = dict.fromkeys(condition[0] for group in groups for condition in group)
    require_columns(columns, schema, where)
    return filters_to_expression(
        [
            [_check_condition(condition, schema, where) for condition in group]
            for group in groups
        ]
    )


def _check_expression(filters: pc.Expression, schema: pa.Schema, where: str) -> None:
    try:
        _bind(filters, schema)
    except BAD_VALUE as error:
        missing = re.match(r"No match for FieldRef\.Name\((.*?)\) in ", str(error))
        if missing:
            require_columns([missing[1]], schema, where)
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{where}: expected filters that its columns can be compared by, found {shown(filters)}: {reason}"
        ) from None


def _groups(filters: Any, where: str) -> list[list[Any]]:
    """Filters as a list of lists of conditions."""
    if not isinstance(filters, list | tuple) or not filters:
        raise _not_conditions(filters, where)
    if _is_condition(filters) and not _is_condition(filters[0]):
        raise _not_conditions(filters, where, f": write [{shown(tuple(filters))}]")
    groups = filters
    if all(_is_condition(part) for part in filters):
        groups = [filters]
    for group in groups:
        if not isinstance(group, list | tuple) or not group:
            raise _not_conditions(group, where)
        for condition in group:
            if not isinstance(condition, list | tuple):
                raise _not_conditions(group, where)
            if not _is_condition(condition) or len(condition) != 3:
                raise _not_conditions(condition, where)
    return [list(group) for group in groups]


def _is_condition(part: Any) -> bool:
    return isinstance(part, list | tuple) and bool(part) and isinstance(part[0], str)


def _not_conditions(found: Any, where: str, advice: str = "") -> ValueError:
    return ValueError(
        f"{where}: expected filters as a list of conditions (column, operator, value), such as {EXAMPLE}, or an "
        f"expression of pyarrow, found {shown(found)}{advice}"
    )


def _check_condition(
    condition: Sequence[Any], schema: pa.Schema, where: str
) -> tuple[str, str, Any]:
    """A condition whose value its column can be compared with."""
    column, operator, value = condition
    if operator not in OPERATORS:
        raise ValueError(
            f"{where}: expected an operator among {', '.join(OPERATORS)} for {column}, found {shown(operator)}"
        )
    field = schema.field(column)
    if operator not in ("in", "not in"):
        _check_value(field, operator, value, value, where)
        return column, operator, value
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
        raise ValueError(
            f"{where}: expected a list of values after {operator!r} for {column} ({field.type}), found {shown(value)}"
        )
    if not len(value):
        # An empty list has no type of its own, and pyarrow compares it with no text.
        return column, operator, pa.array([], field.type)
    values = list(value)
    try:
        _compare(field, operator, values)
    except BAD_VALUE:
        for each in values:
            _check_value(field, operator, [each], each, where)
        raise _not_comparable(field, value, where) from None
    return column, operator, values


def _check_value(
    field: pa.Field, operator: str, value: Any, shown: Any, where: str
) -> None:
    """ValueError where a column cannot be compared with a value, of which `shown` is what the caller gave."""
    try:
        _compare(field, operator, value)
    except BAD_VALUE:
        raise _not_comparable(field, shown, where) from None
    if value is None:
        raise _not_comparable(field, None, where)


def _compare(field: pa.Field, operator: str, value: Any) -> None:
    condition = filters_to_expression([(field.name, operator, value)])
    _bind(condition, pa.schema([field]))


def _bind(condition: pc.Expression, schema: pa.Schema) -> None:
    """What pyarrow raises where it cannot apply a condition to rows of a schema."""
    rows = pyarrow.dataset.dataset(schema.empty_table())
    rows.to_table(columns=[], filter=condition)


def _not_comparable(field: pa.Field, value: Any, where: str) -> ValueError:
    found = f"{shown(value)} ({type(value).__name__})"
    is_number = hasattr(value, "__int__") and not isinstance(value, bool)
    if value is None:
        found = f"None: rows without one are pyarrow.compute.field({field.name!r}).is_null()"
    elif is_number and pa.types.is_string(field.type):
        found += f": write {str(value)!r}"
    return ValueError(
        f"{where}: expected {_comparable(field.type)} to compare with {field.name} ({field.type}), found {found}"
    )


def _comparable(kind: pa.DataType) -> str:
    """What a column of a type can be compared with, in words."""
    if pa.types.is_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "True or False"
    if pa.types.is_timestamp(kind):
        return "a datetime.datetime without time zone"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "a number"
    return "nothing, as filters compare text, numbers and times,"
