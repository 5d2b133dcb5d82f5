"""Rows of several parts: only the parts that have them are opened."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from twigma.rehydrate.posts.row_numbers import Parts


def test_rows_are_taken_from_the_parts_that_have_them() -> None:
    tables = [pa.table({"a": values, "b": values}) for values in ([0, 1], [2, 3], [4])]
    opened: list[int] = []

    def opener(number: int) -> Callable[[], pa.Table]:
        def part() -> pa.Table:
            opened.append(number)
            return tables[number]

        return part

    parts = Parts([opener(number) for number in range(3)])
    opened.clear()
    assert parts.take(np.array([2, 4]))["a"].to_pylist() == [2, 4]
    assert opened == [1, 2]
    nothing = parts.take(np.array([], np.int64), ["b"])
    assert nothing.column_names == ["b"]
    assert not len(nothing)
