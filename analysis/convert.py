"""What callers pass, as NumPy arrays: arrays, lists, DataFrames, Series, Arrow tables and arrays alike.

Public functions of the estimators convert once, at their border. Matrices are embeddings [n, d], one row an image;
columns are one value an image.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from twigma.core.numeric.stored_rows import StoredRows

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Precision = type[np.float32] | type[np.float64]
ARROW = (pa.Array, pa.ChunkedArray)
VECTORS = "embedding"  # the column of a table that holds vectors


def as_matrix(values: Any) -> Array:
    """Rows of numbers as an array [n, d], of the type they have.

    Parameters
    ----------
    values : array or nested list [n, d]; a DataFrame of d numeric columns; a table with a column `embedding`, or a
        Series, Arrow array or Arrow column of vectors of one length.

    Returns
    -------
    Array [n, d]; NumPy arrays are not copied, whatever their shape, and stored rows not read. ValueError for vectors of
    unequal lengths.

    >>> as_matrix(pa.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    if isinstance(values, StoredRows):
        # Read like an array, by slices and row numbers, and never the whole.
        return cast(Array, values)
    if isinstance(values, pd.DataFrame | pa.Table):
        columns = list(getattr(values, "column_names", values.columns))
        if VECTORS in columns:
            return as_matrix(values[VECTORS])
        frame = values.to_pandas() if isinstance(values, pa.Table) else values
        return np.asarray(frame.to_numpy())
    if isinstance(values, ARROW):
        return _arrow_matrix(values)
    if isinstance(values, pd.Series):
        return np.stack([np.asarray(vector) for vector in values])
    return np.asarray(values)


def _arrow_matrix(values: Any) -> Array:
    """A column of vectors, of fixed or of variable length, without a Python list in between."""
    import pyarrow.compute as pc

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if values.null_count:
        raise ValueError(
            f"expected a vector in every row, found {values.null_count} without one: drop these rows first"
        )
    lengths = pc.min_max(pc.list_value_length(values)).as_py()
    if lengths["min"] != lengths["max"]:
        raise ValueError(
            f"expected vectors of one length, found {lengths['min']} to {lengths['max']} numbers"
        )
    flat = pc.list_flatten(values).to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(values), lengths["max"] or 0))


def as_matrices(sets: Mapping[str, Any]) -> dict[str, Array]:
    """Every set as an array [n, d], by name; see `as_matrix`. ValueError where sets have no names."""
    require_names(sets)
    return {name: as_matrix(values) for name, values in sets.items()}


def require_names(sets: Any) -> None:
    """Raise ValueError unless these are sets by name."""
    # A DataFrame or a table of Arrow is one set.
    if not isinstance(sets, Mapping):
        raise ValueError(
            f'expected sets by their names, such as {{"twigma": …}}, found one {type(sets).__name__}'
        )


def as_column(values: Any) -> Array:
    """One value an image, as an array [n]: of a list, an array, a Series or an Arrow column.

    >>> as_column(pa.array(["ada", None])).tolist()
    ['ada', None]
    """
    if isinstance(values, ARROW):
        return np.asarray(values.to_pandas())
    if isinstance(values, pd.Series):
        return np.asarray(values.to_numpy())
    if isinstance(values, np.ndarray):
        return values
    return np.asarray(pd.Series(values).to_numpy())


def aligned(name: str, **columns: Any) -> dict[str, Any]:
    """Columns of the same images, matched row by row: Series by their index, everything else by position.

    A Series is brought into the order of the first one; where all have one index, as columns of one DataFrame do,
    nothing moves. Arrays and lists are in the order of the first Series already. None stays None.

    Parameters
    ----------
    name : of the calling function, for the errors.
    columns : one value an image each, or None.

    Returns
    -------
    The columns, by name: arrays as they are, Series in one order and numbered from 0. ValueError for unequal lengths,
    and for Series whose indexes have different or repeated labels, which cannot be matched.

    >>> likes = pd.Series([3, 1], index=["a", "b"])
    >>> weight = pd.Series([0.1, 0.3], index=["b", "a"])
    >>> aligned("example", likes=likes, weight=weight)["weight"].tolist()
    [0.3, 0.1]
    """
    index: pd.Index | None = None
    result: dict[str, Any] = {}
    for key, values in columns.items():
        if isinstance(values, pd.Series):
            index = values.index if index is None else index
            matched = _reindexed(values, index, f"{name}: {key}")
            result[key] = matched.reset_index(drop=True)
        elif isinstance(values, ARROW):
            result[key] = pd.Series(as_column(values))
        else:
            result[key] = values
    sizes = {key: len(values) for key, values in result.items() if values is not None}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{name}: expected columns of one length, found {sizes}")
    return result


def _reindexed(values: "pd.Series[Any]", index: pd.Index, name: str) -> Any:
    if values.index.equals(index):
        return values
    unique = values.index.is_unique and index.is_unique
    if not unique or len(values) != len(index) or not index.isin(values.index).all():
        raise ValueError(
            f"{name}: expected the labels of the other columns in the index, each once; "
            "take all columns from one DataFrame, or pass arrays in one order"
        )
    return values.reindex(index)


def columns_of(data: Any, name: str, **columns: Any) -> dict[str, Any]:
    """The columns that were asked for: names are looked up in `data`, values are matched with its rows.

    Parameters
    ----------
    data : DataFrame or Arrow table, or None where all columns are given as values.
    name : of the calling function, for the errors.
    columns : a column's name, its values, or None.

    Returns
    -------
    As `aligned`. ValueError for a name without a table, or that the table does not have.
    """
    if data is None:
        named = [key for key, values in columns.items() if isinstance(values, str)]
        if named:
            raise ValueError(
                f"{name}: expected a table whose columns are named, or values for {named}"
            )
        return aligned(name, **columns)
    wanted = [values for values in columns.values() if isinstance(values, str)]
    present = data.column_names if isinstance(data, pa.Table) else list(data.columns)
    missing = [column for column in wanted if column not in present]
    if missing:
        raise ValueError(
            f"{name}: the table has no column {missing[0]!r}; its columns are {present}"
        )
    if isinstance(data, pa.Table):
        data = data.select(list(dict.fromkeys(wanted))).to_pandas()
    values = {
        key: data[column] if isinstance(column, str) else column
        for key, column in columns.items()
    }
    return aligned(name, **values)
