"""The contract of a stage: a function `Table -> Table` that reads some columns, adds some, and keeps every row."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import pyarrow as pa

from twigma.core.columns import require

P = ParamSpec("P")


StageFunction = Callable[Concatenate[pa.Table, P], pa.Table]


def stage(
    *, reads: tuple[str, ...], adds: tuple[str, ...]
) -> Callable[[StageFunction[P]], StageFunction[P]]:
    """Declare a stage `Table -> Table`: checked to find `reads`, add exactly `adds`, and keep every row in order."""

    def declare(function: StageFunction[P]) -> StageFunction[P]:
        name = f"stage {function.__name__!r}"

        @functools.wraps(function)
        def checked(table: pa.Table, /, *args: P.args, **kwargs: P.kwargs) -> pa.Table:
            require(table, reads, f"{name}, on entry")
            result = function(table, *args, **kwargs)
            require(result, adds, f"{name}, on exit")
            extra = set(result.column_names) - set(table.column_names) - set(adds)
            lost = set(table.column_names) - set(result.column_names)
            if extra or lost:
                raise ValueError(
                    f"{name} adds {sorted(adds)}, but it added {sorted(extra)} and lost {sorted(lost)}"
                )
            if not result["image_name"].equals(table["image_name"]):
                raise ValueError(
                    f"{name} must keep rows and order: {len(table)} rows in, {len(result)} out"
                )
            return result

        return checked

    return declare
