"""The contract of a stage: a function `Table -> Table` that reads some columns, adds some, and keeps every row."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import pyarrow as pa

from twigma.core.columns import present, require

P = ParamSpec("P")


StageFunction = Callable[Concatenate[pa.Table, P], pa.Table]


def stage(
    *, reads: tuple[str, ...], adds: tuple[str, ...]
) -> Callable[[StageFunction[P]], StageFunction[P]]:
    """Declare a stage `Table -> Table` that reads the columns `reads` and adds exactly `adds`.

    `columns.LABELS` among them is a label column of any number of clusters.

    The function is checked at every call: ValueError where a column is missing or has another type than its
    declaration, and where the result has other columns or rows, or rows in another order. It takes options beside the
    table.

    Examples
    --------
    >>> from twigma.core import columns
    >>> @stage(reads=("image_name",), adds=("width",))
    ... def measure(table):
    ...     return columns.add(table, width=[512] * len(table))
    >>> measure(pa.table({"image_name": ["1"]}))["width"].to_pylist()
    [512]
    """

    def declare(function: StageFunction[P]) -> StageFunction[P]:
        name = f"stage {function.__name__!r}"

        @functools.wraps(function)
        def checked(table: pa.Table, /, *args: P.args, **kwargs: P.kwargs) -> pa.Table:
            require(table, reads, f"{name}, on entry")
            result = function(table, *args, **kwargs)
            require(result, adds, f"{name}, on exit")
            before, after = set(table.column_names), set(result.column_names)
            extra = after - before - set(present(adds, after))
            lost = before - after
            if extra or lost:
                raise ValueError(
                    f"{name} adds {sorted(adds)}, but it added {sorted(extra)} and lost {sorted(lost)}"
                )
            # Stages add columns and never drop rows: only a release filters.
            if not result["image_name"].equals(table["image_name"]):
                raise ValueError(
                    f"{name} must keep rows and order: {len(table)} rows in, {len(result)} out"
                )
            return result

        return checked

    return declare
